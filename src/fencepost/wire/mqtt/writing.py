"""
Packets to bytes, of either side.

What the standard forbids is a fault of ours here: every function raises ValueError for it.
"""

from collections.abc import Sequence

from fencepost.wire.mqtt.packets import (
    ACCEPTED,
    LONGEST_FIELD,
    QoS,
    Subscription,
    Will,
    is_filter,
    is_topic,
)

_LARGEST = 268_435_455
_LOW_BITS, _MORE = 0x7F, 0x80
"""The remaining length: seven bits a byte, at most four bytes (2.2.3)."""

_PROTOCOL = b"\x00\x04MQTT\x04"


def connect(
    client_id: str,
    *,
    clean_session: bool = True,
    keep_alive: int = 0,
    will: Will | None = None,
    username: str | None = None,
    password: bytes | None = None,
) -> bytes:
    if password is not None and username is None:
        raise ValueError("a password without a user name")
    flags = clean_session << 1 | (password is not None) << 6 | (username is not None) << 7
    if will is not None:
        flags |= 1 << 2 | will.qos << 3 | will.retain << 5
    return _packet(
        0x10,
        _PROTOCOL,
        bytes([flags]),
        _number(keep_alive),
        _text(client_id),
        *((_topic(will.topic), _binary(will.payload)) if will is not None else ()),
        _text(username) if username is not None else b"",
        _binary(password) if password is not None else b"",
    )


def connack(code: int = ACCEPTED, *, session_present: bool = False) -> bytes:
    return bytes([0x20, 2, session_present and code == ACCEPTED, code])


def publish(
    topic: str,
    payload: bytes,
    *,
    qos: QoS = 0,
    packet_id: int = 0,
    retain: bool = False,
    dup: bool = False,
) -> bytes:
    """Return a PUBLISH; a packet id goes with QoS 1 and 2, and only with them."""
    if bool(qos) != bool(packet_id) or (dup and not qos):
        raise ValueError("a packet id, and a duplicate, are for QoS 1 and 2")
    return _packet(
        0x30 | dup << 3 | qos << 1 | retain,
        _topic(topic),
        _number(packet_id) if qos else b"",
        payload,
    )


def puback(packet_id: int) -> bytes:
    return b"\x40\x02" + _id(packet_id)


def subscribe(packet_id: int, subscriptions: Sequence[Subscription]) -> bytes:
    if not subscriptions:
        raise ValueError("a SUBSCRIBE to nothing")
    lines = (_filter(line.topic_filter) + bytes([line.qos]) for line in subscriptions)
    return _packet(0x82, _id(packet_id), *lines)


def suback(packet_id: int, codes: Sequence[int]) -> bytes:
    """Return the answer to a SUBSCRIBE: the QoS granted, or FAILURE, in the order of its lines."""
    if not codes:
        raise ValueError("a SUBACK of nothing")
    return _packet(0x90, _id(packet_id), bytes(codes))


def unsubscribe(packet_id: int, topic_filters: Sequence[str]) -> bytes:
    if not topic_filters:
        raise ValueError("an UNSUBSCRIBE from nothing")
    return _packet(0xA2, _id(packet_id), *map(_filter, topic_filters))


def unsuback(packet_id: int) -> bytes:
    return b"\xb0\x02" + _id(packet_id)


def pingreq() -> bytes:
    return b"\xc0\x00"


def pingresp() -> bytes:
    return b"\xd0\x00"


def disconnect() -> bytes:
    return b"\xe0\x00"


def _packet(first: int, *fields: bytes) -> bytes:
    length = sum(map(len, fields))
    if length > _LARGEST:
        raise ValueError(f"a packet of {length} bytes, at most {_LARGEST} fit into one")
    header = bytearray([first])
    while length > _LOW_BITS:
        header.append(length & _LOW_BITS | _MORE)
        length >>= 7
    header.append(length)
    return b"".join((header, *fields))


def _number(number: int) -> bytes:
    if not 0 <= number <= LONGEST_FIELD:
        raise ValueError(f"not a 16-bit number: {number}")
    return number.to_bytes(2, "big")


def _id(packet_id: int) -> bytes:
    if not packet_id:
        raise ValueError("packet id 0")
    return _number(packet_id)


def _binary(field: bytes) -> bytes:
    return _number(len(field)) + field


def _text(text: str) -> bytes:
    if "\0" in text:
        raise ValueError("a text with U+0000")
    return _binary(text.encode())


def _topic(topic: str) -> bytes:
    if not is_topic(topic):
        raise ValueError("a topic that is empty or has a wildcard")
    return _text(topic)


def _filter(topic_filter: str) -> bytes:
    if not is_filter(topic_filter):
        raise ValueError("a topic filter that is empty or has a wildcard beside other characters")
    return _text(topic_filter)
