"""
Snapshots of the processor, each with the position of the last entry it knows.

A snapshot only shortens a restart: without one, or with a damaged one, everything is made from the journal.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec
import zstandard
from msgspec import Struct

from fencepost.store.folders import make_folder, sync_folder

KEPT = 2
SUFFIX = ".snapshot"
PART = ".part"
MAGIC = b"FPSNAP2\n"
HEAD = len(MAGIC) + 4
LEVEL = 3
LARGEST = 8 << 30

_log = logging.getLogger(__name__)


class Snapshot(Struct, array_like=True):
    """A detector's memory at a position; `mark` tells the entry there from that of another history."""

    position: int
    mark: bytes
    detector: bytes


class Snapshots:
    """The snapshots in a folder, named after their positions; the newest two are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)
        for unfinished in folder.glob(f"*{PART}"):
            unfinished.unlink(missing_ok=True)

    def write(self, snapshot: Snapshot) -> None:
        """Write a snapshot whole or not at all, and drop all but the newest two; raises OSError."""
        body = zstandard.ZstdCompressor(LEVEL).compress(msgspec.msgpack.encode(snapshot))
        path = self._folder / f"{snapshot.position:020}{SUFFIX}"
        part = path.with_suffix(PART)
        try:
            _write(part, MAGIC + crc32(body).to_bytes(4, "big") + body)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)  # a disk that is full must not become fuller
            raise
        sync_folder(self._folder)
        for old in self._paths()[KEPT:]:
            old.unlink(missing_ok=True)

    def newest(self, not_after: int) -> Iterator[Snapshot]:
        """Yield the snapshots that are not ahead of a position, the newest first; damaged ones are passed."""
        for path in self._paths():
            if int(path.stem) <= not_after and (snapshot := _read(path)) is not None:
                yield snapshot

    def drop_after(self, position: int) -> None:
        """Take away what is ahead of the store: it was restored, and another history begins."""
        for path in self._paths():
            if int(path.stem) > position:
                _log.warning("the snapshot %s is ahead of the control store: removed", path.name)
                path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        named = (path for path in self._folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())
        return sorted(named, key=lambda path: int(path.stem), reverse=True)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> Snapshot | None:
    try:
        plain = zstandard.ZstdDecompressor().decompress(_checked(path.read_bytes()), max_output_size=LARGEST)
        return msgspec.msgpack.decode(plain, type=Snapshot)
    except (OSError, ValueError, zstandard.ZstdError, msgspec.MsgspecError) as error:
        _log.warning("the snapshot %s cannot be used, an older one or the journal is: %s", path.name, error)
        return None


def _checked(content: bytes) -> bytes:
    body = content[HEAD:]
    if content[: len(MAGIC)] != MAGIC or crc32(body) != int.from_bytes(content[len(MAGIC) : HEAD], "big"):
        raise ValueError("the checksum does not match")
    return body
