"""
Bytes to packets, of either side.

A body is read when the whole packet has come; its header is judged at once, so that nobody can make us
wait for, or hold, what would be refused anyway.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import cast

from fencepost.wire.mqtt.fields import Fields, checked_id, checked_topic, text
from fencepost.wire.mqtt.packets import (
    ACCEPTED,
    FAILURE,
    NOT_AUTHORIZED,
    Connack,
    Connect,
    Disconnect,
    Malformed,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    QoS,
    Suback,
    Subscribe,
    Subscription,
    TooLarge,
    Unsuback,
    Unsubscribe,
    UnsupportedProtocol,
    Will,
)

_HEADER = 5
"""The most bytes of a fixed header: type and flags, and four of the remaining length (2.2.3)."""
_MORE = 0x80
_LONGEST_KEPT = 512
"""The longest topic that a reader remembers, in bytes."""

_CLEAN, _WILL, _RETAIN, _PASSWORD, _USERNAME = 0x02, 0x04, 0x20, 0x40, 0x80
_WILL_BITS = 0x3C
"""The flags of CONNECT (3.1.2.3)."""


class PacketReader:
    """
    Reads the bytes of one connection, however they are cut.

    A packet whose remaining length is above `most` is refused at its header; `most` may be set between two
    packets. The reader keeps what was fed and not yet taken, and the beginning of at most one packet.
    """

    __slots__ = ("_at", "_begun", "_data", "_field", "_is_dead", "_topic", "_waiting", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._waiting: deque[bytes] = deque()
        self._data = b""
        self._at = 0
        self._begun = bytearray()  # a packet whose end is still to come
        self._field = b""  # the last topic as it stood in its packet, most likely that of the next one, too
        self._topic = ""
        self._is_dead = False

    def feed(self, data: bytes) -> Iterator[Packet]:
        """
        Take bytes in, and return an iterator of the packets that are whole.

        Packets are read as they are taken: whoever stops in between finds the rest with the next `feed`, of
        no bytes perhaps. In its turn, behind all good packets, comes Malformed or TooLarge; then the reader
        is dead, and raises Malformed whatever comes.
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
            self.__init__(self.most)  # type: ignore[misc]  # forget what was kept
            self._is_dead = True
            raise

    def _next(self) -> Packet | None:
        while True:
            data, at = self._data, self._at
            extent = self._extent(data, at)
            if extent is not None and extent[1] <= len(data):
                break
            if not self._gather():
                return None
        body, self._at = extent
        first = data[at]
        if first in _PUBLISH:
            return self._publish(first, data, body, self._at)
        fields = Fields(data[body : self._at])
        packet = _BODIES[first](fields)
        fields.end()
        return packet

    def _extent(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Return where the body of the packet at a place begins and ends; None where its header is not whole."""
        length = shift = 0
        start = at + 1
        for byte in data[start : at + _HEADER]:
            start += 1
            length |= (byte & 0x7F) << shift
            if byte < _MORE:
                self._judge(data[at], length)
                return start, start + length
            shift += 7
        if start == at + _HEADER:
            raise Malformed("a remaining length of more than four bytes")
        if at < len(data):
            self._judge(data[at], 0)
        return None
