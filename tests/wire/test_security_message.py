import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import material
from tests.wire.material import (
    aggregate,
    connection,
    connections,
    event,
    fixtures,
    login,
    message,
    process,
    processes,
    property_settings,
    without,
)

from fencepost.model.address import parse_address
from fencepost.model.errors import DeviceError
from fencepost.model.event import (
    DroppedEventsStatistics,
    Event,
    LegacyEvent,
    Login,
    Rejected,
    SecurityMessage,
)
from fencepost.model.instant import micros
from fencepost.model.raw_event import RawEvent
from fencepost.wire import security_message
from fencepost.wire.body import LIMIT, MOST_REFUSALS, TOO_MANY, fingerprint
from fencepost.wire.fault import WHOLE_EVENT, Fault
from fencepost.wire.piecewise import Piece, parse, read_event
from fencepost.wire.security_message import decode, rows

SAMPLES = [path.read_bytes() for path in fixtures("official/*.json") + fixtures("legacy/*.json")]
COLUMNS = {
    "DeviceId",
    "RawEventName",
    "RawEventCategory",
    "RawEventType",
    "IoTRawEventId",
    "TimeStamp",
    "IsEmpty",
    "AgentVersion",
    "EventDetails",
}


def refusals(body: bytes) -> list[Rejected]:
    return [row for row in rows(body) if isinstance(row, Rejected)]


def only_refusal(body: bytes) -> tuple[str, str]:
    (rejected,) = decode(body).rejected
    assert [rejected] == refusals(body)
    return rejected.where, rejected.reason


def outcome(body: bytes, limit: int = LIMIT) -> SecurityMessage | str:
    try:
        return decode(body, limit)
    except DeviceError as error:
        return str(error)


@pytest.mark.parametrize("path", fixtures("official/valid_*.json"), ids=lambda path: path.stem)
def test_every_official_valid_message_is_read_without_a_refusal(path: Path) -> None:
    body = path.read_bytes()
    assert decode(body).rejected == ()
    assert refusals(body) == []
    assert len(decode(body).events) == len(json.loads(body)["Events"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("invalid_01_notobject", "not an object"),
        ("invalid_02_notobject", "not an object"),
        ("invalid_03_empty", "Events: missing"),
        ("invalid_04_empty", "Events: empty"),
    ],
)
def test_official_invalid_messages_without_events_are_refused_as_a_whole(name: str, said: str) -> None:
    body = (material.FIXTURES / "official" / f"{name}.json").read_bytes()
    with pytest.raises(DeviceError, match=f"^{said}$"):
        decode(body)
    with pytest.raises(DeviceError, match=f"^{said}$"):
        rows(body)


def test_official_invalid_payloads_are_refused_with_their_place() -> None:
    invalid_05, invalid_06 = fixtures("official/invalid_0[56]*.json")
    assert only_refusal(invalid_05.read_bytes()) == (
        "Events[0].Payload[0].ExtraDetails.SomeKey",
        "not a string",
    )
    assert only_refusal(invalid_06.read_bytes()) == ("Events[0].Payload[0].Direction", "missing")


@pytest.mark.parametrize(
    "path",
    [path for path in fixtures("legacy/*.json") if "twin" not in path.name],
    ids=lambda path: path.stem,
)
def test_messages_of_the_real_agents_are_read_without_a_refusal(path: Path) -> None:
    body = path.read_bytes()
    assert decode(body).rejected == ()
    assert refusals(body) == []


def test_the_recorded_message_of_the_c_agent_gives_its_events_and_a_row_per_payload() -> None:
    body = (material.FIXTURES / "legacy" / "message_aggregation_off.json").read_bytes()
    said = json.loads(body)["Events"]
    read = decode(body)
    assert [told.id for told in read.events] == [told["Id"] for told in said]
    assert len(list(rows(body))) == sum(len(told["Payload"]) for told in said)
    assert any(isinstance(told, Login) for told in read.events)
    assert isinstance(read.events[0], DroppedEventsStatistics)


