"""
A frame: the entries of one commit, compressed, and checked by what stands before them.

    magic  mark  packed  raw  count  first  payload crc  header crc  |  payload
    4      8     u32     u32  u32    u64    u32          u32            `packed` bytes

Numbers are little-endian. `payload` is one zstd frame of `raw` bytes, a msgpack array of `count` entries
(`model.entry`); the first has the position `first`. The header's checksum covers all that stands before it.

`mark` is a random number of the segment. Where a segment is damaged, the next frame is searched for by magic
and mark; a device that puts the bytes of a frame into its message does not know the mark, so nothing that a
device sends is ever taken for a frame.
"""

import struct
from collections.abc import Callable, Sequence
from zlib import crc32

import zstandard
from msgspec import MsgspecError, Struct, msgpack

from fencepost.model.entry import Entry, Received

MAGIC = b"FPfr"
MARK_SIZE = 8
LEVEL = 1
MOST_ENTRIES = 1 << 16
MOST_RAW = 32 << 20
"""The most bytes of a frame before compression; a header that claims more is no header."""
MOST_PACKED = MOST_RAW + (MOST_RAW >> 7) + 1024
"""More than zstd makes of `MOST_RAW` bytes that cannot be compressed."""
MOST_POSITION = (1 << 63) - 1

_FIELDS = struct.Struct("<4s8sIIIQI")
_CHECK = struct.Struct("<I")
HEADER_SIZE = _FIELDS.size + _CHECK.size

Decompress = Callable[[bytes], bytes]

_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(list[Entry]).decode


class FrameHeader(Struct, frozen=True, gc=False):
    """What is known of a frame before its payload is read."""

    mark: bytes
    packed: int
    raw: int
    count: int
    first: int
    checksum: int

    @property
    def last(self) -> int:
        """The position of the last entry."""
        return self.first + self.count - 1

    @property
    def size(self) -> int:
        """The bytes of the whole frame."""
        return HEADER_SIZE + self.packed

    def encoded(self) -> bytes:
        fields = _FIELDS.pack(MAGIC, self.mark, self.packed, self.raw, self.count, self.first, self.checksum)
        return fields + _CHECK.pack(crc32(fields))


def size_of(entry: Entry) -> int:
    """Return about how many bytes an entry takes in a frame before compression."""
    if isinstance(entry, Received):
        return len(entry.body) + len(entry.device_id) + 32
    return len(_encode(entry))


def pack(entries: Sequence[Entry], first: int, mark: bytes) -> bytes:
    """Return the frame of entries; raises ValueError for none, and for more than a frame can hold."""
    if not 0 < len(entries) <= MOST_ENTRIES:
        raise ValueError(f"a frame holds 1 to {MOST_ENTRIES:,} entries, not {len(entries):,}")
    raw = _encode(entries)
    if len(raw) > MOST_RAW:
        raise ValueError(f"a frame holds at most {MOST_RAW:,} bytes of entries, not {len(raw):,}")
    payload = zstandard.compress(raw, LEVEL)
    header = FrameHeader(mark, len(payload), len(raw), len(entries), first, crc32(payload))
    return header.encoded() + payload


def parse_header(encoded: bytes) -> FrameHeader | None:
    """Return the header that the first bytes are, or None if they are none that this module wrote."""
    if len(encoded) < HEADER_SIZE or not encoded.startswith(MAGIC):
        return None
    _, *fields = _FIELDS.unpack_from(encoded)
    if _CHECK.unpack_from(encoded, _FIELDS.size) != (crc32(encoded[: _FIELDS.size]),):
        return None
    header = FrameHeader(*fields)
    return header if _is_bounded(header) else None


def _is_bounded(header: FrameHeader) -> bool:
    return (
        header.packed <= MOST_PACKED
        and header.raw <= MOST_RAW
        and 0 < header.count <= MOST_ENTRIES
        and 0 < header.first <= header.last <= MOST_POSITION
    )


def is_intact(header: FrameHeader, payload: bytes) -> bool:
    return len(payload) == header.packed and crc32(payload) == header.checksum


def decompressor() -> Decompress:
    """Return what decompresses payloads, for one thread: making one takes longer than a small frame."""
    return zstandard.ZstdDecompressor().decompress


def unpack(header: FrameHeader, payload: bytes, decompress: Decompress) -> list[Entry]:
    """Return the entries of an intact payload; raises ValueError where they are not what the header says."""
    try:
        # zstd allocates whatever size the payload itself claims
        if zstandard.frame_content_size(payload) != header.raw:
            raise ValueError("not of the size that its header says")
        entries = _decode(decompress(payload))
    except (zstandard.ZstdError, MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if len(entries) != header.count:
        raise ValueError(f"{len(entries):,} entries, and not the {header.count:,} that its header says")
    return entries
