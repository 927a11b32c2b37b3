"""S26: bounded memory and bounded work, and verdicts that stay right."""

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from msgspec.structs import replace

from fencepost.model.event import Event
from fencepost.model.outcome import Finding, Outcome, Possible
from fencepost.model.rule import TimeWindowRule
from fencepost.testing import (
    Bench,
    active_connections,
    allowing,
    at,
    connection,
    failed_login,
    failed_logins,
    group,
    heartbeat,
    message,
)

CONNECTIONS = "ActiveConnectionsNotInAllowedRange"
LOGINS = "FailedLocalLoginsNotInAllowedRange"
HOUR: dict[str, Any] = {"minutes": 60}
CAP = 4096
OVERHEAD = 200
"""Bytes of a snapshot that are not counters: ids, names, watches."""


def told(when: datetime, number: int, kind: str) -> Event:
    if kind == "flow":
        return connection(when, local="10.0.0.2", local_port=1024 + number % 40_000)
    if kind == "login":
        return failed_login(when, process_id=number)
    return connection(when)


def rule_of(kind: str, **members: Any) -> TimeWindowRule:
    return failed_logins(**members) if kind == "login" else active_connections(**members)


def told_of_maximum(outcomes: list[Outcome]) -> list[Finding | Possible]:
    return [one for one in outcomes if isinstance(one, Finding | Possible)]


@pytest.mark.parametrize("kind", ["occurrence", "flow", "login"])
def test_S26_a_threshold_far_above_the_cap_is_judged_right(kind: str) -> None:
    """
    One event a second, an hour's window, at most 5000 or 3000 of them: 3600 are in every full window.

    A verdict is certain or possible, never wrong: no certain violation of 5000, and none of the
    windows with more than 3000 goes by without a word.
    """
    enough = Bench(group(rule_of(kind, high=5000, **HOUR)))
    short = Bench(group(rule_of(kind, high=3000, **HOUR)))
    for number in range(6000):
        event = told(at("10:00") + timedelta(seconds=number), number, kind)
        assert not [one for one in enough.send("d", event) if isinstance(one, Finding)]
        said = told_of_maximum(short.send("d", event))
        assert bool(said) is (number >= 3000) or (number < 3000 and not isinstance(said[0], Finding))
        if number >= 3000:
            assert said, f"{number + 1} events and not a word"


@pytest.mark.parametrize("kind", ["occurrence", "flow", "login"])
def test_S26_the_truth_lies_between_certain_and_possible(kind: str) -> None:
    """What was merged is counted as an interval and its hits (S11)."""
    bench = Bench(group(rule_of(kind, high=5000, **HOUR)))
    rule_type = LOGINS if kind == "login" else CONNECTIONS
    for number in range(8000):
        when = at("10:00") + timedelta(seconds=number)
        bench.send("d", told(when, number, kind))
        if number % 500 == 499:
            for back in (0, 60, 600):
                true = max(0, min(number + 1 - back, 3600))
                certain, possible = bench.detector.count("d", rule_type, when - timedelta(seconds=back)) or (
                    0,
                    0,
                )
                assert certain <= true <= possible, (number, back)


def test_S26_a_device_that_stays_far_above_its_maximum_does_not_recover() -> None:
    """
    One event a second for four hours, at most 1000 an hour: 3600 in every window, one alert, never over.

        10:00        10:16:40               14:00
          |  1 a second  | 1001!  ...  3600 ... |     always outside
    """
    bench = Bench(group(active_connections(high=1000, **HOUR)))
    for number in range(4 * 3600):
        bench.send("d", connection(at("10:00") + timedelta(seconds=number)), fingerprint=1 + number)
    alert = bench.alert()
    assert (alert.state, alert.started_at) == ("Active", at("10:16:40"))


