"""What the tests of a new installation share."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from fencepost.setup.installation import Installation, prepare

NOW = datetime.now(UTC).replace(microsecond=0)
SETTINGS = "# settings\n"


def prepared(folder: Path, *hostnames: str, now: datetime = NOW, with_rsa: bool = False) -> Installation:
    return prepare(folder, hostnames, lambda: now, settings=SETTINGS, with_rsa=with_rsa)


def contents(folder: Path, names: Iterable[str] | None = None) -> dict[str, bytes]:
    """Return every file below a folder, or those of the names."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return found if names is None else {name: found[name] for name in names}
