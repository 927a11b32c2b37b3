"""
SASL before AMQP (part 5, section 5.3): the server's side of it, without a socket.

The library that speaks AMQP cannot check a password on the server's side, so this does the exchange and hands
the rest of the stream on: mechanisms, init, outcome; IoT Hub has no mechanism with a challenge.
"""

import struct

from msgspec import Struct

from fencepost.gateway.amqp.codec import Described, Reader
from fencepost.model.errors import DeviceError

SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
LONGEST_FRAME = 8192
"""Bytes; the longest token is half of it."""
MECHANISMS = ("ANONYMOUS", "PLAIN", "MSSBCBS", "EXTERNAL")

OK, AUTH, SYS, SYS_PERM, SYS_TEMP = range(5)
"""Outcomes of section 5.3.3.6."""

_MECHANISMS, _INIT, _OUTCOME = 0x40, 0x41, 0x44
_SASL_FRAME = 1
_SHORTEST_FRAME = 8


class Init(Struct, frozen=True):
    """What a client answers to our mechanisms; `repr` does not show the response."""

    mechanism: str
    response: bytes

    def __repr__(self) -> str:
        return f"Init({self.mechanism!r}, ...)"


class Plain(Struct, frozen=True):
    """The user and the password of mechanism PLAIN (RFC 4616); `repr` does not show the password."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Plain({self.user!r}, ...)"


class Sasl:
    """
    Waits for the one frame that a client has to send.

    `rest` is what came behind it: the beginning of AMQP, once the outcome is told.
    """

    def __init__(self) -> None:
        self.rest = b""

    def receive(self, data: bytes) -> Init | None:
        """Return the client's answer once it is there; raises DeviceError."""
        self.rest += data
        if len(self.rest) < _SHORTEST_FRAME:
            return None
        size, offset, kind = struct.unpack_from(">IBB", self.rest)
        start = offset * 4
        if kind != _SASL_FRAME or not _SHORTEST_FRAME <= start <= size <= LONGEST_FRAME:
            raise DeviceError("no SASL frame")
        if len(self.rest) < size:
            return None
        frame, self.rest = self.rest[start:size], self.rest[size:]
        return _read_init(frame)


def _read_init(frame: bytes) -> Init:
    reader = Reader(frame)
    match reader.read():
        case Described(descriptor=descriptor, value=[str(mechanism), *more]) if descriptor == _INIT:
            response = more[0] if more else b""
            if (response is None or isinstance(response, bytes)) and reader.is_at_end:
                return Init(mechanism, response or b"")
    raise DeviceError("no SASL init")


def read_plain(response: bytes) -> Plain | None:
    """Return what a response of mechanism PLAIN says, None where it is none."""
    parts = response.split(b"\0")
    if len(parts) != 3:  # noqa: PLR2004 - authorization, authentication, password
        return None
    try:
        return Plain(parts[1].decode(), parts[2].decode())
    except UnicodeDecodeError:
        return None


def mechanisms() -> bytes:
    """Return our first frame: what we take."""
    symbols = b"".join(bytes([len(name)]) + name.encode() for name in MECHANISMS)
    array = bytes([len(MECHANISMS), 0xA3]) + symbols
    return _frame(_MECHANISMS, bytes([0xE0, len(array)]) + array)


def outcome(code: int) -> bytes:
    """Return our last frame: 0 is success, after which AMQP begins."""
    return _frame(_OUTCOME, bytes([0x50, code]))


def _frame(descriptor: int, field: bytes) -> bytes:
    body = bytes([0x00, 0x53, descriptor, 0xC0, len(field) + 1, 1]) + field
    return struct.pack(">IBBH", _SHORTEST_FRAME + len(body), 2, _SASL_FRAME, 0) + body