def test_S26_merged_counters_lose_little_sharpness() -> None:
    """What is merged is still counted within a quarter of its window, hours later as well."""
    bench = Bench(group(active_connections(high=5000, **HOUR)))
    for number in range(8000):
        bench.send("d", connection(at("10:00") + timedelta(seconds=number)))
    certain, possible = bench.detector.count("d", CONNECTIONS, at("10:00") + timedelta(seconds=7999)) or (
        0,
        0,
    )
    assert 3600 * 3 // 4 <= certain <= 3600 <= possible <= 3600 * 5 // 4


@pytest.mark.parametrize("kind", ["occurrence", "flow", "login"])
@pytest.mark.parametrize("step", [timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=7)])
def test_S26_the_memory_of_a_device_and_rule_is_capped(kind: str, step: timedelta) -> None:
    """Six thousand events, however fast they come, stay within four kilobytes."""
    bench = Bench(group(rule_of(kind, high=5000, **HOUR)))
    empty, most = len(bench.detector.snapshot()), 0
    for number in range(6000):
        bench.send("d", told(at("10:00") + step * number, number, kind), fingerprint=1 + number)
        if number % 100 == 99:
            most = max(most, len(bench.detector.snapshot()))
    assert most - empty <= CAP + 64 * 8 + OVERHEAD


def test_S26_aggregates_are_capped_too() -> None:
    """Spans are bounded as points are."""
    bench = Bench(group(active_connections(high=5000, **HOUR)))
    for number in range(5000):
        when = at("10:00") + timedelta(seconds=number)
        bench.send("d", connection(when, hits=2, since=when - timedelta(seconds=30)), fingerprint=1 + number)
    assert len(bench.detector.snapshot()) <= CAP + 64 * 8 + OVERHEAD
    certain, possible = bench.detector.count("d", CONNECTIONS, at("10:00") + timedelta(seconds=4999)) or (
        0,
        0,
    )
    assert certain <= 7200 <= possible


def test_S26_an_alert_on_merged_counters_says_so() -> None:
    """Its reader knows that the count may be less than the truth."""
    bench = Bench(group(active_connections(high=3000, **HOUR)))
    for number in range(3600):
        bench.send("d", connection(at("10:00") + timedelta(seconds=number)))
    alert = bench.alert()
    assert "merged" in alert.flags
    assert 3000 < alert.count <= 3600


def test_S26_an_alert_within_the_cap_is_exact_and_needs_no_mark() -> None:
    """A hundred of a hundred events."""
    bench = Bench(group(active_connections(high=99, **HOUR)))
    for number in range(100):
        bench.send("d", connection(at("10:00") + timedelta(seconds=number)))
    assert (bench.alert().count, bench.alert().flags) == (100, ())


def test_S26_what_is_older_than_the_legitimate_delay_is_merged_and_still_judged() -> None:
    """
    A late event meets merged counters: it is judged certain or possible, and never lost.

        10:00-10:04 five connections     ...     12:00 the sixth, of 10:02
    """
    bench = Bench(group(active_connections(high=5), allowed_lateness=timedelta(minutes=1)))
    for minute in range(5):
        bench.send("cam", connection(f"10:0{minute}"))
    for minute in range(10, 60):
        bench.send("cam", connection(f"11:{minute}"))
    outcomes = bench.send("cam", connection("10:02:30"), received_at="12:00")
    about = [
        one for one in told_of_maximum(outcomes) if isinstance(one, Possible) or one.last_at < at("11:00")
    ]
    assert about


def test_S26_one_event_with_thousands_of_payloads_leaves_no_more_than_the_cap() -> None:
    """As many payloads as a message of 256 kB can carry."""
    bench = Bench(group(active_connections(high=5000, **HOUR)))
    bench.send("d", connection("10:00", *["203.0.113.1"] * 10_000))
    assert bench.alert().count == 10_000
    assert len(bench.detector.snapshot()) <= CAP + OVERHEAD


class TooMuchWorkError(AssertionError):
    """Something took more lines of Python than it may; raised at once, so that a test need not wait for it."""


OURS = str(Path("src", "fencepost"))


