"""
Bytes to packets, of either side.

A header is judged as soon as it is there, a body when it is whole: nobody makes us wait for, or hold, what
would be refused anyway.
"""

from collections import deque
from collections.abc import Iterator
from typing import cast

from fencepost.wire.mqtt.bodies import BODIES, LENGTHS
from fencepost.wire.mqtt.fields import Fields
from fencepost.wire.mqtt.packets import Malformed, Packet, Publish, QoS, TooLarge

_PUBLISH = frozenset({0x30, 0x31, *range(0x32, 0x36), *range(0x3A, 0x3E)})
"""First bytes of PUBLISH (3.3.1): no QoS 3, and no duplicate of QoS 0."""
_KNOWN = _PUBLISH | BODIES.keys()
_HEADER = 5
"""The most bytes of a fixed header: the first one, and four of the remaining length (2.2.3)."""
_MORE = 0x80
_LONGEST_KEPT = 512
"""The longest topic that a reader keeps for the next packet, in bytes."""


class PacketReader:
    """
    Reads the bytes of one connection, however they are cut, in time and space that grow with them alone.

    A packet whose remaining length is above `most` is refused at its header; `most` may be set between two
    packets. What is kept is what was fed and not taken yet, or the beginning of one packet.
    """

    __slots__ = ("_at", "_begun", "_data", "_is_dead", "_stood", "_topic", "_waiting", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._waiting: deque[bytes] = deque()
        self._data = b""
        self._at = 0
        self._begun = bytearray()
        self._stood = b""  # how the last topic stood in its packet: most likely the next one is the same
        self._topic = ""
        self._is_dead = False

    def feed(self, data: bytes) -> Iterator[Packet]:
        """
        Take bytes in, and return an iterator of the packets that are whole.

        Packets are read as they are taken: whoever stops in between finds the rest with the next `feed`,
        of no bytes perhaps. In its turn, behind what was good, comes Malformed or TooLarge; from then on the
        reader is dead, and raises Malformed whatever is fed.
        """
        if data and not self._is_dead:
            self._waiting.append(data)
        return self._packets()

    def _packets(self) -> Iterator[Packet]:
        if self._is_dead:
            raise Malformed("nothing is read behind a fault")
        try:
            while (packet := self._next()) is not None:
                yield packet
        except (Malformed, TooLarge):
            self._die()
            raise

    def _die(self) -> None:
        self._is_dead = True
        self._waiting.clear()
        self._data, self._begun = b"", bytearray()

    def _next(self) -> Packet | None:
        data, at = self._data, self._at
        while (extent := self._extent(data, at)) is None or extent[1] > len(data):
            if not self._gather(data[at:]):
                return None
            data, at = self._data, 0
        first, (body, self._at) = data[at], extent
        if first in _PUBLISH:
            return self._publish(first, data, body, extent[1])
        fields = Fields(data[body : extent[1]])
        packet = BODIES[first](fields)
        fields.end()
        return packet

    def _extent(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Return where the body of a packet begins and ends, once its header is whole; raises for a bad one."""
        if at == len(data):
            return None
        first = data[at]
        if first not in _KNOWN:
            raise Malformed(f"a packet of reserved type or flags: {first:#04x}")
        length = shift = 0
        for start, byte in enumerate(data[at + 1 : at + _HEADER], at + 2):
            length |= (byte & ~_MORE) << shift
            if byte < _MORE:
                self._judge(first, length)
                return start, start + length
            shift += 7
        if len(data) - at >= _HEADER:
            raise Malformed("a remaining length of more than four bytes")
        return None

    def _judge(self, first: int, length: int) -> None:
        if length > self.most:
            raise TooLarge(f"a packet of {length} bytes, at most {self.most} are read")
        if LENGTHS.get(first, length) != length:
            raise Malformed(f"a packet of the wrong length: {first:#04x}")

    def _gather(self, beginning: bytes) -> bool:
        """Go on to the next bytes that are worth a look, with `beginning` in front of them; False: none came."""
        self._data, self._at = b"", 0
        if beginning:
            self._begun += beginning
        while self._waiting:
            chunk = self._waiting.popleft()
            begun = self._begun
            if not begun:
                self._data = chunk
                return True
            extent = self._extent(bytes(begun[:_HEADER]) + chunk[:_HEADER], 0)
            missing = len(chunk) if extent is None else extent[1] - len(begun)
            begun += chunk[:missing]
            if len(chunk) >= missing and extent is not None:
                if rest := chunk[missing:]:
                    self._waiting.appendleft(rest)
                self._data, self._begun = bytes(begun), bytearray()
                return True
        return False

    def _publish(self, first: int, data: bytes, at: int, end: int) -> Publish:
        stood = self._stood
        at_id = at + len(stood)
        if stood and at_id <= end and data.startswith(stood, at):
            topic = self._topic
        else:
            topic, at_id = self._new_topic(data, at, end)
        qos = cast("QoS", first >> 1 & 3)
        if not qos:
            return Publish(topic, data[at_id:end], qos, 0, bool(first & 1))
        at_payload = at_id + 2
        packet_id = int.from_bytes(data[at_id:at_payload], "big")
        if not packet_id or at_payload > end:
            raise Malformed("a PUBLISH without a packet id")
        return Publish(topic, data[at_payload:end], qos, packet_id, bool(first & 1), bool(first & 8))

    def _new_topic(self, data: bytes, at: int, end: int) -> tuple[str, int]:
        """Return the topic at a place and where it ends, and keep it if it is of usual length."""
        at_id = min(at + 2 + int.from_bytes(data[at : at + 2], "big"), end)
        topic = Fields(data[at:at_id]).topic()
        if at_id - at <= _LONGEST_KEPT:
            self._stood, self._topic = data[at:at_id], topic
        return topic, at_id