def test_an_aggregate_of_the_c_agent_becomes_a_span() -> None:
    body = (material.FIXTURES / "legacy" / "aggregation_on_21_ConnectionCreate.json").read_bytes()
    (told,) = connections(decode(body))
    start, end = datetime(2026, 11, 24, 3, 52, 6, tzinfo=UTC), datetime(2026, 11, 24, 3, 52, 12, tzinfo=UTC)
    assert told.span == (micros(start), micros(end), 1)
    assert told.remote == parse_address("203.0.113.7")


def test_an_aggregate_of_the_csharp_agent_becomes_a_span() -> None:
    body = (material.FIXTURES / "legacy" / "csharp_aggregated_connection_out.json").read_bytes()
    (told,) = connections(decode(body))
    start, end = datetime(2020, 1, 31, 18, 5, 9, tzinfo=UTC), datetime(2020, 1, 31, 19, 5, 9, tzinfo=UTC)
    assert told.span == (micros(start), micros(end), 3)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty body"),
        (b"hello", "not JSON"),
        (b"5", "not an object"),
        (b"null", "not an object"),
        (b'{"Events":', "not JSON"),
        (b'{"Events":[{"Name":"Login"', "not JSON"),
        (b'{"Events":null}', "Events: not an array"),
        (b'{"Events":{}}', "Events: not an array"),
        (b'{"Events":[{"Name":"\xff"}]}', "not UTF-8: byte 20"),
        (b'{"AgentId":"\xc3\x28","Events":[]}', "not UTF-8"),
        (b'{"Events":[{"Name":"\\ud800"}]}', "not JSON"),
        (b'{"Other":"\\ud800 x","Events":[]}', "not JSON"),
        (b'{"Events":[NaN]}', "not JSON"),
        (b'{"Events":[],"Events":[]}', "Events: given more than once"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"x":' * 50_000, "nested too deep"),
        (b'{"Events":[' + b"[" * 100_000, "nested too deep"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"Events":[{}]}', "nested too deep"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_a_message_of_which_nothing_can_be_used_is_refused_with_its_reason(body: bytes, said: str) -> None:
    with pytest.raises(DeviceError) as refused:
        decode(body)
    assert str(refused.value).startswith(said)
    with pytest.raises(DeviceError):
        rows(body)


def test_a_message_above_the_limit_is_refused_and_the_reason_says_both_sizes() -> None:
    body = message(event())
    with pytest.raises(DeviceError, match=f"too large: {len(body)} bytes, at most {len(body) - 1} are read"):
        decode(body, len(body) - 1)
    assert decode(body, len(body)).events


def test_a_second_events_member_is_refused_because_it_would_hide_the_first() -> None:
    hidden = message(event())[:-1] + b', "Events": [' + json.dumps(event("Login", [])).encode() + b"]}"
    with pytest.raises(DeviceError, match="Events: given more than once"):
        decode(hidden)


def test_the_word_events_elsewhere_is_no_second_events_member() -> None:
    body = message(event(payload=[connection(ExtraDetails={"Events": "x"})]))
    assert len(connections(decode(body))) == 1


def test_of_any_other_repeated_member_the_last_one_counts() -> None:
    body = message(event()).replace(b'"Name": "Conn', b'"Name": "Login", "Id": "first", "Name": "Conn')
    (told,) = decode(body).events
    assert type(told).__name__ == "ConnectionCreate"
    assert told.id == "event-1"


def test_a_byte_order_mark_is_read_over() -> None:
    assert decode(b"\xef\xbb\xbf" + message(event())).events


HEADS: list[tuple[Any, str, str]] = [
    (5, "", "not an object"),
    (None, "", "not an object"),
    (event("Foo"), "Name", "unknown event name 'Foo'"),
    (event("NetworkActivity", []), "Name", "unknown event name 'NetworkActivity'"),
    (event() | {"Name": 5}, "Name", "not text"),
    (without(event(), "Name"), "Name", "missing"),
    (without(event(), "Id"), "Id", "missing"),
    (event(Id=7), "Id", "not text"),
    (without(event(), "TimestampUTC"), "TimestampUTC", "missing"),
    (event(TimestampUTC=1600000000), "TimestampUTC", "not a timestamp"),
    (event(TimestampUTC=None), "TimestampUTC", "not a timestamp"),
    (event(TimestampUTC="soon"), "TimestampUTC", "not a timestamp"),
    (event(TimestampUTC="2020-01-01T24:00:00Z"), "TimestampUTC", "not a timestamp"),
    (event(TimestampUTC="2020-01-01T23:59:60Z"), "TimestampUTC", "not a timestamp"),
    (event(TimestampUTC="2020-13-01T00:00:00Z"), "TimestampUTC", "not a timestamp"),
    (event(TimestampUTC="0001-01-01T00:00:00+05:00"), "TimestampUTC", "outside the years 1 to 9999"),
    (event(TimestampUTC="9999-12-31T23:59:59-05:00"), "TimestampUTC", "outside the years 1 to 9999"),
    (without(event(), "Payload"), "Payload", "missing"),
    (event(payload={}), "Payload", "not an array"),
    (event(payload="x"), "Payload", "not an array"),
]


@pytest.mark.parametrize(("bad", "member", "reason"), HEADS, ids=lambda value: str(value)[-40:])
def test_a_bad_event_is_refused_with_its_place_and_its_neighbours_count(
    bad: Any, member: str, reason: str
) -> None:
    body = message(event(Id="before"), bad, event(Id="after"))
    assert only_refusal(body) == (f"Events[1].{member}" if member else "Events[1]", reason)
    assert [told.id for told in decode(body).events] == ["before", "after"]
    assert len(connections(decode(body))) == 2


PAYLOADS: list[tuple[str, Any, str, str]] = [
    ("ConnectionCreate", 5, "", "not an object"),
    ("ConnectionCreate", [], "", "not an object"),
    ("ConnectionCreate", without(connection(), "Direction"), "Direction", "missing"),
    ("ConnectionCreate", connection(Direction="Up"), "Direction", "unknown value 'Up'"),
    ("ConnectionCreate", connection(Direction=1), "Direction", "not text"),
    ("ConnectionCreate", connection(Direction=" - at `$.A`"), "Direction", "unknown value ' - at `$.A`'"),
    ("ConnectionCreate", connection(RemoteAddress=5), "RemoteAddress", "not text"),
    ("ConnectionCreate", connection(RemoteAddress="localhost"), "RemoteAddress", "not an IP address"),
    ("ConnectionCreate", connection(RemoteAddress="10.0.0.1\0"), "RemoteAddress", "not an IP address"),
    ("ConnectionCreate", connection(RemoteAddress="1::2::3%eth0"), "RemoteAddress", "not an IP address"),
    ("ConnectionCreate", connection(RemotePort=[1]), "RemotePort", "neither a number nor text"),
    ("ConnectionCreate", connection(ExtraDetails=[]), "ExtraDetails", "not an object"),
    ("ConnectionCreate", connection(ExtraDetails={"A": 1}), "ExtraDetails.A", "not a string"),
    ("ConnectionCreate", connection(ExtraDetails={"A": 1.5}), "ExtraDetails.A", "not a string"),
    ("ProcessCreate", process(ExtraDetails={"A": {}}), "ExtraDetails.A", "not a string"),
    ("ProcessCreate", process(ExtraDetails={"HitCount": 1.5}), "ExtraDetails.HitCount", "not a number"),
    ("ProcessCreate", process(ExtraDetails={"HitCount": True}), "ExtraDetails.HitCount", "not a number"),
    ("ProcessCreate", without(process(), "Executable"), "Executable", "missing"),
    ("Login", login(Result="Maybe"), "Result", "unknown value 'Maybe'"),
    ("Login", login(ExtraDetails={"A": 1}), "ExtraDetails.A", "not a string"),
    ("Login", login(UserName=[]), "UserName", "not text"),
    ("LocalUsers", {"UserName": 5}, "UserName", "not text"),
    ("LocalUsers", "x", "", "not an object"),
    ("DroppedEventsStatistics", {"DroppedEvents": []}, "DroppedEvents", "neither a number nor text"),
    ("Diagnostic", 5, "", "not an object"),
]


@pytest.mark.parametrize(("name", "bad", "member", "reason"), PAYLOADS, ids=lambda value: str(value)[-40:])
def test_a_bad_payload_is_refused_with_its_place_and_its_neighbours_count(
    name: str, bad: Any, member: str, reason: str
) -> None:
    good = {"ConnectionCreate": connection(), "ProcessCreate": process(), "Login": login()}.get(name, {})
    body = message(event(), event(name, [good, bad, good]))
    place = "Events[1].Payload[1]"
    assert only_refusal(body) == (f"{place}.{member}" if member else place, reason)
    assert len(getattr(decode(body).events[1], "payload")) == 2  # noqa: B009 every legacy event has one


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2020-01-01T11:00:00", 11),
        ("2020-01-01 11:00:00Z", 11),
        ("2020-01-01 11:00:00", 11),
        ("2020-01-01T11:00:00.000Z", 11),
        ("2020-01-01T11:00:00+01:00", 10),
        ("2020-01-01T11:00:00-02:00", 13),
    ],
)
def test_S01_event_times_are_utc_whatever_their_form(text: str, hour: int) -> None:
    (told,) = decode(message(event(TimestampUTC=text))).events
    assert told.occurred_at == datetime(2020, 1, 1, hour, tzinfo=UTC)
    assert told.occurred_at.tzinfo is UTC


