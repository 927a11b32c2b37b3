"""S01-S05: which window an event is counted in, and when a rule speaks."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from fencepost.model.outcome import Finding
from fencepost.testing import (
    Bench,
    active_connections,
    allowing,
    at,
    connection,
    denying,
    failed_login,
    failed_logins,
    group,
    heartbeat,
    login,
    process,
)

SOON: dict[str, Any] = {"allowed_lateness": timedelta(minutes=1)}
AT_ONCE: dict[str, Any] = {"allowed_lateness": timedelta()}


def story(bench: Bench) -> set[tuple[str, str, str | None, str, str, int]]:
    """Return what S02 promises to be the same whatever the order."""
    return {
        (a.device_id, a.rule_type, a.value, str(a.started_at), str(a.last_seen_at), a.count)
        for a in bench.alerts()
    }


# ------------------------------------------------------------------------------------------------ S01


def test_S01_the_window_slides_and_knows_no_calendar() -> None:
    """
    Three connections in five minutes are too many, also across a full five minutes of the clock.

        10:00        10:05        10:10
          |         4 |  6  8       |
                  (------------]           3 > 2
    """
    bench = Bench(group(active_connections(high=2)))
    for minute in (4, 6, 8):
        bench.send("cam", connection(f"10:0{minute}"))
    assert (bench.alert().count, bench.alert().last_seen_at) == (3, at("10:08"))


@pytest.mark.parametrize(("last", "alerts"), [("10:04:59.999999", 1), ("10:05:00", 0)])
def test_S01_the_window_is_open_at_its_begin_and_closed_at_its_end(last: str, alerts: int) -> None:
    """
    What happened exactly a window ago is out; what happens now is in.

        10:00  10:03     10:05
          x      x         x
          (----------------]               2 of them
    """
    bench = Bench(group(active_connections(high=2)))
    for time in ("10:00:00", "10:03:00", last):
        bench.send("cam", connection(time))
    assert len(bench.alerts()) == alerts


def test_S01_events_that_arrive_together_did_not_happen_together() -> None:
    """Three connections an hour apart in one message are one per window."""
    bench = Bench(group(active_connections(high=2)))
    bench.send("cam", *(connection(f"{hour}:00") for hour in (10, 11, 12)))
    assert bench.alerts() == []


def test_S01_events_that_arrive_hours_apart_may_have_happened_together() -> None:
    """
    The window is that of the device's clock, whenever the messages come.

        event    10:00 10:01 10:02
        arrival    10:00       12:00        15:00
    """
    bench = Bench(group(active_connections(high=2)))
    for minute, received_at in ((0, "10:00"), (1, "12:00"), (2, "15:00")):
        bench.send("cam", connection(f"10:0{minute}"), received_at=received_at)
    assert (bench.alert().last_seen_at, bench.alert().count) == (at("10:02"), 3)


# ------------------------------------------------------------------------------------------------ S02

DEVICE_SAYS = (
    connection("10:00", "203.0.113.1"),
    connection("10:02", "203.0.113.2"),
    connection("10:04", "203.0.113.1"),
    connection("10:30", "203.0.113.3"),
    connection("10:31", "203.0.113.1"),
    connection("10:32", "203.0.113.1"),
)
EXPECTED = group(active_connections(high=2), allowing("ConnectionToIpNotAllowed", "203.0.113.2/31"))


def test_S02_any_order_gives_the_same_alerts() -> None:
    """Every permutation of six messages within the legitimate delay tells the same story."""
    stories = []
    for order in permutations(DEVICE_SAYS):
        bench = Bench(EXPECTED)
        for second, event in enumerate(order):
            bench.send("cam", event, received_at=f"11:00:0{second}")
        bench.tick("18:00")
        stories.append(story(bench))
    assert all(one == stories[0] for one in stories)
    assert {(rule, value, count) for _, rule, value, _, _, count in stories[0]} == {
        ("ActiveConnectionsNotInAllowedRange", None, 3),
        ("ConnectionToIpNotAllowed", "203.0.113.1", 4),
    }


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_S02_any_batching_with_redelivery_and_restarts_gives_the_same_alerts(size: int) -> None:
    """Messages of any size, each delivered twice, the detector restarted after each."""
    plain = Bench(EXPECTED)
    plain.send("cam", *DEVICE_SAYS, received_at="11:00")
    bench = Bench(EXPECTED)
    for begin in range(0, len(DEVICE_SAYS), size):
        for _ in range(2):
            bench.send("cam", *DEVICE_SAYS[begin : begin + size], received_at="11:00")
            bench.restart()
    assert story(bench) == story(plain)


def test_S02_devices_can_be_judged_apart() -> None:
    """Two devices on one detector or on two: the same alerts with the same ids."""
    together, apart = Bench(EXPECTED), (Bench(EXPECTED), Bench(EXPECTED))
    for event in DEVICE_SAYS:
        for number, alone in enumerate(apart):
            together.send(f"cam-{number}", event)
            alone.send(f"cam-{number}", event)
    ids = {alert.alert_id for alone in apart for alert in alone.alerts()}
    assert {alert.alert_id for alert in together.alerts()} == ids
    assert story(together) == story(apart[0]) | story(apart[1])


# ------------------------------------------------------------------------------------------------ S03


@pytest.mark.parametrize(
    ("count", "outside"), [(0, True), (1, False), (2, False), (3, False), (4, True), (9, True)]
)
def test_S03_both_bounds_are_allowed_numbers(count: int, outside: bool) -> None:
    """
    With min 1 and max 3 the numbers 1, 2 and 3 are in range.

        10:00  :01 :02 ...            10:05
          |     x   x                   |
          (-----------------------------]
    """
    bench = Bench(group(active_connections(low=1, high=3), **AT_ONCE))
    bench.send("cam", heartbeat("10:00"))
    for second in range(count):
        bench.send("cam", connection(f"10:01:0{second}"))
    bench.tick("10:05")
    assert bool(bench.alerts()) is outside


def test_S03_a_range_from_zero_to_zero_allows_none() -> None:
    """`max: 0` alerts at the first failed sign-in."""
    bench = Bench(group(failed_logins(high=0)))
    bench.send("plc", failed_login("10:00"))
    assert bench.alert().count == 1


# ------------------------------------------------------------------------------------------------ S04


def test_S04_a_maximum_is_violated_at_the_event_that_crosses_it() -> None:
    """The third of three is the news, not the end of the window, and not the message's last event."""
    bench = Bench(group(active_connections(high=2)))
    assert bench.send("cam", connection("10:00"), connection("10:01")) == []
    outcomes = bench.send("cam", connection("10:02"), heartbeat("10:04"))
    assert [type(outcome) for outcome in outcomes] == [Finding]
    assert (bench.alert().started_at, bench.alert().count) == (at("10:02"), 3)


