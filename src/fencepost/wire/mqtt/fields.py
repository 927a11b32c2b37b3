"""The fields of a packet's body: numbers, texts, topics (1.5, 4.7), each checked against what there is."""

from typing import cast

from fencepost.wire.mqtt.packets import Malformed, QoS

_MOST_QOS = 2


class Fields:
    """A body that is read from its beginning to its end; every method raises Malformed."""

    __slots__ = ("_at", "_body")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at == len(self._body)

    def end(self) -> None:
        """Refuse bytes behind the last field."""
        if not self.is_over:
            raise Malformed("bytes behind the last field")

    def byte(self) -> int:
        return self._take(1)[0]

    def number(self) -> int:
        """Return a 16-bit number (1.5.2)."""
        return int.from_bytes(self._take(2), "big")

    def binary(self) -> bytes:
        """Return as many bytes as the number before them says."""
        return self._take(self.number())

    def text(self) -> str:
        return text(self.binary())

    def topic(self) -> str:
        return checked_topic(self.text())

    def topic_filter(self) -> str:
        return checked_filter(self.text())

    def packet_id(self) -> int:
        return checked_id(self.number())

    def qos(self) -> QoS:
        """Return a byte that is 0, 1 or 2 (3.8.3)."""
        return checked_qos(self.byte())

    def rest(self) -> bytes:
        return self._take(len(self._body) - self._at)

    def _take(self, length: int) -> bytes:
        start = self._at
        self._at = start + length
        if self._at > len(self._body):
            raise Malformed("a field runs over the end of its packet")
        return self._body[start : self._at]


def text(field: bytes) -> str:
    """Return what is UTF-8 without surrogates and U+0000 (1.5.3)."""
    try:
        found = field.decode()
    except UnicodeDecodeError:
        raise Malformed("a text that is not UTF-8") from None
    if "\0" in found:
        raise Malformed("a text with U+0000")
    return found


def checked_topic(topic: str) -> str:
    """Return the topic of a message: not empty (4.7.3), without wildcards (3.3.2.1)."""
    if not topic:
        raise Malformed("an empty topic")
    if "#" in topic or "+" in topic:
        raise Malformed("a wildcard in a topic")
    return topic


def checked_filter(topic_filter: str) -> str:
    """Return a filter whose wildcards fill a level each, `#` the last one (4.7.1)."""
    if not topic_filter:
        raise Malformed("an empty topic filter")
    if "#" in topic_filter or "+" in topic_filter:
        *levels, last = topic_filter.split("/")
        if any("#" in level or ("+" in level and level != "+") for level in levels) or (
            ("#" in last or "+" in last) and last not in ("#", "+")
        ):
            raise Malformed("a wildcard that is not alone in its place")
    return topic_filter


def checked_id(packet_id: int) -> int:
    """Return the id of a packet that must have one (2.3.1)."""
    if not packet_id:
        raise Malformed("packet id 0")
    return packet_id


def checked_qos(number: int) -> QoS:
    if number > _MOST_QOS:
        raise Malformed("a QoS that is not 0, 1 or 2")
    return cast("QoS", number)