def test_an_empty_payload_is_fine_for_every_event() -> None:
    names = sorted(kind.__name__ for kind in get_args(LegacyEvent))
    assert len(names) == 14
    read = decode(message(*(event(name, []) for name in names)))
    assert read.rejected == ()
    assert [type(told).__name__ for told in read.events] == names


@pytest.mark.parametrize("address", [None, ""])
def test_a_connection_that_names_no_address_has_none_whatever_the_device_says_under_our_names(
    address: str | None,
) -> None:
    hostile = connection(RemoteAddress=address, Remote=5, Span=[1, 2, 3])
    (told,) = connections(decode(message(event(payload=[hostile]))))
    assert told.remote is None
    assert told.span is None


def test_our_own_names_in_any_type_change_nothing() -> None:
    hostile = [connection(Remote="x", Span="y"), connection(Remote=[], Span={})]
    read = decode(
        message(event(payload=hostile), event("ProcessCreate", [process(Span=[9, 9, 9], Remote=1)]))
    )
    assert read.rejected == ()
    assert [told.remote for told in connections(read)] == [parse_address("203.0.113.7")] * 2
    assert [told.span for told in [*connections(read), *processes(read)]] == [None] * 3


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2001:0DB8:0000:0000:0000:0000:0000:0007", "2001:db8::7"),
        ("0000:0000:0000:0000:0000:ffff:c633:6407", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
    ],
)
def test_S15_addresses_in_any_form_are_the_same_number(text: str, same: str) -> None:
    (told,) = connections(decode(message(event(payload=[connection(RemoteAddress=text)]))))
    assert told.remote == parse_address(same)


