"""A frame gives back what went into it, or says that it is none."""

import struct
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack, structs
from tests.store.journal.material import START, message, noise, property_settings

from fencepost.model.entry import (
    AlertActed,
    AlertAssigned,
    AlertCommented,
    DeviceAssigned,
    Entry,
    GatewayOpened,
    GroupDeleted,
    GroupPut,
    LayerPut,
    Mend,
    Operated,
    Received,
    SuppressionDeleted,
    SuppressionPut,
    Ticked,
    TurnedAway,
    TwinServed,
)
from fencepost.model.layer import Layer
from fencepost.model.rule import (
    AllowlistRule,
    EntryNote,
    Members,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)
from fencepost.model.suppression import Condition, SuppressionRule
from fencepost.store.journal.frame import (
    HEADER_SIZE,
    MARK_SIZE,
    MOST_ENTRIES,
    MOST_PACKED,
    MOST_RAW,
    FrameHeader,
    decompressor,
    is_intact,
    pack,
    parse_header,
    size_of,
    unpack,
)

MARK = b"12345678"
GROUP = SecurityGroup(
    name="cameras",
    members=Members(ids=("cam-1",), globs=("cam-*",)),
    allowed_lateness=timedelta(minutes=7),
    rules=(
        TimeWindowRule(type="FailedLocalLoginsNotInAllowedRange", min=0, max=5, window=timedelta(minutes=5)),
        ThresholdRule(type="D2CMessagesNotInAllowedRange", min=1, max=2, enabled=False),
        AllowlistRule(
            type="ProcessNotAllowed",
            allow=("/usr/bin/*", "sshd"),
            notes=(
                EntryNote(entry="sshd", by="alice", at=START, until=START, alert_id="0123", reason="why"),
            ),
        ),
    ),
    version=3,
)
SUPPRESSION = SuppressionRule(
    name="known",
    alert_type="*",
    reason="known",
    expires_at=START,
    conditions=(Condition(field="alert.value", among=("a",), contains=("b", "c")),),
    changed_at=START,
)
ENTRIES: tuple[Entry, ...] = (
    Received("cam-1", START, b'{"Events": []}'),
    Received("cam-\u00e9", START + timedelta(microseconds=1), bytes(range(256))),
    Received("", datetime(1970, 1, 1, tzinfo=UTC), b""),
    Received("cam-1", START, b"", "amqp"),
    TurnedAway("cam-1", START, 1 << 40, "too large"),
    Operated("cam-1", START, "MqttC2DRejectedMessages"),
    TwinServed("cam-1", {}, START),
    TwinServed(
        "cam-1", {"Login": timedelta(days=400, microseconds=1), "ConnectionCreate": timedelta()}, START
    ),
    GatewayOpened(START + timedelta(microseconds=1)),
    Ticked(datetime(2999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    GroupPut(GROUP, START, "alice"),
    GroupDeleted("cameras", START, "alice"),
    DeviceAssigned("cam-1", None, START, "alice"),
    DeviceAssigned("cam-1", "Cameras", START, "alice"),
    AlertActed("0123", "dismiss", START, "alice", "known"),
    AlertActed("0123", "resolve", START, "alice", None, "an etag"),
    AlertAssigned("0123", None, START, "alice"),
    AlertAssigned("0123", "bob", START, "alice", "an etag"),
    AlertCommented("0123", "it is known", START, "alice"),
    GroupPut(GROUP, START, "alice", "the printer", Mend("0123", "allow")),
    LayerPut(Layer(rules=GROUP.rules[2:], version=2), START, "alice"),
    LayerPut(Layer(device_id="cam-1", rules=GROUP.rules), START, "alice", None, Mend("0123", "undo")),
    SuppressionPut(SUPPRESSION, START, "alice"),
    SuppressionDeleted("known", START, "alice"),
)


def packed(*entries: Entry, first: int = 1) -> tuple[FrameHeader, bytes]:
    encoded = pack(entries, first, MARK)
    header = parse_header(encoded)
    assert header is not None
    return header, encoded[HEADER_SIZE:]


def with_payload(header: FrameHeader, payload: bytes) -> FrameHeader:
    return structs.replace(header, packed=len(payload))


def test_every_kind_of_entry_comes_back_as_it_was() -> None:
    assert {type(entry) for entry in ENTRIES} == set(get_args(Entry))
    header, payload = packed(*ENTRIES, first=7)
    assert unpack(header, payload, decompressor()) == list(ENTRIES)
    assert (header.first, header.count, header.last) == (7, len(ENTRIES), 6 + len(ENTRIES))
    assert is_intact(header, payload)
    assert header.size == HEADER_SIZE + len(payload)
    assert header.encoded() == pack(ENTRIES, 7, MARK)[:HEADER_SIZE]


moments = st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))


