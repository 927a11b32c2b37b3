from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.wire.material import aggregate

from fencepost.model.event import Connection, ConnectionCreate, Event, Rejected
from fencepost.model.instant import micros
from fencepost.wire.fault import Fault
from fencepost.wire.settle import settle

AT = datetime(2020, 1, 1, 11, tzinfo=UTC)
START, END = micros(AT - timedelta(hours=1)), micros(AT)


def settled(details: dict[str, Any], at: datetime = AT) -> tuple[list[Connection], list[Fault]]:
    told = ConnectionCreate(
        id="1", occurred_at=at, payload=[Connection(direction="Out", extra_details=details)]
    )
    faults: list[Fault] = []
    events: list[Event] = [told]
    assert settle(events, faults) == [told]
    return told.payload, faults


@pytest.mark.parametrize("hits", [3, "3", "0000000003"])
def test_S11_hits_make_a_span_whether_number_or_digits(hits: int | str) -> None:
    (told,), faults = settled(aggregate(hits))
    assert told.span == (START, END, 3)
    assert faults == []


@pytest.mark.parametrize("hits", [1, 2**31])
def test_S11_the_bounds_of_hits_are_inclusive(hits: int) -> None:
    (told,), _ = settled(aggregate(hits))
    assert told.span == (START, END, hits)


@pytest.mark.parametrize(
    "start",
    [
        "2020-01-01T10:00:00Z",
        "2020-01-01 10:00:00",
        "2020-01-01T10:00:00.000",
        "2020-01-01T12:00:00+02:00",
        "01/01/2020 10:00:00",
    ],
)
def test_every_form_of_time_that_agents_send_is_read(start: str) -> None:
    (told,), _ = settled(aggregate(StartTimeUtc=start))
    assert told.span == (START, END, 3)


def test_without_hits_there_is_no_span() -> None:
    for details in ({}, {"Hash": "x"}, {"HitCount": None}, {"StartTimeUtc": "x"}):
        (told,), faults = settled(details)
        assert told.span is None
        assert faults == []


@pytest.mark.parametrize(
    ("details", "member", "reason"),
    [
        (aggregate(0), "HitCount", "not between 1 and 2147483648"),
        (aggregate(-1), "HitCount", "not between 1 and 2147483648"),
        (aggregate(2**31 + 1), "HitCount", "not between 1 and 2147483648"),
        (aggregate("9999999999"), "HitCount", "not between 1 and 2147483648"),
        (aggregate("9" * 5000), "HitCount", "not a number"),
        (aggregate(""), "HitCount", "not a number"),
        (aggregate(" 3"), "HitCount", "not a number"),
        (aggregate("\N{ARABIC-INDIC DIGIT THREE}"), "HitCount", "not a number"),
        ({"HitCount": 1}, "StartTimeUtc", "missing"),
        (aggregate(StartTimeUtc=None), "StartTimeUtc", "missing"),
        (aggregate(EndTimeUtc=None), "EndTimeUtc", "missing"),
        (aggregate(StartTimeUtc=""), "StartTimeUtc", "not a timestamp"),
        (aggregate(StartTimeUtc="2020-W01-1T10:00:00"), "StartTimeUtc", "not a timestamp"),
        (aggregate(StartTimeUtc="2020-01-01"), "StartTimeUtc", "not a timestamp"),
        (aggregate(StartTimeUtc="2020-01-01x10:00:00"), "StartTimeUtc", "not a timestamp"),
        (aggregate(StartTimeUtc="31/01/2020 10:00:00"), "StartTimeUtc", "not a timestamp"),
        (aggregate(EndTimeUtc="2020-01-01T10:60:00Z"), "EndTimeUtc", "not a timestamp"),
        (aggregate(EndTimeUtc="2020-01-01T11:05:01Z"), "EndTimeUtc", "more than 5 minutes after the event"),
        (aggregate(Other=1), "Other", "not a string"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_an_aggregate_that_contradicts_itself_is_refused(details: Any, member: str, reason: str) -> None:
    payload, (fault,) = settled(details)
    assert payload == []
    assert fault.rejected() == Rejected(f"Events[0].Payload[0].ExtraDetails.{member}", reason)


def test_an_aggregate_may_end_five_minutes_after_its_event() -> None:
    (told,), _ = settled(aggregate(EndTimeUtc="2020-01-01T11:05:00Z"))
    assert told.span == (START, END + 300_000_000, 3)


def test_an_aggregate_may_begin_and_end_in_the_same_instant() -> None:
    (told,), _ = settled(aggregate(EndTimeUtc="2020-01-01T10:00:00Z"))
    assert told.span == (START, START, 3)


def test_times_that_aggregates_share_are_read_alike_for_each() -> None:
    at = datetime(2020, 1, 1, 10, 30, tzinfo=UTC)
    items = [Connection(direction="Out", extra_details=aggregate(hits)) for hits in (1, 2)]
    early = ConnectionCreate(id="1", occurred_at=at, payload=list(items))
    late = ConnectionCreate(
        id="2", occurred_at=AT, payload=[Connection(direction="In", extra_details=aggregate())]
    )
    faults: list[Fault] = []
    assert settle([early, late], faults) == [early, late]
    assert [fault.event for fault in faults] == [0, 0]
    assert early.payload == []
    assert [told.span for told in late.payload] == [(START, END, 3)]


def test_S08_an_aggregate_whose_clock_was_put_back_lies_between_its_times() -> None:
    """A message is never refused for its clock."""
    (told,), faults = settled(aggregate(EndTimeUtc="2020-01-01T09:59:59Z"))
    assert told.span == (START - 1_000_000, START, 3)
    assert faults == []