@pytest.mark.parametrize("port", [0, 443, "", "*", "53248-53250", None])
def test_ports_in_any_form_are_kept(port: Any) -> None:
    (told,) = connections(decode(message(event(payload=[connection(RemotePort=port, LocalPort=port)]))))
    assert (told.remote_port, told.local_port) == (port, port)


def test_an_absurd_number_where_no_rule_reads_leaves_the_neighbours_whole() -> None:
    digits = "9" * 5000
    body = message(event(payload=[connection(Other="@"), 5, connection()])).replace(b'"@"', digits.encode())
    assert only_refusal(body) == ("Events[0].Payload[1]", "not an object")
    assert len(connections(decode(body))) == 2
    body = message(event(payload=[connection(RemotePort="@"), connection()])).replace(b'"@"', digits.encode())
    assert only_refusal(body) == ("Events[0].Payload[0].RemotePort", "neither a number nor text")


def test_reasons_stay_short_and_printable_whatever_a_device_wrote() -> None:
    body = message(event("\x1b[31m" + "x" * 9000), event(payload=[connection(ExtraDetails={"k" * 9000: 1})]))
    for rejected in decode(body).rejected:
        assert len(rejected.where) + len(rejected.reason) < 250
        assert (rejected.where + rejected.reason).isprintable()


