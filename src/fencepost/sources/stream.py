"""
The bytes of one input in their order: unpacked where they are gzip, one line at a time.

No more of an input is in memory than the caller asked for, whatever it unpacks to.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import BinaryIO, Protocol

CHUNK = 1 << 16
BLANK = b" \t\r\n\f\v"
GZIP = b"\x1f\x8b\x08"
GZIP_WINDOW = 31
"""The window size by which zlib expects a gzip header."""


class Broken(Exception):  # noqa: N818 - it describes the input, and never leaves this package
    """The input ends before its content does."""


class TooLong(Exception):  # noqa: N818 - the same
    """The input holds more than was asked for."""


class _Readable(Protocol):
    def read1(self, size: int = -1, /) -> bytes: ...


def chunks_of(file: _Readable | BinaryIO, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    """
    Yield what a file holds, unpacked if it begins like gzip whatever its name; raises Broken.

    `on_bytes` hears how many bytes were taken from the file itself.
    """
    packed = _read(file, on_bytes)
    head = b""
    while len(head) < len(GZIP) and (chunk := next(packed, b"")):
        head += chunk
    if head.startswith(GZIP):
        yield from _unpacked(head, packed)
    elif head:
        yield head
        yield from packed


def _read(file: _Readable | BinaryIO, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    # read1, so that lines from a pipe are seen when they come and not when a block is full
    read: Callable[[int], bytes] = file.read1  # type: ignore[union-attr]
    try:
        while chunk := read(CHUNK):
            on_bytes(len(chunk))
            yield chunk
    except OSError as error:
        raise Broken(f"cannot be read: {error.strerror or error}") from error


def _unpacked(head: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=GZIP_WINDOW)
    for block in chain((head,), packed):
        chunk = block
        while chunk:
            if member.eof:
                chunk = chunk.lstrip(b"\0")  # tapes and block devices pad behind members
                if not chunk:
                    break
                member = zlib.decompressobj(wbits=GZIP_WINDOW)
            yield from _inflated(member, chunk)
            chunk = member.unused_data
    if not member.eof:
        raise Broken("the gzip data end early: the file is truncated")


def _inflated(member: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    while True:
        try:
            unpacked = member.decompress(packed, CHUNK)
        except zlib.error as error:
            raise Broken(f"damaged gzip data: {error}") from error
        if unpacked:
            yield unpacked
        packed = member.unconsumed_tail
        if member.eof or (not packed and len(unpacked) < CHUNK):  # a full block: zlib may hold more
            return


class ByteStream:
    """Lines, or the whole, of chunks of bytes; looking ahead takes nothing away."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()
        self._broken: Broken | None = None

    def first_line(self, limit: int) -> bytes:
        """Return the first line that is not blank, cut off behind `limit` bytes; empty if there is none."""
        start = searched = 0
        while True:
            while start < len(self._buffer) and self._buffer[start] in BLANK:
                start += 1
            end = self._buffer.find(b"\n", max(start, searched))
            if end >= 0:
                return bytes(self._buffer[start:end])
            searched = len(self._buffer)
            if searched > limit or not self._fill():
                return bytes(self._buffer[start:limit])

    def head(self, size: int) -> bytes:
        """Return the first bytes, fewer only if there are no more."""
        while len(self._buffer) < size and self._fill():
            pass
        return bytes(self._buffer[:size])

    def opening(self, limit: int) -> bytes:
        """Return what has been looked at so far, up to `limit` bytes, without reading on."""
        return bytes(self._buffer[:limit])

    def whole(self, limit: int) -> bytes:
        """Return all that is left; raises TooLong beyond `limit` bytes, or Broken."""
        while len(self._buffer) <= limit:
            if not self._fill():
                if self._broken is not None:
                    raise self._broken
                return bytes(self._buffer)
        raise TooLong

    def line(self, limit: int) -> bytes | None:
        """
        Take the next line, without its end; None behind the last one.

        Raises TooLong for a line beyond `limit` bytes, which is then skipped, and Broken where the input
        ends before its content does: what stands before that has been given out by then.
        """
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > limit:
                self._skip_line()
                raise TooLong
            if not self._fill():
                return self._last_line()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if len(line) > limit:
            raise TooLong
        return line

    def drop(self, size: int) -> None:
        del self._buffer[:size]

    def _last_line(self) -> bytes | None:
        if self._broken is not None:
            raise self._broken
        line = bytes(self._buffer)
        self._buffer.clear()
        return line or None

    def _skip_line(self) -> None:
        while True:
            self._buffer.clear()
            if not self._fill():
                return
            end = self._buffer.find(b"\n")
            if end >= 0:
                del self._buffer[: end + 1]
                return

    def _fill(self) -> bool:
        if self._broken is not None:
            return False
        try:
            chunk = next(self._chunks, b"")
        except Broken as broken:
            self._broken = broken
            return False
        self._buffer += chunk
        return bool(chunk)