ways = st.sampled_from((None, "mqtt", "amqp", "https"))
sent = st.builds(Received, st.text(), moments, st.binary(), ways)
served = st.builds(TwinServed, st.text(), st.dictionaries(st.text(), st.timedeltas()), moments)


@property_settings
@given(st.lists(sent | served, min_size=1))
def test_whatever_devices_send_and_are_served_comes_back(entries: list[Received | TwinServed]) -> None:
    assert unpack(*packed(*entries), decompressor()) == entries


def test_no_bit_of_a_header_can_change_unnoticed() -> None:
    encoded = pack([message(1)], 1, MARK)
    for place in range(HEADER_SIZE):
        for bit in range(8):
            other = bytearray(encoded)
            other[place] ^= 1 << bit
            assert parse_header(bytes(other)) is None
    assert parse_header(encoded[: HEADER_SIZE - 1]) is None


def test_no_bit_of_a_payload_can_change_unnoticed() -> None:
    header, payload = packed(message(1))
    for place in range(len(payload)):
        assert not is_intact(header, payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :])
    assert not is_intact(header, payload[:-1])
    assert not is_intact(header, payload + b"\0")


@pytest.mark.parametrize(
    "beyond",
    [
        {"packed": MOST_PACKED + 1},
        {"raw": MOST_RAW + 1},
        {"count": 0},
        {"count": MOST_ENTRIES + 1},
        {"first": 0},
        {"first": 1 << 63},
        {"first": (1 << 63) - 1, "count": 2},
    ],
)
def test_a_header_that_claims_more_than_can_be_is_none(beyond: dict[str, int]) -> None:
    """Its checksum may be right: what is read for it stays bounded."""
    header, _ = packed(message(1))
    assert parse_header(header.encoded()) == header
    assert parse_header(structs.replace(header, **beyond).encoded()) is None


def test_nothing_is_allocated_for_a_payload_that_claims_another_size() -> None:
    """A zstd frame says itself how large its content is, and the decompressor would believe it."""
    header, payload = packed(message(1))
    descriptor = 0b1110_0000  # a single segment, and eight bytes of size
    bomb = payload[:4] + bytes([descriptor]) + struct.pack("<Q", 1 << 60) + payload[6:]
    assert zstandard.frame_content_size(bomb) == 1 << 60
    with pytest.raises(ValueError, match="not of the size"):
        unpack(with_payload(header, bomb), bomb, decompressor())


@pytest.mark.parametrize(
    "raw",
    [
        msgpack.encode([message(1)]),
        msgpack.encode([message(1)] * 3),
        msgpack.encode([["no such kind", 1, 2]] * 2),
        msgpack.encode({"a": 1}),
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"",
    ],
)
def test_content_that_is_not_what_the_header_says_is_refused(raw: bytes) -> None:
    payload = zstandard.compress(raw, 1)
    header = FrameHeader(MARK, len(payload), len(raw), 2, 1, 0)
    with pytest.raises(ValueError):
        unpack(header, payload, decompressor())
    with pytest.raises(ValueError):
        unpack(header, b"no zstd at all", decompressor())


def test_a_frame_holds_so_much_and_no_more() -> None:
    with pytest.raises(ValueError, match="1 to 65,536 entries, not 0"):
        pack([], 1, MARK)
    with pytest.raises(ValueError, match="not 65,537"):
        pack([Ticked(START)] * (MOST_ENTRIES + 1), 1, MARK)
    with pytest.raises(ValueError, match="at most 33,554,432 bytes"):
        pack([Received("", START, bytes(MOST_RAW))], 1, MARK)
    header, _ = packed(*[Ticked(START)] * MOST_ENTRIES)
    assert header.count == MOST_ENTRIES


def test_the_largest_frame_is_read_even_if_nothing_of_it_can_be_compressed() -> None:
    body = noise(1, MOST_RAW - 64)
    header, payload = packed(Received("cam-1", START, body))
    assert MOST_RAW < len(payload) <= MOST_PACKED
    assert unpack(header, payload, decompressor()) == [Received("cam-1", START, body)]


def test_the_size_of_an_entry_is_known_about_before_it_is_packed() -> None:
    for entry in (*ENTRIES, message(1, 300), message(1, 300_000)):
        assert abs(size_of(entry) - len(msgpack.encode(entry))) <= 32
    assert len(MARK) == MARK_SIZE