def test_a_million_small_events_are_read_in_the_size_that_was_asked_for() -> None:
    one = b'{"Name":"Login","Id":"1","TimestampUTC":"2020-01-01T00:00:00Z","Payload":[]}'
    body = b'{"Events":[' + b",".join([one] * 1_000_000) + b"]}"
    read = decode(body, len(body))
    assert len(read.events) == 1_000_000
    with pytest.raises(DeviceError, match="too large"):
        decode(body)


def test_the_fingerprint_is_that_of_the_exact_bytes() -> None:
    body = message(event())
    assert decode(body).fingerprint == fingerprint(body) == decode(bytes(body)).fingerprint
    assert decode(body + b" ").fingerprint != fingerprint(body)
    assert 0 <= fingerprint(body) < 2**63


def test_a_row_has_the_columns_of_the_table_and_the_whole_payload() -> None:
    payload = connection(Unheard={"of": [1, 2.5]}, ExtraDetails=aggregate())
    told = event(
        payload=[payload],
        Category="Aggregated",
        EventType="Security",
        IsEmpty=False,
        TimestampLocal="2020-01-01T06:00:00Z",
    )
    (row,) = rows(message(told), device_id="device-1")
    assert isinstance(row, RawEvent)
    plain = msgspec.to_builtins(row)
    assert set(plain) == COLUMNS
    assert plain == {
        "DeviceId": "device-1",
        "RawEventName": "ConnectionCreate",
        "RawEventCategory": "Aggregated",
        "RawEventType": "Security",
        "IoTRawEventId": "event-1",
        "TimeStamp": "2020-01-01T11:00:00Z",
        "IsEmpty": False,
        "AgentVersion": "0.0.5",
        "EventDetails": payload | {"TimestampLocal": "2020-01-01T06:00:00Z"},
    }


def test_an_empty_event_has_no_row() -> None:
    assert list(rows(message(event(payload=[], IsEmpty=True)))) == []


def test_rows_and_refusals_come_in_the_order_of_the_message() -> None:
    body = message(event(payload=[connection(), 5, connection()]), 7, event("Login", [login()]))
    kinds = [row.where if isinstance(row, Rejected) else row.name for row in rows(body)]
    assert kinds == ["ConnectionCreate", "Events[0].Payload[1]", "ConnectionCreate", "Events[1]", "Login"]


@pytest.mark.parametrize(
    ("name", "payload", "member", "reason"),
    [
        ("ListeningPorts", {"LocalAddress": 5}, "LocalAddress", "not text"),
        ("FirewallConfiguration", {"Enabled": "yes"}, "Enabled", "not true or false"),
        ("FirewallConfiguration", {"Priority": "1"}, "Priority", "not a number"),
        ("SystemInformation", {"OSName": []}, "OSName", "not text"),
        ("Diagnostic", {"Message": 5}, "Message", "not text"),
        ("MessageStatistics", {"TotalFailed": "x"}, "TotalFailed", "not a number"),
        ("ProcessTerminate", {"ExtraDetails": 5}, "ExtraDetails", "not an object"),
    ],
)
def test_a_row_of_an_unwatched_event_is_refused_only_for_a_wrong_type(
    name: str, payload: Any, member: str, reason: str
) -> None:
    body = message(event(name, [{}, payload]))
    assert decode(body).rejected == ()
    assert refusals(body) == [Rejected(f"Events[0].Payload[1].{member}", reason)]


