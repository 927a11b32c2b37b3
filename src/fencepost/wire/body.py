"""What holds for the body of a message of any family: its bounds, its fingerprint, words about it."""

from xxhash import xxh3_64_intdigest

from fencepost.model.errors import DeviceError

LIMIT = 262_144
"""The greatest body that IoT Hub lets a device send, in bytes (wire-formats 3.5)."""

MOST_HITS = 2**31
"""The most hits that one aggregate can claim; more is a lie or a fault (S11)."""

MOST_REFUSALS = 1_000
"""How many refusals of one message are told; with one more it ends, so that junk costs no more than sense."""

TOO_MANY = "this and everything behind it is not read: too many refusals"
"""The reason of the refusal behind `MOST_REFUSALS` others, the last one of its message."""

LONGEST_QUOTE = 80


def fingerprint(body: bytes) -> int:
    """Return the 63-bit number of exactly these bytes (S09); it fits a signed 64-bit column."""
    return xxh3_64_intdigest(body) >> 1


def refuse_size(body: bytes, limit: int) -> None:
    """Raise DeviceError for a body without content or with more than `limit` bytes."""
    if len(body) > limit:
        raise DeviceError(f"too large: {len(body)} bytes, at most {limit} are read")
    if not body:
        raise DeviceError("empty body")


def quote(text: str) -> str:
    """Return what a device wrote, short and printable enough for a reason or a place."""
    short = text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in short)
