"""
Others' programs and SDKs, unmodified: installed once on a machine, for one set of versions, in a folder of its own.

The folder lies with the machine's temporary files and belongs to whoever runs the tests. Whoever wants it while
another test process makes it waits; what was made halfway is never used.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path

_PATIENCE = 240
"""Seconds that one program of an installation may take."""


class NotInstallableError(Exception):
    """The clients cannot be had on this machine; the text says what is missing."""


def installed_python(requirements: Path) -> Path:
    """Return the interpreter of an environment with a file of requirements; raises NotInstallableError."""
    versions = requirements.read_bytes() + sys.version.encode()
    made = _made("python", versions, partial(_install_python, requirements))
    return made / "bin" / "python"


def installed_node(package: Path) -> Path:
    """Return the folder node_modules with the packages of a package.json; raises NotInstallableError."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NotInstallableError(f"{program} is not installed: apt-get install nodejs npm")
    return _made("node", package.read_bytes(), partial(_install_node, package)) / "node_modules"


def _install_python(requirements: Path, folder: Path) -> None:
    _run(sys.executable, "-m", "venv", str(folder))
    python = str(folder / "bin" / "python")
    _run(python, "-m", "pip", "install", "--quiet", "--requirement", str(requirements))


def _install_node(package: Path, folder: Path) -> None:
    shutil.copy(package, folder / "package.json")
    quietly = ("--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=1")
    _run("npm", "install", *quietly, folder=folder)


def _made(language: str, versions: bytes, make: Callable[[Path], None]) -> Path:
    """Return the folder for these versions, which `make` has filled, now or once before."""
    key = sha256(versions).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"fencepost-clients-{os.getuid()}-{language}-{key}"
    with _locked(folder.with_suffix(".lock")):
        if not folder.exists():
            unfinished = folder.with_suffix(".partial")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            make(unfinished)
            unfinished.rename(folder)
    if folder.lstat().st_uid != os.getuid():
        raise NotInstallableError(f"{folder} belongs to somebody else")
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _run(*command: str, folder: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise NotInstallableError(f"{' '.join(command)} took more than {_PATIENCE} s") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [""]
        raise NotInstallableError(f"{' '.join(command)} failed: {said[0]} ... {said[-1]}")