def test_a_row_is_not_nested_deeper_than_its_readers_can_follow() -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    body = message(event(payload=[connection(Odd=deep)]))
    assert len(connections(decode(body))) == 1
    assert refusals(body) == [Rejected("Events[0].Payload[0]", "nested deeper than 32 levels")]


def agree(body: bytes) -> None:
    """Both ways to read a message mean the same, and rows refuse what events refuse."""
    read = outcome(body)
    if isinstance(read, str):
        with pytest.raises(DeviceError):
            rows(body)
        return
    assert len(read.events) + len(read.rejected) <= len(body)
    events, faults = security_message._by_pieces(security_message._checked(body, LIMIT))
    assert events == read.events
    assert tuple(fault.rejected() for fault in faults) == read.rejected
    assert all(told.occurred_at.tzinfo is UTC for told in read.events)
    assert set(read.rejected) <= set(refusals(body))


@given(material.messages)
@property_settings
def test_both_ways_to_decode_agree_on_any_message(body: bytes) -> None:
    agree(body)


@given(material.plausible_messages)
@property_settings
def test_both_ways_to_decode_agree_on_any_message_of_the_right_types(body: bytes) -> None:
    assert security_message._decode(body).events
    agree(body)


@given(material.mutated(SAMPLES))
@property_settings
def test_a_damaged_message_raises_nothing_but_a_device_error(body: bytes) -> None:
    agree(body)


@given(material.mutated([message(event(payload=[connection(ExtraDetails=aggregate())]))]))
@property_settings
def test_a_damaged_aggregate_raises_nothing_but_a_device_error(body: bytes) -> None:
    agree(body)


