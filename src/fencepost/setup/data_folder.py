"""
Files of the data folder: whole or not there, only their owner's, and never made twice.

Laws of this module: a file appears under its name when it is on disk, so that a process killed at any instant
leaves nothing half written; it is 0600 before its first byte, whatever the umask; and one process at a time
makes anything.
"""

import errno
import fcntl
import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from fencepost.model.errors import OperatorError, Problem

FILE_MODE, FOLDER_MODE = 0o600, 0o700
LARGEST = 1_000_000
PATIENCE = 30.0
"""Seconds to wait for another process that makes something in the same folder."""
_POLL = 0.02


class DataFolder:
    """
    One folder, and `made`: the names of what was made in it since.

    Names are relative paths such as `tls/ca.pem`. Every method raises OSError, with the path it concerns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made: list[str] = []

    def ensure_folder(self, name: str) -> None:
        path = self.path / name
        if not path.is_dir():
            make_folder(path)
            self.made.append(f"{name}/")

    def read(self, name: str) -> bytes | None:
        """Return what a file holds, None where there is none; a link that leads nowhere is an error."""
        path = self.path / name
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except FileNotFoundError:
            if path.is_symlink():
                raise
            return None
        if len(content) > LARGEST:
            raise OperatorError([Problem("", f"the file is larger than {LARGEST} bytes", str(path))])
        return content

    def create(self, name: str, content: bytes) -> None:
        """Make a file that is not there."""
        if os.path.lexists(self.path / name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.path / name))
        self.replace(name, content)

    def replace(self, name: str, content: bytes) -> None:
        """Put a file in place of what is there: the old one or the new one, at any instant."""
        path = self.path / name
        part = _part_of(path)
        part.unlink(missing_ok=True)
        try:
            _write(part, content)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from error
        sync(path.parent)
        self.made.append(name)

    def sweep(self, name: str) -> None:
        """Take away what a killed process left of a file."""
        _part_of(self.path / name).unlink(missing_ok=True)

    def exposures(self, secrets: Iterable[str]) -> Iterator[Problem]:
        """Yield a warning for each way in which others can reach the secrets, as far as they are there."""
        own = self.path.stat()
        if own.st_uid not in (os.geteuid(), 0):
            reason = f"this folder belongs to another user (uid {own.st_uid}): run fencepost as that user"
            yield Problem("", reason, str(self.path))
        if own.st_mode & stat.S_IWOTH:
            yield Problem("", f"others can change this folder: chmod 700 {self._quoted('')}", str(self.path))
        for name in secrets:
            path = self.path / name
            if path.exists() and path.stat().st_mode & 0o077:
                reason = f"others can read this secret: chmod 600 {self._quoted(name)}"
                yield Problem("", reason, str(path))

    def _quoted(self, name: str) -> str:
        return shlex.quote(str(self.path / name))


@contextmanager
def locked(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold a lock file, which is made and stays; raises OperatorError if another process keeps it too long."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    try:
        _wait_for(descriptor, path, patience)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, path: Path, patience: float) -> None:
    deadline = monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > deadline:
                reason = f"another fencepost has been setting up this folder for {patience:g} s: end it first"
                raise OperatorError([Problem("", reason, str(path.parent))]) from None
            sleep(_POLL)
        else:
            return


def make_folder(path: Path) -> None:
    """Make a folder that only its owner enters, and the folders above it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            return
        path.mkdir(mode=FOLDER_MODE)
    except FileExistsError as error:
        if path.is_dir():  # another process was faster
            return
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from error
    path.chmod(FOLDER_MODE)  # an umask may have taken away the owner's part
    sync(path.parent)


def sync(folder: Path) -> None:
    """Put on disk which names a folder holds."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor, not of a path
        os.fchmod(descriptor, FILE_MODE)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
