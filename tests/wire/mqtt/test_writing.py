from collections.abc import Callable

import pytest
from tests.wire.mqtt.material import one, write

from fencepost.wire.mqtt import writing
from fencepost.wire.mqtt.packets import Packet, Publish, Subscription, Will

BYTES: list[tuple[bytes, bytes]] = [
    (writing.connack(), b"\x20\x02\x00\x00"),
    (writing.connack(session_present=True), b"\x20\x02\x01\x00"),
    (writing.connack(5), b"\x20\x02\x00\x05"),
    (writing.connack(5, session_present=True), b"\x20\x02\x00\x05"),
    (writing.publish("a/b", b"", qos=1, packet_id=10), b"\x32\x07\x00\x03a/b\x00\x0a"),
    (writing.publish("a/b", b"x", retain=True), b"\x31\x06\x00\x03a/bx"),
    (writing.publish("a", b"x", qos=2, packet_id=1, dup=True), b"\x3c\x06\x00\x01a\x00\x01x"),
    (writing.publish("ü", b""), b"\x30\x04\x00\x02\xc3\xbc"),
    (writing.puback(258), b"\x40\x02\x01\x02"),
    (writing.subscribe(10, [Subscription("a/b", 1)]), b"\x82\x08\x00\x0a\x00\x03a/b\x01"),
    (writing.suback(10, [0, 1, 0x80]), b"\x90\x05\x00\x0a\x00\x01\x80"),
    (writing.unsubscribe(10, ["a/b", "#"]), b"\xa2\x0a\x00\x0a\x00\x03a/b\x00\x01#"),
    (writing.unsuback(65535), b"\xb0\x02\xff\xff"),
    (writing.pingreq(), b"\xc0\x00"),
    (writing.pingresp(), b"\xd0\x00"),
    (writing.disconnect(), b"\xe0\x00"),
    (
        writing.connect("d1", clean_session=False, keep_alive=240, username="hub/d1", password=b"p"),
        b"\x10\x19\x00\x04MQTT\x04\xc0\x00\xf0\x00\x02d1\x00\x06hub/d1\x00\x01p",
    ),
    (
        writing.connect("", will=Will("t", b"w", 1, retain=True)),
        b"\x10\x12\x00\x04MQTT\x04\x2e\x00\x00\x00\x00\x00\x01t\x00\x01w",
    ),
]


@pytest.mark.parametrize(("written", "expected"), BYTES)
def test_the_bytes_are_those_of_the_standard(written: bytes, expected: bytes) -> None:
    assert written == expected


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (127, b"\x30\x7f"),
        (128, b"\x30\x80\x01"),
        (16_383, b"\x30\xff\x7f"),
        (16_384, b"\x30\x80\x80\x01"),
        (2_097_151, b"\x30\xff\xff\x7f"),
        (2_097_152, b"\x30\x80\x80\x80\x01"),
    ],
)
def test_the_remaining_length_is_as_short_as_can_be(length: int, header: bytes) -> None:
    """Table 2.4."""
    assert writing.publish("t", bytes(length - 3)).startswith(header + b"\x00\x01t")


@pytest.mark.parametrize(
    "write_it",
    [
        lambda: writing.publish("", b""),
        lambda: writing.publish("a/#", b""),
        lambda: writing.publish("a\0", b""),
        lambda: writing.publish("t" * 65_536, b""),
        lambda: writing.publish("\ud800", b""),
        lambda: writing.publish("t", b"", qos=1),
        lambda: writing.publish("t", b"", packet_id=1),
        lambda: writing.publish("t", b"", dup=True),
        lambda: writing.publish("t", b"", qos=1, packet_id=65_536),
        lambda: writing.puback(0),
        lambda: writing.puback(-1),
        lambda: writing.suback(0, [0]),
        lambda: writing.suback(1, []),
        lambda: writing.subscribe(1, []),
        lambda: writing.subscribe(1, [Subscription("a#")]),
        lambda: writing.unsubscribe(1, []),
        lambda: writing.unsubscribe(1, [""]),
        lambda: writing.connect("d", password=b"secret"),
        lambda: writing.connect("d", keep_alive=65_536),
        lambda: writing.connect("d", will=Will("#", b"")),
    ],
)
def test_what_the_standard_forbids_is_not_written(write_it: Callable[[], bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        write_it()


def test_the_largest_topic_is_written() -> None:
    sent: Packet = Publish("t" * 65_535, b"x")
    assert one(write(sent)) == sent