def test_S04_lists_speak_at_the_event_itself() -> None:
    """An allow-list and a deny-list each answer the very message."""
    rules = (allowing("LocalUserNotAllowed", "service"), denying("ProcessDenied", "nc"))
    bench = Bench(group(*rules))
    outcomes = bench.send("gw", login("10:00", "mallory"), process("10:01", "/usr/bin/nc"))
    told = [(type(outcome), outcome.last_at) for outcome in outcomes if isinstance(outcome, Finding)]
    assert told == [(Finding, at("10:00")), (Finding, at("10:01"))]


# ------------------------------------------------------------------------------------------------ S05


def test_S05_silence_is_told_when_the_last_of_it_could_have_come() -> None:
    """
    A minimum is missed when a whole window has passed at the watermark, receive time less delay.

        10:00      10:05 10:06
        contact      |     | the clock
          (----------]<----> 1 min delay
    """
    bench = Bench(group(active_connections(low=1), **SOON))
    bench.send("cam", heartbeat("10:00"))
    assert bench.detector.next_wakeup() == at("10:06")
    assert bench.tick("10:05:59") == []
    bench.tick("10:06")
    assert (bench.alert().count, bench.alert().started_at) == (0, at("10:05"))


def test_S05_silence_is_told_once_and_then_the_detector_sleeps() -> None:
    """However long it lasts, one silence is one alert and needs no more wake-ups."""
    bench = Bench(group(active_connections(low=1), **SOON))
    bench.send("cam", heartbeat("10:00"))
    for _ in range(20):
        if (wakeup := bench.detector.next_wakeup()) is None:
            break
        bench.tick(wakeup)
    assert bench.detector.next_wakeup() is None
    assert (bench.alert().count, bench.alert().state) == (0, "Active")