def lines_of(work: Callable[[], object], most: int = sys.maxsize) -> int:
    """Return how many lines of Python something costs, at most `most`: work, measured without a clock."""
    lines = 0

    def count(frame: FrameType, kind: str, _argument: object) -> Any:
        nonlocal lines
        if OURS not in frame.f_code.co_filename:  # what the collector of garbage ends meanwhile, for one
            return None
        lines += kind == "line"
        if lines > most:
            raise TooMuchWorkError(f"more than {most} lines of work")
        return count

    known = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(known)
    return lines


def lines_run(bench: Bench, device_id: str, event: Event) -> int:
    sent = message(event)
    return lines_of(lambda: bench.detector.receive(device_id, sent, event.occurred_at))


def test_S26_a_chatty_device_delays_no_other() -> None:
    """A quiet device costs the same work beside a device with six thousand events as alone."""
    rules = (active_connections(low=1, high=5000, **HOUR), allowing("ConnectionToIpNotAllowed"))
    beside, alone = Bench(group(*rules)), Bench(group(*rules))
    for number in range(6000):
        beside.send("chatty", connection(at("10:00") + timedelta(seconds=number)), fingerprint=1 + number)
    for bench in (beside, alone):
        bench.send("quiet", heartbeat(at("11:41")))
    event = connection(at("11:42"), "203.0.113.1")
    assert lines_run(beside, "quiet", event) == lines_run(alone, "quiet", event)


def test_S26_the_work_for_a_chatty_device_is_bounded() -> None:
    """Its twelve-thousandth second costs no more than its six-thousandth."""
    bench = Bench(group(active_connections(high=5000, **HOUR)))
    costs = [
        lines_run(bench, "chatty", connection(at("10:00") + timedelta(seconds=number)))
        for number in range(12_000)
    ]
    assert sum(costs[11_000:]) <= 1.2 * sum(costs[5000:6000])
    assert sum(costs[11_000:]) <= 1000 * 1000


def test_S26_one_violation_more_is_bounded_work_too() -> None:
    """A device that violates its maximum with every event does not get slower and slower."""
    bench = Bench(group(active_connections(high=10, **HOUR)))
    costs = [
        lines_run(bench, "chatty", connection(at("10:00") + timedelta(seconds=number)))
        for number in range(6_000)
    ]
    assert sum(costs[5000:]) <= 4 * sum(costs[1000:2000])


@pytest.mark.parametrize("high", [10, 5000])
@pytest.mark.parametrize("order", ["forward", "backward"])
@pytest.mark.parametrize("kind", ["occurrence", "login"])
def test_S26_one_hostile_message_is_bounded_work(kind: str, order: str, high: int) -> None:
    """
    A message of 256 kB holds about two thousand events, in whatever order its sender likes.

    It may cost five thousand lines and tell ten things for each event: tenths of a second, not minutes.
    """
    number = 2000
    bench = Bench(group(rule_of(kind, high=high, **HOUR)))
    places = range(number) if order == "forward" else range(number, 0, -1)
    sent = message(*(told(at("10:00") + timedelta(milliseconds=place), place, kind) for place in places))
    lines_of(lambda: bench.deliver("d", sent, received_at="10:01"), most=5000 * number)
    assert len(bench.outcomes) <= 10 * number


@pytest.mark.parametrize("kind", ["login", "flow", "occurrence"])
def test_S26_one_hostile_event_costs_what_its_payloads_cost(kind: str) -> None:
    """Thirteen thousand payloads fit into one event; each costs the same, however many there are."""
    assert lines_of_crowds(kind, 13_000) <= 12 * lines_of_crowds(kind, 1_300)


def lines_of_crowds(kind: str, number: int) -> int:
    """Return the work for two events of so many payloads at one and the same moment."""
    bench = Bench(group(rule_of(kind, high=3, **HOUR)))
    payloads = [getattr(told(at("10:00"), place, kind), "payload") for place in range(number)]  # noqa: B009
    crowd = replace(told(at("10:00"), 0, kind), payload=[one for (one,) in payloads])
    sent = [message(replace(crowd, id=event_id)) for event_id in ("one", "two")]
    return lines_of(lambda: [bench.detector.receive("d", one, at("10:01")) for one in sent])