def filled(head: bytes, item: bytes, tail: bytes) -> bytes:
    """A message as large as one may be, of one item over and over."""
    return head + b",".join([item] * ((LIMIT - len(head) - len(tail)) // (len(item) + 1))) + tail


ONE_EVENT = b'{"Events":[{"Name":"%s","Id":"1","TimestampUTC":"2020-01-01T11:00:00Z","Payload":['
HOSTILE = {
    "numbers for events": filled(b'{"Events":[', b"1", b"]}"),
    "objects for events": filled(b'{"Events":[', b"{}", b"]}"),
    "events outside the calendar": filled(
        b'{"Events":[',
        b'{"Name":"Login","Id":"","TimestampUTC":"0001-01-01T00:00:00+05:00","Payload":[]}',
        b"]}",
    ),
    "numbers for payloads": filled(ONE_EVENT % b"Login", b"1", b"]}]}"),
    "empty payloads": filled(ONE_EVENT % b"ConnectionCreate", b"{}", b"]}]}"),
    "no addresses": filled(
        ONE_EVENT % b"ConnectionCreate", b'{"Direction":"In","RemoteAddress":"x"}', b"]}]}"
    ),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_S31_junk_ends_with_a_refusal_that_says_so_and_costs_no_more_than_sense(body: bytes) -> None:
    tracemalloc.start()
    try:
        read = decode(body)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(read.rejected) == MOST_REFUSALS + 1
    assert read.rejected[-1].reason == TOO_MANY
    assert read.rejected[-1].where.endswith(f"[{MOST_REFUSALS}]")
    assert refusals(body) == list(read.rejected)
    assert kept < 3 * len(body)
    assert peak < 50 * len(body)


@pytest.mark.parametrize("more", [0, 1])
def test_S31_as_many_refusals_as_may_be_are_told_and_the_rest_counts(more: int) -> None:
    """One more, and what stands behind it is not read."""
    junk: list[Any] = [{}] * (MOST_REFUSALS // 2)
    bad = [*junk, *[{}] * more]
    body = message(5, event(payload=[*junk[1:], connection()]), event(payload=[*bad, connection()]), event())
    read = decode(body)
    assert len(read.rejected) == MOST_REFUSALS + more
    assert refusals(body) == list(read.rejected)
    assert (read.rejected[-1].reason == TOO_MANY) is bool(more)
    assert [len(getattr(told, "payload")) for told in read.events] == ([1, 0] if more else [1, 1, 1])  # noqa: B009


def test_S31_what_stands_before_the_last_refusal_counts_in_its_event_too() -> None:
    payload = [connection(), *[5] * MOST_REFUSALS, connection(), 5, connection()]
    body = message(event(payload=payload), event())
    (told,) = decode(body).events
    assert len(getattr(told, "payload")) == 2  # noqa: B009 every legacy event has one
    assert decode(body).rejected[-1] == Rejected(f"Events[0].Payload[{MOST_REFUSALS + 2}]", TOO_MANY)
    assert sum(isinstance(row, RawEvent) for row in rows(body)) == 2


def test_S31_rows_that_nothing_reads_are_refused_as_often_and_no_more() -> None:
    body = message(event("Diagnostic", [{"Message": 5}] * (MOST_REFUSALS + 5)), event())
    assert decode(body).rejected == ()
    assert len(refusals(body)) == MOST_REFUSALS + 1
    assert refusals(body)[-1] == Rejected(f"Events[0].Payload[{MOST_REFUSALS}]", TOO_MANY)
    assert list(rows(body))[-1] == refusals(body)[-1]


def cut(body: bytes, most: int) -> tuple[list[Event], list[Rejected]]:
    """Read the whole message, and only then take away what lies behind as many refusals."""
    items = parse(security_message._checked(body, LIMIT))[1]
    read = [read_event(index, item, len(body)) for index, item in enumerate(items)]
    faults = [fault for _, refused in read for fault in refused]
    if len(faults) <= most:
        pieces = [piece.event for piece, _ in read if piece is not None]
        return pieces, [fault.rejected() for fault in faults]
    last = faults[most]
    events = [_before(piece, index, last) for index, (piece, _) in enumerate(read) if piece is not None]
    closing = last._replace(member="", reason=TOO_MANY)
    return [told for told in events if told is not None], [
        fault.rejected() for fault in [*faults[:most], closing]
    ]


def _before(piece: Piece, index: int, last: Fault) -> Event | None:
    if index > last.event or (index == last.event and last.payload == WHOLE_EVENT):
        return None
    if index == last.event:
        payload = getattr(piece.event, "payload")  # noqa: B009 every legacy event has one
        payload[:] = [item for item, place in zip(payload, piece.places, strict=True) if place < last.payload]
    return piece.event


@given(material.messages | material.plausible_messages, st.integers(0, 3))
@property_settings
def test_S31_a_message_with_too_much_wrong_is_the_message_up_to_there(body: bytes, most: int) -> None:
    if isinstance(outcome(body), str):
        return
    told = refusals(body)
    with patch.object(security_message, "MOST_REFUSALS", most):
        read, bounded = decode(body), refusals(body)
    events, rejected = cut(body, most)
    assert (read.events, list(read.rejected)) == (events, rejected)
    assert [one.where for one in bounded[:most]] == [one.where for one in told[:most]]
    assert len(bounded) == min(len(told), most + 1)


@pytest.mark.parametrize("path", fixtures("legacy/*Create.json"), ids=lambda path: path.stem)
def test_a_message_cut_anywhere_is_refused(path: Path) -> None:
    body = path.read_bytes().rstrip()
    for end in range(len(body)):
        assert isinstance(outcome(body[:end]), str)
