"""
A device message of either family, told apart by its body.

A JSON text holds no NUL byte, and a FlatBuffers message below 16 MiB always has one among its first four:
they are the offset of its root table, a little-endian 32-bit number. So the body decides, and no header
that a device or a route may lose or forge.
"""

from collections.abc import Iterator

from fencepost.model.event import Rejected, SecurityMessage
from fencepost.model.raw_event import RawEvent
from fencepost.wire import security_message, threadx
from fencepost.wire.body import LIMIT


def decode(body: bytes, limit: int = LIMIT) -> SecurityMessage:
    """Return what a message says (S31); raises DeviceError when nothing of it can be used."""
    return threadx.decode(body, limit) if is_flatbuffer(body) else security_message.decode(body, limit)


def rows(body: bytes, limit: int = LIMIT, *, device_id: str = "") -> Iterator[RawEvent | Rejected]:
    """Return the rows of a message, complete, and its refusals; raises DeviceError as `decode` does."""
    if is_flatbuffer(body):
        return threadx.rows(body, limit, device_id=device_id)
    return security_message.rows(body, limit, device_id=device_id)


def is_flatbuffer(body: bytes) -> bool:
    """Tell the ThreadX family from the legacy one."""
    return b"\0" in body[:4]
