"""One pass over the bytes of a segment: its frames, and every place where there should be one and is none."""

import errno
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

from msgspec import Struct

from fencepost.model.errors import OperatorError, Problem
from fencepost.store.journal import frame, segment
from fencepost.store.journal.frame import FrameHeader
from fencepost.store.journal.segment import Segment

CHUNK = 1 << 20
"""The most that is in memory while the next frame is searched for."""
LOST = frozenset({errno.EIO, errno.EBADMSG, errno.EUCLEAN, errno.ENODATA, errno.ENOENT})
"""What a disk or a file system says of content that is gone; other errors say nothing about the content."""

Wanted = Callable[[FrameHeader], bool]


class Frame(Struct, frozen=True, gc=False):
    """A frame in its place; `payload` is None where nobody wanted it, and its checksum was not looked at."""

    segment: str
    offset: int
    header: FrameHeader
    payload: bytes | None

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        return self.offset + self.header.size


class Fault(Struct, frozen=True):
    """
    A range of bytes that is no frame.

    `last` is the last position that a header in it names, 0 where none can be read. `unfinished` says that
    it is what a writer leaves behind that was stopped: the beginning of a frame at the end of the file.
    """

    offset: int
    end: int
    reason: str
    last: int = 0
    unfinished: bool = False

    def joined(self, other: "Fault") -> "Fault":
        """Return the range that both are of, which begins with this one."""
        return Fault(self.offset, other.end, self.reason, max(self.last, other.last))


def scan(of: Segment, wanted: Wanted) -> Iterator[Frame | Fault]:
    """
    Yield the frames and the faults of a segment in the order of their offsets.

    Behind a place that the disk cannot read nothing more of the segment is read: that is a fault, too.
    Raises OperatorError where another version of Fencepost wrote the segment, and where we may not read it.
    """
    offset = 0
    try:
        with of.path.open("rb", buffering=0) as file:
            for found in _found(_Bytes(file, of.size), of, wanted):
                offset = found.end
                yield found
    except PermissionError as error:
        reason = "we may not read it: give it to the user that serves the folder"
        raise OperatorError([Problem("", reason, str(of.path))]) from error
    except OSError as error:
        if error.errno not in LOST:
            raise
        yield Fault(offset, max(of.size, offset), f"cannot be read: {error.strerror}")


class _Bytes:
    """A file up to `size`, whatever stands behind."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file.fileno()
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._file, max(0, min(length, self.size - offset)), offset)

    def find(self, sought: bytes, offset: int) -> int | None:
        while len(chunk := self.read(offset, CHUNK)) >= len(sought):
            place = chunk.find(sought)
            if place >= 0:
                return offset + place
            offset += len(chunk) - len(sought) + 1
        return None

    def is_blank(self, offset: int) -> bool:
        """Whether there is nothing but zeros, as behind a power cut that a file's length outlasted."""
        while chunk := self.read(offset, CHUNK):
            if chunk.count(0) < len(chunk):
                return False
            offset += len(chunk)
        return True


def _found(content: _Bytes, of: Segment, wanted: Wanted) -> Iterator[Frame | Fault]:
    encoded = content.read(0, segment.HEADER_SIZE)
    if len(encoded) < segment.HEADER_SIZE:
        yield Fault(0, of.size, "the file ends within its header", unfinished=True)
        return
    header = segment.parse_header(encoded, of.path)
    if header is not None:
        yield from _Frames(content, of.path.name, header.mark, wanted)
        return
    # the first frame knows the mark as well, and stands where no device can put anything
    first = frame.parse_header(content.read(segment.HEADER_SIZE, frame.HEADER_SIZE))
    if first is not None:
        yield Fault(0, segment.HEADER_SIZE, "the header of the segment is damaged")
        yield from _Frames(content, of.path.name, first.mark, wanted)
    else:
        yield Fault(0, of.size, "neither the header of the segment nor its first frame can be read")


class _Frames:
    """Goes from frame to frame, and searches for the next where there is none."""

    def __init__(self, content: _Bytes, name: str, mark: bytes, wanted: Wanted) -> None:
        self._content = content
        self._name = name
        self._mark = mark
        self._wanted = wanted

    def __iter__(self) -> Iterator[Frame | Fault]:
        offset = sure = segment.HEADER_SIZE
        while offset < self._content.size:
            found = self._frame_at(offset) or self._fault_at(offset, sure)
            yield found
            # where a frame was passed over unread, the next fault may be in it: it is searched, too
            passed_over = isinstance(found, Frame) and found.payload is None
            sure = found.offset + 1 if passed_over else found.end
            offset = found.end

    def _header_at(self, offset: int) -> FrameHeader | None:
        header = frame.parse_header(self._content.read(offset, frame.HEADER_SIZE))
        return header if header is not None and header.mark == self._mark else None

    def _frame_at(self, offset: int) -> Frame | None:
        header = self._header_at(offset)
        if header is None or offset + header.size > self._content.size:
            return None
        if not self._wanted(header):
            return Frame(self._name, offset, header, None)
        payload = self._content.read(offset + frame.HEADER_SIZE, header.packed)
        return Frame(self._name, offset, header, payload) if frame.is_intact(header, payload) else None

    def _fault_at(self, offset: int, sure: int) -> Fault:
        header = self._header_at(offset)
        reason, last = self._reason(header, offset), header.last if header is not None else 0
        behind = self._next_at(sure if header is None else offset + 1)
        if behind is None:
            unfinished = self._is_unfinished(header, offset)
            return Fault(offset, self._content.size, reason, last, unfinished)
        return Fault(offset if behind > offset else sure - 1, behind, reason, last)

    def _next_at(self, offset: int) -> int | None:
        """Return where the next header stands, at an offset or behind it."""
        sought = frame.MAGIC + self._mark
        while (place := self._content.find(sought, offset)) is not None:
            if self._header_at(place) is not None:
                return place
            offset = place + 1
        return None

    def _reason(self, header: FrameHeader | None, offset: int) -> str:
        if header is None:
            return "the header of a frame is damaged"
        if offset + header.size > self._content.size:
            return "the file ends within a frame"
        return "the content of a frame is damaged"

    def _is_unfinished(self, header: FrameHeader | None, offset: int) -> bool:
        """A frame of full length with other content may have been acknowledged: that is damage."""
        if header is not None:
            return offset + header.size > self._content.size
        rest = self._content.size - offset
        return rest < frame.HEADER_SIZE or self._content.is_blank(offset)
