"""The fields of a packet's body: numbers, texts, topics (1.5, 4.7), each checked against what there is."""

from typing import cast

from fencepost.wire.mqtt.packets import Malformed, QoS, is_filter, is_topic

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

    def packet_id(self) -> int:
        """Return the id of a packet that must have one (2.3.1)."""
        packet_id = self.number()
        if not packet_id:
            raise Malformed("packet id 0")
        return packet_id

    def qos(self) -> QoS:
        return checked_qos(self.byte())

    def binary(self) -> bytes:
        """Return as many bytes as the number before them says."""
        return self._take(self.number())

    def text(self) -> str:
        """Return what is UTF-8 without surrogates and U+0000 (1.5.3)."""
        try:
            text = self.binary().decode()
        except UnicodeDecodeError:
            raise Malformed("a text that is not UTF-8") from None
        if "\0" in text:
            raise Malformed("a text with U+0000")
        return text

    def topic(self) -> str:
        topic = self.text()
        if not is_topic(topic):
            raise Malformed("a topic that is empty or has a wildcard")
        return topic

    def topic_filter(self) -> str:
        topic_filter = self.text()
        if not is_filter(topic_filter):
            raise Malformed("a topic filter that is empty or has a wildcard beside other characters")
        return topic_filter

    def _take(self, length: int) -> bytes:
        start = self._at
        self._at = start + length
        if self._at > len(self._body):
            raise Malformed("a field runs over the end of its packet")
        return self._body[start : self._at]


def checked_qos(number: int) -> QoS:
    if number > _MOST_QOS:
        raise Malformed("a QoS that is not 0, 1 or 2")
    return cast("QoS", number)