def test_S05_a_later_event_of_that_name_tells_that_the_window_is_over() -> None:
    """
    The watermark is the latest event time of a wholly processed message.

        10:00       10:05   10:07
        contact       |       x
          (-----------]           nothing can follow in here
    """
    bench = Bench(group(active_connections(low=1), allowed_lateness=timedelta(hours=1)))
    bench.send("cam", heartbeat("10:00"))
    bench.send("cam", connection("10:07"))
    assert (bench.alert().count, bench.alert().last_seen_at) == (0, at("10:05"))


def test_S05_a_message_is_read_to_its_end_before_a_minimum_is_judged() -> None:
    """An event later in the same message still fills the window."""
    bench = Bench(group(active_connections(low=1), **SOON))
    bench.send("cam", heartbeat("10:00"))
    bench.send("cam", connection("10:07"), connection("10:03"), received_at="10:07")
    assert bench.alerts() == []


def test_S05_a_login_says_nothing_about_connections() -> None:
    """What is queued under another name may still come, until its own delay is over."""
    bench = Bench(group(active_connections(low=1), allowed_lateness=timedelta(hours=1)))
    bench.send("cam", heartbeat("10:00"))
    bench.send("cam", login("10:30"))
    assert bench.alerts() == []
    bench.send("cam", connection("10:04"), received_at="10:40")
    bench.tick("11:05")
    assert bench.alerts() == []
    bench.tick("11:09")
    assert bench.alert().last_seen_at == at("10:09")


def test_S05_the_watermark_never_goes_back() -> None:
    """A clock value that is older than one before changes nothing."""
    bench = Bench(group(active_connections(low=1), **SOON))
    bench.send("cam", heartbeat("10:00"))
    bench.send("cam", connection("10:04"))
    bench.tick("10:07")
    assert bench.tick("10:01") == []
    assert bench.alerts() == []
    bench.tick("10:10")
    assert bench.alert().last_seen_at == at("10:09")


def test_S05_a_part_window_never_alerts() -> None:
    """
    Nothing is missed before a whole window has passed since the first contact.

           10:00   10:04 10:05
        ?  contact   |     |
       (-------------]            a part only
    """
    bench = Bench(group(active_connections(low=1), **AT_ONCE))
    bench.send("cam", heartbeat("10:00"))
    bench.tick("10:04:59")
    assert bench.alerts() == []
    bench.tick("10:05")
    assert len(bench.alerts()) == 1


def test_S05_the_first_window_of_a_new_rule_begins_with_the_rule() -> None:
    """A minimum that is added at noon asks for nothing before noon."""
    bench = Bench(group(**AT_ONCE))
    bench.send("cam", heartbeat("10:00"))
    bench.edit(group(active_connections(low=1), **AT_ONCE), "12:00")
    bench.tick("12:04:59")
    assert bench.alerts() == []
    bench.tick("12:05")
    assert bench.alert().last_seen_at == at("12:05")


def test_S05_the_first_window_of_a_new_member_begins_with_the_membership() -> None:
    """A device that joins a group at noon owes it nothing from before."""
    bench = Bench(group(), group(active_connections(low=1), name="cameras", **AT_ONCE))
    bench.send("cam", heartbeat("10:00"))
    bench.assign("cam", "cameras", "12:00")
    assert bench.tick("12:04:59") == []
    bench.tick("12:05")
    assert bench.alert().last_seen_at == at("12:05")


def test_S05_a_device_that_has_never_been_heard_misses_nothing() -> None:
    """Without a first contact there is no window, however long one waits."""
    bench = Bench(group(active_connections(low=1), **AT_ONCE))
    bench.assign("cam", None, "10:00")
    assert bench.detector.next_wakeup() is None
    assert bench.tick("23:00") == []
