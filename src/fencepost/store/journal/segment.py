"""
A segment: a file of frames whose name is the position of the first entry.

    magic  version  reserved  mark  first  created  crc
    8      u16      u16       8     u64    i64      u32

Numbers are little-endian; `created` is in microseconds since 1970, UTC. Frames follow (`frame`).
"""

import os
import re
import struct
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from zlib import crc32

from msgspec import Struct

from fencepost.model.errors import OperatorError, Problem
from fencepost.model.instant import micros
from fencepost.store.folders import sync_folder
from fencepost.store.journal.frame import MARK_SIZE

MAGIC = b"FPjourna"
VERSION = 3
"""
What is written. Format 1 has no operations of the gateway, and no message says how it came; format 2 has no layers,
no suppression rules, nothing said about an alert but its moves, and no reasons of edits.
"""
OLDEST = 1
"""From which format on we read."""
UNFINISHED = ".new"
"""The suffix of a segment that is being made."""
SET_ASIDE = ".damaged"

_NAME = re.compile(r"\d{20}\.seg")
_FIELDS = struct.Struct("<8sHH8sQq")
_CHECK = struct.Struct("<I")
HEADER_SIZE = _FIELDS.size + _CHECK.size


class Segment(Struct, frozen=True):
    """A segment as readers see it: nothing behind `size` bytes is looked at."""

    path: Path
    first: int
    size: int


class SegmentHeader(Struct, frozen=True):
    """What stands before the frames of a segment."""

    mark: bytes
    first: int
    created: int

    def encoded(self) -> bytes:
        fields = _FIELDS.pack(MAGIC, VERSION, 0, self.mark, self.first, self.created)
        return fields + _CHECK.pack(crc32(fields))


def new_header(first: int, created: datetime) -> SegmentHeader:
    """Return the header of a new segment, with a mark that nobody can guess."""
    return SegmentHeader(os.urandom(MARK_SIZE), first, micros(created))


def parse_header(encoded: bytes, path: Path) -> SegmentHeader | None:
    """
    Return the header that the first bytes are, None if they are damaged.

    Raises OperatorError for a header in order that another version of Fencepost wrote.
    """
    if len(encoded) < HEADER_SIZE or not encoded.startswith(MAGIC):
        return None
    _, version, _, *fields = _FIELDS.unpack_from(encoded)
    if _CHECK.unpack_from(encoded, _FIELDS.size) != (crc32(encoded[: _FIELDS.size]),):
        return None
    if not OLDEST <= version <= VERSION:
        reason = (
            f"written in format {version}, this Fencepost reads formats {OLDEST} to {VERSION}: "
            "use the one that wrote it"
        )
        raise OperatorError([Problem("", reason, str(path))])
    return SegmentHeader(*fields)


def path_of(folder: Path, first: int) -> Path:
    return folder / f"{first:020}.seg"


def segments_in(folder: Path) -> list[Segment]:
    """Return the segments of a folder in the order of their positions, as long as their files are now."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name):
                with suppress(FileNotFoundError):  # taken away since it was listed
                    found.append(Segment(folder / entry.name, int(entry.name[:20]), entry.stat().st_size))
    return sorted(found, key=lambda segment: segment.first)


class SegmentFile:
    """A segment that is being appended to; whatever `size` counts is on disk."""

    def __init__(self, path: Path, file: int, header: SegmentHeader, size: int) -> None:
        self.path = path
        self.header = header
        self.size = size
        self._file = file

    @property
    def is_empty(self) -> bool:
        """Whether there is no frame yet."""
        return self.size == HEADER_SIZE

    @property
    def durable(self) -> Segment:
        """The segment as far as it may be read."""
        return Segment(self.path, self.header.first, self.size)

    def append(self, frame: bytes) -> None:
        """Put a frame on disk. Raises OSError: then the frame is not kept, and the segment is at its end."""
        try:
            _write(self._file, frame, self.size)
            os.fdatasync(self._file)
        except OSError:
            # Never fsync this file again: after a failure the kernel may have dropped the pages and forgotten
            # the error, and a second fsync would call durable what is on no disk ("fsyncgate", 2018). What
            # had been synced before is safe; the next frame goes into a new file.
            self._take_back()
            raise
        self.size += len(frame)

    def _take_back(self) -> None:
        with suppress(OSError):  # then rule 3 of the journal makes the frame void
            os.ftruncate(self._file, self.size)
        self.close()

    def close(self) -> None:
        if self._file >= 0:
            file, self._file = self._file, -1
            with suppress(OSError):  # all that counts has been synced
                os.close(file)


def create(folder: Path, header: SegmentHeader, frames: Iterable[bytes] = ()) -> SegmentFile:
    """
    Make a segment, perhaps with frames; it appears under its name when all of it is on disk.

    One with the same name is replaced: by rule 3 of the journal it holds nothing that was acknowledged.
    Raises OSError, and leaves nothing behind.
    """
    path = path_of(folder, header.first)
    part = path.with_suffix(UNFINISHED)
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        size = 0
        for piece in chain([header.encoded()], frames):
            size = _write(file, piece, size)
        os.fsync(file)
        part.replace(path)
        sync_folder(folder)
    except BaseException:
        os.close(file)
        with suppress(OSError):
            part.unlink()
        raise
    return SegmentFile(path, file, header, size)


def _write(file: int, content: bytes, offset: int) -> int:
    """Write all of the content, however little the system takes at a time, and return where it ends."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written
    return offset
