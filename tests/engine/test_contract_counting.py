"""S10-S12 and S18: what one is, what may be many, and what cannot be known."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fencepost.model.event import Event, LocalUsers
from fencepost.model.outcome import Finding, Incomplete, NotMeasurable, Possible
from fencepost.testing import (
    Bench,
    active_connections,
    allowing,
    at,
    connection,
    drops,
    failed_login,
    failed_logins,
    flows,
    group,
    heartbeat,
    local_users,
    login,
    process,
)

CONNECTIONS = "ActiveConnectionsNotInAllowedRange"
LOGINS = "FailedLocalLoginsNotInAllowedRange"
AT_ONCE: dict[str, Any] = {"allowed_lateness": timedelta()}


def number_of(*events: Event, until: str = "10:05") -> tuple[int, int] | None:
    """Return the certain and the possible number of the five minutes before `until`."""
    bench = Bench(group(active_connections(), failed_logins()))
    bench.send("dev", *events, received_at=until)
    rule_type = LOGINS if any(event.__class__.__name__ == "Login" for event in events) else CONNECTIONS
    return bench.detector.count("dev", rule_type, at(until))


# ------------------------------------------------------------------------------------------------ S10


def test_S10_a_connection_reported_again_is_the_same_connection() -> None:
    """
    Both ports are known: one 5-tuple, however often it is told.

        10:01  :02  :03
          x     x    x       1 connection
    """
    told = (connection(f"10:0{m}", local="10.0.0.2", local_port=50001) for m in (1, 2, 3))
    assert number_of(*told) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"local_port": 50002},
        {"local_port": 50001, "port": 80},
        {"local_port": 50001, "protocol": "udp"},
        {"local_port": 50001, "local": "10.0.0.3"},
    ],
)
def test_S10_each_part_of_the_five_tuple_makes_another_connection(other: dict[str, Any]) -> None:
    """Another port, protocol or address is another connection."""
    first = connection("10:01", local="10.0.0.2", local_port=50001)
    assert number_of(first, connection("10:02", **{"local": "10.0.0.2", **other})) == (2, 2)


def test_S10_the_same_five_tuple_may_be_spelled_differently() -> None:
    """Upper case, a port as text, and an IPv4-mapped address mean the same."""
    one = connection("10:01", "203.0.113.7", local="10.0.0.2", local_port=50001, port=443, protocol="tcp")
    other = connection(
        "10:02", "::FFFF:203.0.113.7", local="10.0.0.2", local_port="50001", port="443", protocol="TCP"
    )
    assert number_of(one, other) == (1, 1)


@pytest.mark.parametrize("unknown", [None, "", "*", 0, "0"])
def test_S10_without_a_local_port_each_occurrence_is_one_connection(unknown: str | int | None) -> None:
    """The C agent does not say which port it called from."""
    assert number_of(*(connection(f"10:0{m}", local_port=unknown) for m in (1, 2, 3))) == (3, 3)


def test_S10_every_payload_of_an_event_is_an_occurrence() -> None:
    """One event may report many connections."""
    assert number_of(connection("10:01", "203.0.113.1", "203.0.113.2", "203.0.113.2")) == (3, 3)


def test_S10_a_flow_of_a_threadx_device_is_known_by_its_five_tuple() -> None:
    """A flow seen in three intervals is one connection."""
    told = [flows(f"10:0{m}", "203.0.113.1", local_port=49152) for m in (1, 2, 3)]
    assert number_of(*told) == (1, 1)
    assert number_of(*told, flows("10:04", "203.0.113.1", local_port=49153)) == (2, 2)


# ------------------------------------------------------------------------------------------------ S11


def test_S11_hits_wholly_inside_the_window_are_certain() -> None:
    """
    All five happened in the last five minutes, wherever.

        10:00  10:01    10:04 10:05
                [---5----]
        (---------------------]          certain 5
    """
    bench = Bench(group(active_connections(high=4)))
    bench.send("cam", connection("10:04", hits=5, since="10:01"))
    assert (bench.alert().count, bench.alert().certainty) == (5, "certain")


def test_S11_by_the_pigeonhole_an_aggregate_holds_a_full_window_somewhere() -> None:
    """
    Sixty hits in an hour of twelve windows: one of them has at least five.

        9:00                           10:00
          [---- ---- ---- 60 ---- ---- ----]
    """
    bench = Bench(group(active_connections(high=4)))
    bench.send("cam", connection("10:00", hits=60, since="09:00"))
    assert (bench.alert().count, bench.alert().certainty) == (5, "certain")


@pytest.mark.parametrize(
    ("hits", "minutes", "held"),
    [
        (60, 60, 5),
        (61, 60, 6),
        (60, 58, 5),
        (60, 5, 60),
        (60, 0, 60),
        (60, 6, 30),
        (1, 60, 1),
        (13, 60, 2),
    ],
)
def test_S11_the_pigeonhole_divides_by_the_windows_begun(hits: int, minutes: int, held: int) -> None:
    """At least ceil(h / ceil(L/W)) of the hits share a window: one more is allowed, one less alerts."""
    event = connection("10:00", hits=hits, since=at("10:00") - timedelta(minutes=minutes))
    enough, short = (
        Bench(group(active_connections(high=held))),
        Bench(group(active_connections(high=held - 1))),
    )
    enough.send("cam", event)
    short.send("cam", event)
    assert enough.alerts() == []
    assert (short.alert().count, short.alert().certainty) == (held, "certain")


def test_S11_never_are_all_hits_placed_on_one_instant() -> None:
    """Sixty in an hour are not sixty in five minutes: possible, not certain, and no alert."""
    bench = Bench(group(active_connections(high=5)))
    outcomes = bench.send("cam", connection("10:00", hits=60, since="09:00"))
    assert bench.alerts() == []
    told = [outcome for outcome in outcomes if isinstance(outcome, Possible)]
    assert [(one.at, one.certain, one.possible) for one in told] == [(at("10:00"), 0, 60)]


def test_S11_a_rule_may_alert_on_what_is_only_possible() -> None:
    """With `alert_on: possible` the alert says that it is only possible."""
    bench = Bench(group(active_connections(high=5, alert_on="possible")))
    bench.send("cam", connection("10:00", hits=60, since="09:00"))
    assert (bench.alert().count, bench.alert().certainty) == (60, "possible")


def test_S11_single_events_and_certain_hits_add_up() -> None:
    """
    Three hits inside and two events are five.

        10:00  10:01   10:03  10:04 10:05
                [---3---]      x     x
        (----------------------------]     certain 5
    """
    bench = Bench(group(active_connections(high=4)))
    bench.send("cam", connection("10:03", hits=3, since="10:01"), connection("10:04"), connection("10:05"))
    assert (bench.alert().count, bench.alert().certainty) == (5, "certain")


def test_S11_an_aggregate_that_overlaps_is_possible_in_the_windows_it_touches() -> None:
    """
    Its hits may all lie before the window.

        9:58          10:02      10:05
          [-----3------]          |
               (------------------]     certain 0, possible 3
    """
    event = connection("10:02", hits=3, since="09:58")
    assert number_of(event) == (0, 3)


def test_S11_a_minimum_believes_what_is_possible() -> None:
    """A silence is told only where not even possible hits fill the window."""
    bench = Bench(group(active_connections(low=3), **AT_ONCE))
    bench.send("cam", heartbeat("10:00"))
    bench.send("cam", connection("10:02", hits=3, since="09:58"))
    bench.tick("10:05")
    assert bench.alerts() == []


def test_S11_a_list_counts_the_hits_over_the_interval() -> None:
    """The alert began with the interval and has as many occurrences as there were hits."""
    bench = Bench(group(allowing("ProcessNotAllowed")))
    bench.send("gw", process("10:00", "/bin/nc", hits=7, since="09:00"))
    alert = bench.alert()
    assert (alert.count, alert.started_at, alert.last_seen_at) == (7, at("09:00"), at("10:00"))


# ------------------------------------------------------------------------------------------------ S12


def pair(seconds: str = "03", **login_members: Any) -> tuple[Event, Event]:
    """Return the PAM record of a failed attempt, and the login record that may repeat it."""
    known: dict[str, Any] = {"process_id": 41, "remote": "203.0.113.9"}
    return (
        failed_login("10:01:00", operation="PAM:authentication", **known),
        failed_login(f"10:01:{seconds}", **{**known, **login_members}),
    )


def test_S12_a_login_record_that_repeats_its_pam_record_is_the_same_attempt() -> None:
    """
    One wrong password, two records.

        10:01:00            10:01:03
        PAM:authentication  login          1 attempt
    """
    assert number_of(*pair()) == (1, 1)


@pytest.mark.parametrize(("seconds", "attempts"), [("00", 1), ("05", 1), ("05.000001", 2), ("06", 2)])
def test_S12_five_seconds_is_how_far_the_records_of_one_attempt_may_lie_apart(
    seconds: str, attempts: int
) -> None:
    """Five seconds are the same attempt, a microsecond more is another."""
    assert number_of(*pair(seconds)) == (attempts, attempts)


@pytest.mark.parametrize(
    "other", [{"process_id": 42}, {"remote": "203.0.113.10"}, {"remote": None}, {"process_id": None}]
)
def test_S12_another_process_or_address_is_another_attempt(other: dict[str, Any]) -> None:
    """The records of one attempt share both."""
    assert number_of(*pair(**other)) == (2, 2)


def test_S12_two_pam_records_are_two_attempts() -> None:
    """A process that asks PAM twice has tried twice."""
    known: dict[str, Any] = {"process_id": 41, "operation": "PAM:authentication"}
    assert number_of(failed_login("10:01:00", **known), failed_login("10:01:02", **known)) == (2, 2)


def test_S12_the_records_of_one_attempt_may_come_in_two_messages() -> None:
    """Whatever the batching, one attempt."""
    bench = Bench(group(failed_logins(high=1)))
    for record in pair():
        bench.send("gw", record)
    assert bench.detector.count("gw", LOGINS, at("10:05")) == (1, 1)


def test_S12_a_rule_may_count_raw_records() -> None:
    """`count: records` knows no pairs."""
    bench = Bench(group(failed_logins(high=1, count="records")))
    bench.send("gw", *pair())
    assert bench.alert().count == 2


def test_S12_a_sign_in_that_succeeds_is_no_failed_login() -> None:
    """Only Result Fail is counted."""
    assert number_of(login("10:01"), login("10:02"), failed_login("10:03")) == (1, 1)


# ------------------------------------------------------------------------------------------------ S18

FIVE = (
    active_connections(low=1, high=2),
    failed_logins(low=1, high=3),
    allowing("ConnectionToIpNotAllowed", "198.51.100.0/24"),
    allowing("LocalUserNotAllowed"),
    allowing("ProcessNotAllowed"),
)


def test_S18_what_a_device_cannot_feed_is_not_measurable_and_not_clean() -> None:
    """A stock ThreadX device sends neither logins nor processes."""
    bench = Bench(group(*FIVE))
    outcomes = bench.send("rtos", flows("10:00", "198.51.100.7"))
    expected = {LOGINS, "LocalUserNotAllowed", "ProcessNotAllowed"}
    assert {one.rule_type for one in outcomes if isinstance(one, NotMeasurable)} == expected
    assert set(bench.detector.not_measurable("rtos")) == expected


def test_S18_what_is_not_measurable_is_told_once() -> None:
    """The second message adds nothing to it."""
    bench = Bench(group(*FIVE))
    bench.send("rtos", flows("10:00", "198.51.100.7"))
    assert not [o for o in bench.send("rtos", flows("10:01", "198.51.100.8")) if isinstance(o, NotMeasurable)]


def test_S18_a_legacy_agent_can_feed_all_five() -> None:
    """Its logins need not have come yet."""
    bench = Bench(group(*FIVE))
    bench.send("gw", connection("10:00"))
    assert list(bench.detector.not_measurable("gw")) == []


def test_S18_a_minimum_that_is_not_measurable_is_not_judged() -> None:
    """No failed login from a device that can send none is no silence."""
    bench = Bench(group(failed_logins(low=1), **AT_ONCE))
    bench.send("rtos", flows("10:00", "198.51.100.7"))
    bench.tick("15:00")
    assert bench.alerts() == []


def test_S18_a_device_that_sends_a_process_can_feed_the_rule() -> None:
    """A ThreadX device with processes is judged by them and no longer called not measurable."""
    bench = Bench(group(allowing("ProcessNotAllowed")))
    bench.send("rtos", process("10:00", "shell"), source="threadx")
    assert bench.alert().value == "shell"
    assert list(bench.detector.not_measurable("rtos")) == []


def test_S18_reported_drops_hold_the_minimum() -> None:
    """
    A window that holds a moment of drops is not known well enough to call it silent.

        10:00     10:03     10:05    10:08
        contact   drops       |        |
          (-------------------]              not asked
                   (-------------------]     the first to be asked
    """
    bench = Bench(group(active_connections(low=1), **AT_ONCE))
    bench.send("cam", heartbeat("10:00"))
    outcomes = bench.send("cam", drops("10:03", 12))
    assert [(one.at, "12" in one.reason) for one in outcomes if isinstance(one, Incomplete)] == [
        (at("10:03"), True)
    ]
    bench.tick("10:07:59")
    assert bench.alerts() == []
    bench.tick("10:08")
    assert bench.alert().last_seen_at == at("10:08")


def test_S18_no_drops_hold_nothing() -> None:
    """An agent that reports zero drops has lost nothing."""
    bench = Bench(group(active_connections(low=1), **AT_ONCE))
    bench.send("cam", heartbeat("10:00"))
    assert not [o for o in bench.send("cam", drops("10:03", 0)) if isinstance(o, Incomplete)]
    bench.tick("10:05")
    assert len(bench.alerts()) == 1


def test_S18_lists_and_maximums_still_judge_an_incomplete_window_and_say_so() -> None:
    """What was seen was seen; only what was not seen is unknown."""
    bench = Bench(group(active_connections(high=2), allowing("ConnectionToIpNotAllowed", "198.51.100.0/24")))
    bench.send("cam", connection("10:00"), connection("10:01"), drops("10:02", 3))
    bench.send("cam", connection("10:03", "203.0.113.1"))
    by_rule = {alert.rule_type: alert for alert in bench.alerts()}
    assert by_rule[CONNECTIONS].flags == ("incomplete",)
    assert by_rule["ConnectionToIpNotAllowed"].value == "203.0.113.1"


def test_S18_a_full_cache_of_a_threadx_device_makes_the_window_incomplete() -> None:
    """Sixty-four flows of each kind are all that it can tell."""
    bench = Bench(group(active_connections(low=2, high=3), **AT_ONCE))
    bench.send("rtos", flows("10:00", "198.51.100.1"))
    outcomes = bench.send("rtos", flows("10:03", "198.51.100.1", full=True))
    assert [one.at for one in outcomes if isinstance(one, Incomplete)] == [at("10:03")]
    bench.tick("10:07:59")
    assert bench.alerts() == []
    full = flows("10:07:59", *(f"198.51.100.{n}" for n in range(1, 5)), full=True)
    bench.send("rtos", full)
    assert (bench.alert().count, "incomplete" in bench.alert().flags) == (4, True)


def test_S18_drops_with_a_wrong_clock_are_drops_of_now() -> None:
    """The hold follows the corrected time, not the year 1970."""
    bench = Bench(group(active_connections(low=1), **AT_ONCE))
    bench.send("cam", heartbeat("10:00"))
    bench.send("cam", drops(datetime(1970, 1, 1, tzinfo=UTC), 3), received_at="10:03")
    bench.tick("10:05")
    assert bench.alerts() == []


def test_S18_accounts_that_a_device_reports_are_measured_not_guessed() -> None:
    """A gauge is judged when it is reported, and never before."""
    bench = Bench(group(allowing("LocalUserNotAllowed")))
    event = local_users("10:00", {"0": "root"})
    assert isinstance(event, LocalUsers)
    assert not [o for o in bench.send("gw", event) if isinstance(o, Finding)]
