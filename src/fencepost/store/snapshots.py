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

from fencepost.model.record import DeviceRecord

KEPT = 2
SUFFIX = ".snapshot"
MAGIC = b"FPSNAP1\n"
HEAD = len(MAGIC) + 4
LEVEL = 3
LARGEST = 8 << 30

_log = logging.getLogger(__name__)


class Snapshot(Struct, array_like=True):
    """A detector's memory at a position, and what was not written to the devices' records by then."""

    position: int
    detector: bytes
    waiting: list[DeviceRecord]


class Snapshots:
    """The snapshots in a folder, named after their positions; the newest two are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, snapshot: Snapshot) -> None:
        """Write a snapshot whole or not at all, and drop all but the newest two; raises OSError."""
        body = zstandard.ZstdCompressor(LEVEL).compress(msgspec.msgpack.encode(snapshot))
        path = self._folder / f"{snapshot.position:020}{SUFFIX}"
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(MAGIC + crc32(body).to_bytes(4, "big") + body)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(self._folder)
        for old in self._paths()[KEPT:]:
            old.unlink(missing_ok=True)

    def newest(self, not_after: int) -> Iterator[Snapshot]:
        """Yield the snapshots that are not ahead of a position, the newest first; damaged ones are passed."""
        for path in self._paths():
            if int(path.stem) <= not_after and (snapshot := _read(path)) is not None:
                yield snapshot

    def _paths(self) -> list[Path]:
        named = (path for path in self._folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())
        return sorted(named, key=lambda path: int(path.stem), reverse=True)


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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
