"""A reporter tells what happened since it was last asked, however long ago that was."""

from datetime import UTC, datetime, timedelta
from random import Random

from fencepost.model.event import (
    ConnectionCreate,
    DroppedEventsStatistics,
    Heartbeat,
    LocalUsers,
    Login,
    NetworkActivity,
    ProcessCreate,
    SecurityMessage,
)
from fencepost.simulation.incidents import BURST, FOREIGN_CALL, FOREIGN_PROCESS, STRANGER, Device, Incident
from fencepost.simulation.reporter import MEMORY, LegacyReporter, ThreadXReporter
from fencepost.wire.message import decode

START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CAMERA = Device("cam-0001", "cam", "c")
AGGREGATING = Device("cam-0003", "cam", "c", aggregating=True)
CONTROLLER = Device("plc-0001", "plc")


def legacy(device: Device = CAMERA) -> LegacyReporter:
    """Return an agent that has introduced itself at the start."""
    reporter = LegacyReporter(device, "c", (), (START, START + timedelta(days=1)), Random(1))  # noqa: S311
    reporter.introduce()
    introduction = told(reporter.report(START))
    assert any(isinstance(event, LocalUsers) for event in introduction.events)
    return reporter


def threadx() -> ThreadXReporter:
    return ThreadXReporter((), Random(1))  # noqa: S311 - a seed makes the test


def told(body: bytes) -> SecurityMessage:
    message = decode(body)
    assert message.rejected == ()
    return message


def remotes(message: SecurityMessage) -> list[str]:
    return [
        str(flow.remote_address)
        for event in message.events
        if isinstance(event, ConnectionCreate | NetworkActivity)
        for flow in event.payload
    ]


def test_an_agent_that_has_nothing_to_tell_says_that_it_dropped_nothing() -> None:
    (event,) = told(legacy().report(START + SECOND)).events
    assert isinstance(event, DroppedEventsStatistics)


def test_what_happened_is_told_once_and_in_the_next_message() -> None:
    reporter = legacy()
    reporter.add(Incident(FOREIGN_CALL, CAMERA, START + SECOND, "203.0.113.7", haste=30))
    before, then, after = (remotes(told(reporter.report(START + number * SECOND))) for number in (1, 2, 3))
    assert ("203.0.113.7" in before, then.count("203.0.113.7"), "203.0.113.7" in after) == (False, 2, False)


def test_an_incident_that_is_added_late_is_still_told() -> None:
    reporter = legacy()
    reporter.report(START + 60 * SECOND)
    reporter.add(Incident(FOREIGN_PROCESS, CAMERA, START + 58 * SECOND, "/tmp/.x/miner"))  # noqa: S108
    reporter.add(Incident(STRANGER, CAMERA, START + 59 * SECOND, "mallory"))
    (login, again, process) = (
        event
        for event in told(reporter.report(START + 61 * SECOND)).events
        if isinstance(event, Login | ProcessCreate)
    )
    assert isinstance(login, Login)
    assert login.payload[0].user_name == "mallory"
    assert isinstance(again, Login)
    assert isinstance(process, ProcessCreate)
    assert process.payload[0].executable == "/tmp/.x/miner"  # noqa: S108


def test_aggregates_are_no_longer_than_the_agents_make_them() -> None:
    message = told(legacy(AGGREGATING).report(START + timedelta(minutes=7)))
    spans = [
        payload.span
        for event in message.events
        if isinstance(event, ConnectionCreate | ProcessCreate)
        for payload in event.payload
    ]
    assert len(spans) > 10
    assert all(span is not None and span[1] - span[0] <= 120_000_000 for span in spans)


def test_an_agent_that_slept_has_forgotten_what_was_before() -> None:
    morning = START + timedelta(hours=9)
    times = [event.occurred_at for event in told(legacy().report(morning)).events]
    assert len(times) > 10
    assert min(times) >= morning - MEMORY - SECOND


def test_a_controller_shows_its_routine_at_the_same_pace_however_often_it_is_asked() -> None:
    """Every half second or every half minute: as many new connections in ten minutes."""
    numbers = []
    for interval in (0.5, 10, 30):
        reporter = threadx()
        messages = [
            told(reporter.report(START + number * interval * SECOND)) for number in range(int(600 / interval))
        ]
        numbers.append(sum(remotes(message).count("10.20.0.53") for message in messages))
        beats = sum(isinstance(event, Heartbeat) for message in messages for event in message.events)
        assert abs(beats - 10) <= 1
    assert max(numbers) - min(numbers) <= 2


def test_a_scan_never_fills_the_flow_cache_of_a_controller() -> None:
    """A full cache could hide flows, and its numbers would be uncertain."""
    reporter = threadx()
    reporter.report(START)
    reporter.add(Incident(BURST, CONTROLLER, START + 400 * SECOND, None, haste=30))
    hosts: set[str] = set()
    for number in (1, 2, 3):
        message = told(reporter.report(START + number * 410 * SECOND))
        assert not any(event.full for event in message.events if isinstance(event, NetworkActivity))
        hosts |= {remote for remote in remotes(message) if remote.startswith("10.20.30.")}
    assert len(hosts) == 60


def test_a_foreign_call_of_a_controller_shows_at_once_and_then_no_more() -> None:
    reporter = threadx()
    reporter.add(Incident(FOREIGN_CALL, CONTROLLER, START + SECOND, "203.0.113.7", haste=30))
    shown = [
        "203.0.113.7" in remotes(told(reporter.report(START + number * 5 * SECOND))) for number in range(4)
    ]
    assert shown == [False, True, False, False]
