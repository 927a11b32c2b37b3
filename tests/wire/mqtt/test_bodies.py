"""Packets of the standard byte by byte, and what is wrong with others."""

import pytest
from tests.wire.mqtt.material import one, read

from fencepost.wire.mqtt.packets import (
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
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    UnsupportedProtocol,
    Will,
)


def packet(first: int, body: bytes) -> bytes:
    assert len(body) < 128
    return bytes([first, len(body)]) + body


def field(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def connect(flags: int, rest: bytes, name: bytes = b"MQTT", level: int = 4) -> bytes:
    return packet(0x10, field(name) + bytes([level, flags]) + b"\0\x0a" + rest)


ALICE = field(b"alice")

WELL_FORMED: list[tuple[bytes, Packet]] = [
    # figure 3.6: user name, password, will of QoS 1 not retained, clean session, keep alive 10
    (
        connect(0b11001110, field(b"d1") + field(b"t") + field(b"gone") + ALICE + field(b"\0\xff")),
        Connect(
            client_id="d1",
            keep_alive=10,
            will=Will("t", b"gone", 1, retain=False),
            username="alice",
            password=b"\0\xff",
        ),
    ),
    (connect(0, field(b"")), Connect(client_id="", clean_session=False, keep_alive=10)),
    (
        connect(0x34, field(b"d") + field(b"t") + field(b"")),
        Connect(client_id="d", clean_session=False, keep_alive=10, will=Will("t", b"", 2, retain=True)),
    ),
    (
        connect(0x80, field(b"d") + field(b"")),
        Connect(client_id="d", clean_session=False, keep_alive=10, username=""),
    ),
    (b"\x20\x02\x01\x00", Connack(0, session_present=True)),
    (b"\x20\x02\x00\x05", Connack(5)),
    # figure 3.11
    (b"\x32\x07\x00\x03a/b\x00\x0a", Publish("a/b", b"", 1, 10)),
    (b"\x30\x06\x00\x03a/bx", Publish("a/b", b"x")),
    (b"\x31\x05\x00\x03a/b", Publish("a/b", retain=True)),
    (b"\x3d\x09\x00\x03a/b\xff\xffhi", Publish("a/b", b"hi", 2, 65535, retain=True, dup=True)),
    (b"\x40\x02\x00\x0a", Puback(10)),
    (b"\x50\x02\x01\x00", Pubrec(256)),
    (b"\x62\x02\xff\xff", Pubrel(65535)),
    (b"\x70\x02\x00\x01", Pubcomp(1)),
    # figure 3.23
    (
        b"\x82\x0e\x00\x0a\x00\x03a/b\x01\x00\x03c/d\x02",
        Subscribe(10, (Subscription("a/b", 1), Subscription("c/d", 2))),
    ),
    # figure 3.26
    (b"\x90\x05\x00\x0a\x00\x02\x80", Suback(10, (0, 2, 0x80))),
    # figure 3.30
    (b"\xa2\x0c\x00\x0a\x00\x03a/b\x00\x03c/d", Unsubscribe(10, ("a/b", "c/d"))),
    (b"\xb0\x02\x00\x0a", Unsuback(10)),
    (b"\xc0\x00", Pingreq()),
    (b"\xd0\x00", Pingresp()),
    (b"\xe0\x00", Disconnect()),
    # a remaining length that is longer than it must be is none of those that 3.1.1 forbids
    (b"\xc0\x80\x00", Pingreq()),
    # 1.5.3.1: U+2A6D4, and U+FEFF which is never skipped
    (b"\x30\x09\x00\x05A\xf0\xaa\x9b\x94x!", Publish("A\U0002a6d4", b"x!")),
    (b"\x30\x06\x00\x04\xef\xbb\xbfa", Publish("\ufeffa")),
]


@pytest.mark.parametrize(("data", "expected"), WELL_FORMED)
def test_a_packet_of_the_standard_is_read(data: bytes, expected: Packet) -> None:
    assert one(data) == expected


MALFORMED = {
    "type 0": b"\x00\x00",
    "type 15": b"\xf0\x00",
    "flags of CONNECT": b"\x11\x00",
    "flags of PUBACK": b"\x42\x02\x00\x01",
    "flags of PUBREL": b"\x60\x02\x00\x01",
    "flags of SUBSCRIBE": b"\x80\x06\x00\x01\x00\x01a\x00",
    "flags of UNSUBSCRIBE": b"\xa0\x05\x00\x01\x00\x01a",
    "flags of PINGREQ": b"\xc1\x00",
    "QoS 3": b"\x36\x06\x00\x01a\x00\x01x",
    "duplicate of QoS 0": b"\x38\x03\x00\x01a",
    "remaining length of five bytes": b"\x30\x80\x80\x80\x80\x01",
    "packet id 0 of PUBLISH": b"\x32\x05\x00\x01a\x00\x00",
    "packet id 0 of PUBACK": b"\x40\x02\x00\x00",
    "packet id 0 of SUBSCRIBE": b"\x82\x06\x00\x00\x00\x01a\x00",
    "packet id 0 of UNSUBSCRIBE": b"\xa2\x05\x00\x00\x00\x01a",
    "half a packet id": b"\x32\x04\x00\x01a\x01",
    "no packet id": b"\x32\x03\x00\x01a",
    "long PUBACK": b"\x40\x03\x00\x01\x00",
    "long PINGREQ": b"\xc0\x01\x00",
    "no topic": b"\x30\x00",
    "half a topic's length": b"\x30\x01\x00",
    "empty topic": b"\x30\x02\x00\x00",
    "topic over the end": b"\x30\x03\x00\x02a",
    "wildcard # in a topic": b"\x30\x05\x00\x03a/#",
    "wildcard + in a topic": b"\x30\x05\x00\x03+/a",
    "U+0000 in a topic": b"\x30\x04\x00\x02a\x00",
    "topic not UTF-8": b"\x30\x04\x00\x02\xc3\x28",
    "surrogate in a topic": b"\x30\x05\x00\x03\xed\xa0\x80",
    "overlong encoding in a topic": b"\x30\x04\x00\x02\xc1\x81",
    "SUBSCRIBE to nothing": b"\x82\x02\x00\x01",
    "SUBSCRIBE with QoS 3": b"\x82\x06\x00\x01\x00\x01a\x03",
    "SUBSCRIBE with reserved bits": b"\x82\x06\x00\x01\x00\x01a\x04",
    "SUBSCRIBE without QoS": b"\x82\x05\x00\x01\x00\x01a",
    "SUBSCRIBE to an empty filter": b"\x82\x05\x00\x01\x00\x00\x00",
    "SUBSCRIBE to a bad filter": b"\x82\x07\x00\x01\x00\x02a#\x00",
    "SUBSCRIBE to U+0000": b"\x82\x06\x00\x01\x00\x01\x00\x00",
    "SUBACK of nothing": b"\x90\x02\x00\x01",
    "SUBACK with QoS 3": b"\x90\x03\x00\x01\x03",
    "UNSUBSCRIBE from nothing": b"\xa2\x02\x00\x01",
    "UNSUBSCRIBE from a bad filter": b"\xa2\x07\x00\x01\x00\x03#/a",
    "CONNACK with reserved flags": b"\x20\x02\x02\x00",
    "CONNACK with a reserved code": b"\x20\x02\x00\x06",
    "CONNACK of a refused session": b"\x20\x02\x01\x05",
    "reserved connect flag": connect(0x03, field(b"d")),
    "will QoS without will": connect(0x0A, field(b"d")),
    "will retain without will": connect(0x22, field(b"d")),
    "will QoS 3": connect(0x1E, field(b"d") + field(b"t") + field(b"")),
    "will to a wildcard": connect(0x06, field(b"d") + field(b"#") + field(b"")),
    "password without user name": connect(0x42, field(b"d") + field(b"secret")),
    "client id missing": connect(0x02, b""),
    "user name missing": connect(0x82, field(b"d")),
    "password missing": connect(0xC2, field(b"d") + ALICE),
    "bytes behind CONNECT": connect(0x02, field(b"d") + b"\0"),
    "client id with U+0000": connect(0x02, field(b"d\0")),
    "another protocol": connect(0x02, field(b"d"), name=b"AMQP"),
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n",
    "a TLS handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_the_standard_forbids_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


@pytest.mark.parametrize(("name", "level"), [(b"MQTT", 3), (b"MQTT", 5), (b"MQTT", 0x84), (b"MQIsdp", 3)])
def test_another_version_is_told_from_nonsense(name: bytes, level: int) -> None:
    """The server owes it CONNACK 1; what stands behind the level is that version's own."""
    with pytest.raises(UnsupportedProtocol):
        read(connect(0x02, b"\x05\x11\0\0\0\x3c", name=name, level=level))


def test_a_reason_names_no_text_of_the_device() -> None:
    with pytest.raises(Malformed) as refused:
        read(connect(0x42, field(b"d") + field(b"secret")))
    assert "secret" not in str(refused.value)
