"""S06-S09: how late data may be, whose clock is believed, and what counts once only."""

from datetime import UTC, datetime, timedelta

import pytest

from fencepost.model.event import Event
from fencepost.model.outcome import Cleared, Duplicate, Finding, Late, Outcome, Possible, Skewed
from fencepost.model.rule import SecurityGroup
from fencepost.testing import (
    DAY,
    Bench,
    active_connections,
    allowing,
    at,
    connection,
    failed_login,
    failed_logins,
    flows,
    group,
    heartbeat,
    local_users,
    login,
    message,
    process,
)

NOON = at("12:00")
STRICT = group(
    active_connections(high=2),
    allowing("ConnectionToIpNotAllowed", "198.51.100.0/24"),
    allowed_lateness=timedelta(minutes=1),
)


def of_type(kind: type[Outcome], outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


def is_late(bench: Bench, event: Event, after: timedelta) -> bool:
    received_at = event.occurred_at + after
    return bool(of_type(Late, bench.send("dev", event, received_at=received_at)))


# ------------------------------------------------------------------------------------------------ S06

SIX_HOURS_AND_A_QUARTER = timedelta(hours=6, minutes=15)


@pytest.mark.parametrize(
    ("event", "delay"),
    [
        (login("10:00"), timedelta(minutes=10)),
        (local_users("10:00", {"0": "root"}), timedelta(minutes=10)),
        (connection("10:00"), SIX_HOURS_AND_A_QUARTER),
        (process("10:00", "/bin/sh"), SIX_HOURS_AND_A_QUARTER),
        (flows("10:00", "198.51.100.7"), timedelta(minutes=2)),
    ],
    ids=["Login", "LocalUsers", "ConnectionCreate", "ProcessCreate", "ThreadX"],
)
def test_S06_each_agent_may_take_its_known_time(event: Event, delay: timedelta) -> None:
    """Exactly the legitimate delay is still in time, a microsecond more is late."""
    assert not is_late(Bench(), event, delay)
    assert is_late(Bench(), event, delay + timedelta(microseconds=1))


def test_S06_a_group_may_say_how_late_is_late() -> None:
    """`allowed_lateness` stands for every event of the group."""
    for event in (login("10:00"), connection("10:00"), flows("10:00", "198.51.100.7")):
        assert not is_late(Bench(group(allowed_lateness=timedelta(hours=1))), event, timedelta(hours=1))
        assert is_late(Bench(group(allowed_lateness=timedelta(hours=1))), event, timedelta(minutes=61))


def test_S06_a_served_twin_says_how_late_its_device_may_be() -> None:
    """What the agent was told to hold back cannot be called late; other devices are not meant."""
    bench = Bench()
    bench.detector.serve_twin("dev", {"ConnectionCreate": timedelta(hours=9)})
    assert not is_late(bench, connection("10:00"), timedelta(hours=9))
    assert is_late(bench, connection("10:01"), timedelta(hours=9, seconds=1))
    assert is_late(bench, login("10:00"), timedelta(minutes=11))
    outcomes = bench.send("other", connection("10:00"), received_at="17:00")
    assert of_type(Late, outcomes)


def test_S06_a_served_twin_may_shorten_the_wait_too() -> None:
    """A device that must report every half hour is missed sooner."""
    bench = Bench(group(active_connections(low=1)))
    bench.detector.serve_twin("dev", {"ConnectionCreate": timedelta(minutes=30)})
    bench.send("dev", heartbeat("10:00"), source="legacy")
    assert bench.detector.next_wakeup() == at("10:35")


def test_S06_the_group_goes_before_the_twin() -> None:
    """The owner's word on lateness stands even where a twin says otherwise."""
    bench = Bench(group(allowed_lateness=timedelta(minutes=1)))
    bench.detector.serve_twin("dev", {"ConnectionCreate": timedelta(hours=9)})
    assert is_late(bench, connection("10:00"), timedelta(minutes=2))


# ------------------------------------------------------------------------------------------------ S07


def test_S07_within_the_legitimate_delay_a_late_event_is_judged_exactly() -> None:
    """
    The event that makes three of two comes hours after them, as it may.

        event   10:00 10:01 10:02
        arrival 10:00 16:00 10:02
    """
    bench = Bench(group(active_connections(high=2)))
    bench.send("cam", connection("10:00"))
    bench.send("cam", connection("10:02"))
    bench.send("cam", connection("10:01"), received_at="16:00")
    alert = bench.alert()
    assert (alert.count, alert.last_seen_at, alert.certainty, alert.flags) == (3, at("10:02"), "certain", ())


def test_S07_beyond_the_legitimate_delay_an_alert_says_late_and_both_times() -> None:
    """The event time is the device's, the arrival time is ours."""
    bench = Bench(STRICT)
    outcomes = bench.send("cam", connection("10:00", "203.0.113.1"), received_at="10:30")
    assert [(o.judged, o.occurred_at) for o in outcomes if isinstance(o, Late)] == [(True, at("10:00"))]
    alert = bench.alert()
    assert "late" in alert.flags
    assert (alert.started_at, alert.received_at) == (at("10:00"), at("10:30"))
    evidence = alert.evidence[0]
    assert (evidence.occurred_at, evidence.received_at) == (at("10:00"), at("10:30"))


def test_S07_a_late_event_counts_in_the_windows_that_it_touches() -> None:
    """A maximum that late data passes is told, and says `late`."""
    bench = Bench(STRICT)
    bench.send("cam", connection("10:00"), connection("10:02"))
    bench.send("cam", connection("10:01"), received_at="10:30")
    assert (bench.alert().count, bench.alert().flags) == (3, ("late",))


@pytest.mark.parametrize("beyond", [False, True])
def test_S07_beyond_the_horizon_an_event_is_a_gap_and_never_silently_gone(beyond: bool) -> None:
    """
    48 h after it happened an event is still judged; later it is an outcome and nothing else.

        10:00                        10:00 two days later
          x  (----------- 48 h ------------)
    """
    bench = Bench(STRICT)
    received_at = at("10:00", day=2) + timedelta(microseconds=beyond)
    outcomes = bench.send("cam", connection("10:00", "203.0.113.1"), received_at=received_at)
    late = [outcome.judged for outcome in outcomes if isinstance(outcome, Late)]
    assert late == [not beyond]
    assert len(bench.alerts()) == (not beyond)


def test_S07_a_repaired_minimum_is_cleared_with_that_reason() -> None:
    """
    The connection that was missed at 10:05 comes at last.

        10:00      10:03 10:05  10:06     10:12
                     x           alert    arrival of x
          (--------------]
    """
    bench = Bench(group(active_connections(low=1), allowed_lateness=timedelta(minutes=1)))
    bench.send("cam", heartbeat("10:00"))
    bench.tick("10:06")
    assert bench.alert().state == "Active"
    outcomes = bench.send("cam", connection("10:03"), received_at="10:08")
    assert [outcome.at for outcome in outcomes if isinstance(outcome, Cleared)] == [at("10:05")]
    assert bench.alert().state == "Resolved"
    assert "late data" in (bench.alert().reason or "")


def test_S07_a_minimum_that_late_data_does_not_reach_stays_missed() -> None:
    """Two are asked for, one comes late: still one short."""
    bench = Bench(group(active_connections(low=2), allowed_lateness=timedelta(minutes=1)))
    bench.send("cam", heartbeat("10:00"))
    bench.tick("10:06")
    assert of_type(Cleared, bench.send("cam", connection("10:03"), received_at="10:08")) == []
    assert bench.alert().state == "Active"


def test_S07_after_a_repair_the_alert_tells_of_the_minimums_that_are_left() -> None:
    """
    Of two windows too empty the emptier one was repaired: 1 of 2 is left, seen at 10:05.

        10:00   10:00:30                10:05  :10 :20  10:05:30
        contact    x                      |     +   +     |        + late
          (-------------------------------]               |     1: still missed
                   (--------------------------------------]     0, then 2: repaired
    """
    bench = Bench(group(active_connections(low=2), allowed_lateness=timedelta(minutes=1)))
    bench.send("cam", heartbeat("10:00"), connection("10:00:30"))
    bench.tick("10:06:30")
    assert (bench.alert().count, bench.alert().last_seen_at) == (0, at("10:05:30"))
    bench.send("cam", connection("10:05:10"), connection("10:05:20"), received_at="10:06:40")
    alert = bench.alert()
    assert (alert.started_at, alert.last_seen_at, alert.count) == (at("10:05"), at("10:05"), 1)


def test_S07_after_a_repair_the_alert_begins_with_the_maximum_that_is_left() -> None:
    """
    The silence was none, the burst was one.

        10:00       10:03   10:05    10:06:00 :01 :02
        contact       +       0          x     x   x!      + late
    """
    bench = Bench(group(active_connections(low=1, high=2), allowed_lateness=timedelta(minutes=1)))
    bench.send("cam", heartbeat("10:00"))
    bench.send("cam", *(connection(f"10:06:0{second}") for second in range(3)))
    assert bench.alert().started_at == at("10:05")
    bench.send("cam", connection("10:03"), received_at="10:06:30")
    alert = bench.alert()
    assert (alert.state, alert.count) == ("Active", 4)
    assert (alert.started_at, alert.last_seen_at) == (at("10:06:01"), at("10:06:02"))


# ------------------------------------------------------------------------------------------------ S08


@pytest.mark.parametrize(
    ("occurred_at", "skewed"),
    [
        (NOON + timedelta(minutes=5), False),
        (NOON + timedelta(minutes=5, microseconds=1), True),
        (datetime(2000, 1, 1, tzinfo=UTC), False),
        (datetime(2000, 1, 1, tzinfo=UTC) - timedelta(microseconds=1), True),
        (datetime(1970, 1, 1, tzinfo=UTC), True),
        (datetime(1, 1, 1, tzinfo=UTC), True),
        (datetime.max.replace(tzinfo=UTC), True),
    ],
)
def test_S08_a_clock_that_cannot_be_right_is_told_from_a_late_one(
    occurred_at: datetime, skewed: bool
) -> None:
    """Five minutes ahead and the year 2000 are where belief ends."""
    outcomes = Bench(STRICT).send("cam", connection(occurred_at, "203.0.113.1"), received_at=NOON)
    told = [outcome.judged_at for outcome in outcomes if isinstance(outcome, Skewed)]
    assert told == ([NOON] if skewed else [])


@pytest.mark.parametrize("year", [1, 1970, 1999, 2030, 9999])
def test_S08_an_event_with_a_wrong_clock_is_judged_at_receipt_and_says_so(year: int) -> None:
    """The message is never refused, and the alert names the receive time and the flag."""
    bench = Bench(STRICT)
    when = datetime(year, 6, 1, tzinfo=UTC)
    bench.send("cam", connection(when, "203.0.113.1"), received_at=NOON)
    alert = bench.alert()
    assert (alert.started_at, alert.flags) == (NOON, ("clock_skew",))
    assert alert.evidence[0].occurred_at == when


def test_S08_offsets_inside_the_message_are_kept() -> None:
    """
    The device's clock is wrong, but not how far its events lie apart.

        1970-01-01  00:00:00   00:04:00   00:08:00
        judged      11:52      11:56      12:00 = receipt
    """
    bench = Bench(group(active_connections(high=1)))
    dawn = datetime(1970, 1, 1, tzinfo=UTC)
    outcomes = bench.send(
        "cam", *(connection(dawn + timedelta(minutes=m)) for m in (0, 4, 8)), received_at=NOON
    )
    judged = [outcome.judged_at for outcome in outcomes if isinstance(outcome, Skewed)]
    assert judged == [at("11:52"), at("11:56"), at("12:00")]
    assert (bench.alert().count, bench.alert().started_at, bench.alert().last_seen_at) == (
        2,
        at("11:56"),
        at("12:00"),
    )


def test_S08_a_right_clock_beside_a_wrong_one_is_believed() -> None:
    """An event of 1970 does not move its neighbour of 11:00."""
    bench = Bench(STRICT)
    wrong = connection(datetime(1970, 1, 1, tzinfo=UTC), "203.0.113.1")
    right = connection("11:59:30", "203.0.113.2")
    bench.send("cam", wrong, right, received_at=NOON)
    assert {alert.value: alert.started_at for alert in bench.alerts()} == {
        "203.0.113.1": NOON,
        "203.0.113.2": at("11:59:30"),
    }


def test_S08_an_aggregate_moves_with_its_event() -> None:
    """The interval of an aggregate with a wrong clock ends at receipt as it ended at its event."""
    bench = Bench(group(allowing("ConnectionToIpNotAllowed")))
    dawn = datetime(1970, 1, 1, 5, tzinfo=UTC)
    event = connection(dawn, "203.0.113.1", hits=7, since=dawn - timedelta(hours=1))
    bench.send("cam", event, received_at=NOON)
    alert = bench.alert()
    assert (alert.count, alert.started_at, alert.last_seen_at) == (7, at("11:00"), NOON)


@pytest.mark.parametrize(
    ("since_year", "event_year"), [(1, 1), (1, 2026), (1970, 1971), (1970, 9999), (1, 9999)]
)
def test_S08_an_aggregate_since_the_beginning_of_time_is_no_fault_of_ours(
    since_year: int, event_year: int
) -> None:
    """No pair of absurd times makes the detector fail, whatever it judges."""
    rules = (
        active_connections(high=2, alert_on="possible"),
        allowing("ConnectionToIpNotAllowed"),
        allowing("ProcessNotAllowed"),
    )
    bench = Bench(group(*rules))
    since, end = datetime(since_year, 1, 1, tzinfo=UTC), datetime(event_year, 1, 2, tzinfo=UTC)
    bench.send(
        "cam",
        connection(end, "203.0.113.1", hits=9, since=since),
        process(end, "/bin/sh", hits=9, since=since),
        received_at=at("12:00") if event_year != 2026 else end,
    )
    bench.tick(at("12:00", day=3))
    bench.restart()
    assert {alert.value for alert in bench.alerts()} >= {"203.0.113.1", "/bin/sh"}


def test_S08_a_wrong_clock_does_not_move_the_watermark() -> None:
    """An event of the year 2030 does not tell that the window of now is over."""
    bench = Bench(group(active_connections(low=1), allowed_lateness=timedelta(hours=1)))
    bench.send("cam", heartbeat("10:00"))
    bench.send("cam", connection(datetime(2030, 1, 1, tzinfo=UTC)), received_at="10:07")
    assert bench.alerts() == []


# ------------------------------------------------------------------------------------------------ S09


def test_S09_a_redelivered_message_counts_once() -> None:
    """The same bytes again are a duplicate, and an outcome."""
    bench = Bench(group(active_connections(high=1)))
    sent = message(connection("10:00"))
    assert bench.deliver("cam", sent) == []
    assert bench.deliver("cam", sent) == [Duplicate(device_id="cam", received_at=at("10:00"))]
    assert bench.detector.count("cam", "ActiveConnectionsNotInAllowedRange", at("10:00")) == (1, 1)


def test_S09_the_last_64_messages_of_a_device_are_remembered_over_a_restart() -> None:
    """Sixty-three messages and a restart later the first one is still known."""
    bench = Bench(group(allowing("ConnectionToIpNotAllowed")))
    first = message(connection("10:00"))
    bench.deliver("cam", first)
    for minute in range(1, 64):
        bench.send("cam", heartbeat(at("10:00") + timedelta(minutes=minute)))
    bench.restart()
    assert of_type(Duplicate, bench.deliver("cam", first, received_at="11:30"))
    assert bench.alert().count == 1


def test_S09_messages_of_another_device_are_no_duplicates() -> None:
    """Two devices may say the same."""
    bench = Bench(group(allowing("ConnectionToIpNotAllowed")))
    for device_id in ("cam-1", "cam-2"):
        assert of_type(Duplicate, bench.deliver(device_id, message(connection("10:00")))) == []
    assert len(bench.alerts()) == 2


def test_S09_an_event_that_comes_again_in_another_message_counts_once() -> None:
    """A message that the agent re-batched adds only what is new; lists do not judge it twice either."""
    rules = (active_connections(high=5), allowing("ConnectionToIpNotAllowed"))
    bench = Bench(group(*rules))
    one, two, three = (connection(f"10:0{minute}", "203.0.113.1") for minute in range(3))
    bench.send("cam", one, two)
    outcomes = bench.send("cam", two, three)
    assert len(of_type(Duplicate, outcomes)) == 1
    assert bench.detector.count("cam", rules[0].type, at("10:02")) == (3, 3)
    assert bench.alert().count == 3


def test_S09_a_failed_sign_in_that_comes_again_counts_once() -> None:
    """The same holds for attempts."""
    bench = Bench(group(failed_logins(high=5)))
    one, two = failed_login("10:00", process_id=1), failed_login("10:01", process_id=2)
    bench.send("gw", one)
    bench.send("gw", one, two)
    assert bench.detector.count("gw", "FailedLocalLoginsNotInAllowedRange", at("10:01")) == (2, 2)


def test_S09_an_aggregate_that_comes_again_counts_once() -> None:
    """The same holds for hits."""
    bench = Bench(group(active_connections(high=50)))
    event = connection("10:04", hits=7, since="10:01")
    bench.send("cam", event)
    bench.send("cam", event, heartbeat("10:04"))
    assert bench.detector.count("cam", "ActiveConnectionsNotInAllowedRange", at("10:04")) == (7, 7)


def test_S09_ids_repeat_after_a_reboot_and_are_no_identity() -> None:
    """A ThreadX device counts its ids from one again; the time tells them apart."""
    bench = Bench(group(active_connections(high=2)))
    for minute in range(3):
        event = flows(f"10:0{minute}", f"203.0.113.{minute}", event_id="1")
        assert of_type(Duplicate, bench.send("rtos", event)) == []
    assert bench.alert().count == 3


def test_S09_the_memory_for_duplicates_is_bounded() -> None:
    """Ten times the messages need no more memory."""
    sizes = []
    for number in (100, 1000):
        bench = Bench(group(allowing("ProcessNotAllowed")))
        for second in range(number):
            bench.send("cam", heartbeat(DAY + timedelta(seconds=second)))
        sizes.append(len(bench.detector.snapshot()))
    assert sizes[1] <= sizes[0] + 8


def test_S09_a_fingerprint_of_zero_is_a_fingerprint() -> None:
    """No message is a duplicate of nothing."""
    bench = Bench(group(allowing("ConnectionToIpNotAllowed")))
    assert of_type(Finding, bench.send("cam", connection("10:00"), fingerprint=0))


@pytest.mark.parametrize("rules", [SecurityGroup(name="default"), STRICT])
def test_S09_a_message_without_events_is_heard(rules: SecurityGroup) -> None:
    """Nothing said is nothing judged."""
    bench = Bench(rules)
    assert of_type(Possible, bench.send("cam", received_at="10:00")) == []
    assert bench.alerts() == []
