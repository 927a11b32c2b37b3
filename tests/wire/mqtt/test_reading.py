import tracemalloc
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.material import property_settings
from tests.wire.mqtt.material import MOST, cut, packets, read, write

from fencepost.wire.mqtt import writing
from fencepost.wire.mqtt.packets import Connect, Malformed, Packet, Pingreq, Publish, TooLarge
from fencepost.wire.mqtt.reading import PacketReader

TOPIC = "devices/d1/messages/events/%24.ct=application%2Fjson"


def in_pieces(pieces: list[bytes]) -> list[Packet]:
    reader = PacketReader(MOST)
    return [packet for piece in pieces for packet in reader.feed(piece)]


def outcome(pieces: list[bytes], most: int) -> tuple[list[Packet], str]:
    """Return what a reader makes of a stream: the packets, and how it ended."""
    reader = PacketReader(most)
    found: list[Packet] = []
    for piece in pieces:
        try:
            found.extend(reader.feed(piece))
        except (Malformed, TooLarge) as error:
            return found, repr(error)
    return found, ""


def bytes_of(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# ------------------------------------------------------------------------------------ however it is cut


@given(st.lists(packets, max_size=6), st.lists(st.integers(0, 10_000), max_size=8))
@property_settings
def test_packets_come_back_as_they_were_written(sent: list[Packet], places: list[int]) -> None:
    stream = b"".join(map(write, sent))
    assert read(stream) == sent
    assert in_pieces(cut(stream, places)) == sent


@given(st.lists(packets, max_size=3))
@property_settings
def test_one_byte_at_a_time_means_the_same(sent: list[Packet]) -> None:
    assert in_pieces(bytes_of(b"".join(map(write, sent)))) == sent


@pytest.mark.parametrize("size", [0, 100, 127, 128, 16_383, 16_384, 200_000])
def test_a_body_of_any_length_is_read_whole(size: int) -> None:
    message = Publish("t", bytes(size), 1, 7)
    stream = write(message) + writing.pingreq() + write(message)
    for length in (1, 2, 3, 1460, 65_536):
        pieces = [stream[at : at + length] for at in range(0, len(stream), length)]
        assert in_pieces(pieces) == [message, Pingreq(), message]


def test_a_topic_that_repeats_is_one_text() -> None:
    first, second, third = read(
        b"".join(writing.publish(topic, b"x", qos=1, packet_id=1) for topic in (TOPIC, TOPIC, TOPIC + "&a=b"))
    )
    assert isinstance(first, Publish)
    assert isinstance(second, Publish)
    assert first.topic is second.topic
    assert isinstance(third, Publish)
    assert third.topic == TOPIC + "&a=b"


def test_a_topic_is_never_taken_from_the_next_packet() -> None:
    lying = b"\x30\x03\x00\x03a"  # a topic of three bytes in one
    found, ending = outcome([writing.publish("abc", b"") + lying + b"bc"], MOST)
    assert found == [Publish("abc")]
    assert "over the end" in ending


# ------------------------------------------------------------------------------------------ in its turn


def test_what_is_not_taken_waits() -> None:
    """A server stops behind a CONNECT, and goes on when it knows who that is."""
    reader = PacketReader(100)
    large = writing.publish(TOPIC, bytes(1000))
    (connect,) = islice(reader.feed(writing.connect("d1") + large + large[:500]), 1)
    assert isinstance(connect, Connect)
    reader.most = MOST
    assert len(list(reader.feed(b""))) == 1
    assert len(list(reader.feed(large[500:] + writing.pingreq()))) == 2


def test_what_was_fed_and_not_taken_is_read_in_its_order() -> None:
    sent = [Publish("t", bytes([number]) * 100, 1, number) for number in range(1, 20)]
    stream = b"".join(map(write, sent))
    reader = PacketReader(MOST)
    taken = [reader.feed(stream[at : at + 70]) for at in range(0, len(stream), 70)]
    assert [packet for packets in taken for packet in packets] == sent


def test_without_a_higher_bound_the_next_packet_is_refused() -> None:
    reader = PacketReader(100)
    (connect,) = islice(reader.feed(writing.connect("d1") + writing.publish(TOPIC, bytes(1000))), 1)
    assert isinstance(connect, Connect)
    with pytest.raises(TooLarge):
        list(reader.feed(b""))


def test_what_stands_before_a_fault_is_read_first() -> None:
    reader = PacketReader(MOST)
    packets = reader.feed(writing.pingreq() + writing.publish("t", b"x") + b"\x00")
    assert next(packets) == Pingreq()
    assert next(packets) == Publish("t", b"x")
    with pytest.raises(Malformed):
        next(packets)


@pytest.mark.parametrize("fault", [b"\x00\x00", b"\x30\xff\xff\xff\x7f"])
def test_behind_a_fault_nothing_is_read_or_kept(fault: bytes) -> None:
    reader = PacketReader(100)
    with pytest.raises((Malformed, TooLarge)):
        list(reader.feed(fault + bytes(1000)))
    for _ in range(2):
        with pytest.raises(Malformed, match="behind a fault"):
            list(reader.feed(writing.pingreq()))
    assert not reader._waiting
    assert not reader._data


# -------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize(("size", "is_read"), [(97, True), (98, False)])
def test_the_bound_is_the_remaining_length(size: int, *, is_read: bool) -> None:
    stream = writing.publish("t", bytes(size))
    if is_read:
        assert len(read(stream, most=100)) == 1
    else:
        with pytest.raises(TooLarge):
            read(stream, most=100)


@pytest.mark.parametrize(
    "header",
    [b"\x30\x65", b"\x10\xe5\x00", b"\x30\xff\xff\xff\x7f", b"\x82\x80\x80\x80\x01"],
)
def test_a_packet_that_is_too_large_is_refused_at_its_header(header: bytes) -> None:
    reader = PacketReader(100)
    for byte in bytes_of(header[:-1]):
        assert list(reader.feed(byte)) == []
    with pytest.raises(TooLarge):
        list(reader.feed(header[-1:]))


@pytest.mark.parametrize(
    "beginning",
    [b"\x00", b"\x36", b"\x38", b"\x81", b"\x30\x80\x80\x80\x80", b"\x40\x03", b"\xc0\x01", b"\xe0\x80\x01"],
)
def test_a_header_that_cannot_be_is_refused_at_once(beginning: bytes) -> None:
    with pytest.raises(Malformed):
        in_pieces(bytes_of(beginning))


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_what_is_kept_of_a_packet_is_about_its_size(piece: int) -> None:
    stream = writing.publish("t", bytes(200_000))[:-1]
    reader = PacketReader(MOST)
    tracemalloc.start()
    try:
        for at in range(0, len(stream), piece):
            assert list(reader.feed(stream[at : at + piece])) == []
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1.5 * len(stream)


def test_nothing_is_kept_between_packets_but_a_usual_topic() -> None:
    reader = PacketReader(MOST)
    for topic in (TOPIC, "t" * 60_000):
        assert len(list(reader.feed(writing.publish(topic, bytes(100_000))))) == 1
    assert not reader._data
    assert not reader._begun
    assert reader._topic == TOPIC


# ------------------------------------------------------------------------------------------ anything


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4))
@property_settings
def test_any_bytes_are_read_or_refused(data: bytes, places: list[int]) -> None:
    whole = outcome([data], 40)
    assert outcome(cut(data, places), 40) == whole
    assert outcome(bytes_of(data), 40) == whole


@given(
    st.lists(packets, min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    st.lists(st.integers(0, 10_000), max_size=4),
)
@property_settings
def test_a_damaged_stream_is_read_or_refused(
    sent: list[Packet], damages: list[tuple[int, int]], places: list[int]
) -> None:
    stream = bytearray(b"".join(map(write, sent)))
    for place, byte in damages:
        stream[place % len(stream)] = byte
    whole = outcome([bytes(stream)], MOST)
    assert outcome(cut(bytes(stream), places), MOST) == whole
    assert outcome(bytes_of(bytes(stream)), MOST) == whole


@given(st.lists(packets, min_size=1, max_size=4), st.integers(0, 10_000))
@property_settings
def test_the_beginning_of_a_stream_is_the_beginning_of_what_it_says(sent: list[Packet], place: int) -> None:
    stream = b"".join(map(write, sent))
    found, ending = outcome([stream[: place % len(stream)]], MOST)
    assert not ending
    assert found == sent[: len(found)]
    assert len(found) < len(sent)
