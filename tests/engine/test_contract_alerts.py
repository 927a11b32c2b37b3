"""S20-S25: which alert a violation belongs to, how alerts live, and what edits and moves do to them."""

from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

import pytest

from fencepost.engine.lifecycle import BY_HAND
from fencepost.model.alert import TRANSITIONS, Action, Alert, State
from fencepost.model.catalog import CATALOG
from fencepost.model.errors import OperatorError
from fencepost.model.event import Event
from fencepost.model.outcome import GroupReplaced, Reassigned, Unassigned
from fencepost.model.rule import Rule, ThresholdRule
from fencepost.testing import (
    Bench,
    active_connections,
    allowing,
    at,
    connection,
    denying,
    drops,
    failed_login,
    failed_logins,
    group,
    heartbeat,
    local_users,
    login,
    process,
)

TO = "ConnectionToIpNotAllowed"
CONNECTIONS = "ActiveConnectionsNotInAllowedRange"
SOON: dict[str, Any] = {"allowed_lateness": timedelta(minutes=1)}


def burst(bench: Bench, hour: int, *, day: int = 0, device_id: str = "cam") -> None:
    """Let a device make three connections in the first three minutes of an hour."""
    for minute in range(3):
        bench.send(device_id, connection(at(f"{hour:02}:0{minute}", day=day)))


# ------------------------------------------------------------------------------------------------ S20


def test_S20_more_of_the_same_is_never_a_second_alert() -> None:
    """Its count and last occurrence rise, its begin stays."""
    bench = Bench(group(allowing(TO)))
    for minute in range(10):
        bench.send("cam", connection(f"10:0{minute}", "203.0.113.1"))
    alert = bench.alert()
    assert (alert.count, alert.started_at, alert.last_seen_at) == (10, at("10:00"), at("10:09"))


def test_S20_a_range_alert_shows_the_worst_window() -> None:
    """The count is the greatest number that a window held."""
    bench = Bench(group(active_connections(high=2)))
    for time in ("10:00", "10:01", "10:02", "10:03", "10:07"):
        bench.send("cam", connection(time))
    alert = bench.alert()
    assert (alert.count, alert.started_at, alert.last_seen_at) == (4, at("10:02"), at("10:03"))


def test_S20_each_device_rule_and_value_has_its_own_alert() -> None:
    """Two devices, two addresses, and a range: five alerts."""
    bench = Bench(group(allowing(TO), active_connections(high=3)))
    for device_id in ("cam-1", "cam-2"):
        bench.send(device_id, connection("10:00", "203.0.113.1", "203.0.113.2"))
    bench.send("cam-1", connection("10:01", "203.0.113.1", "203.0.113.2"))
    assert {(alert.device_id, alert.rule_type, alert.value) for alert in bench.alerts()} == {
        ("cam-1", TO, "203.0.113.1"),
        ("cam-1", TO, "203.0.113.2"),
        ("cam-2", TO, "203.0.113.1"),
        ("cam-2", TO, "203.0.113.2"),
        ("cam-1", CONNECTIONS, None),
    }


def test_S20_the_evidence_is_the_first_and_the_latest_ten_events() -> None:
    """Of thirty, the ten in the middle are left out."""
    bench = Bench(group(allowing(TO)))
    for minute in range(30):
        bench.send("cam", connection(f"10:{minute:02}", "203.0.113.1", event_id=f"e{minute}"))
    shown = [evidence.event_id for evidence in bench.alert().evidence]
    assert shown == [f"e{minute}" for minute in (*range(10), *range(20, 30))]


# ------------------------------------------------------------------------------------------------ S21


def alert_in(state: State) -> tuple[Bench, Alert]:
    """Return a bench with one alert, moved by hand into a state."""
    bench = Bench(group(allowing(TO)))
    bench.send("cam", connection("10:00", "203.0.113.1"))
    steps: dict[State, tuple[Action, ...]] = {
        "Active": (),
        "InProgress": ("start",),
        "Resolved": ("resolve",),
        "Dismissed": ("dismiss",),
    }
    for action in steps[state]:
        bench.act(action)
    return bench, bench.alert()


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("action", get_args(Action))
def test_S21_the_table_says_what_may_be_done_with_an_alert(state: State, action: Action) -> None:
    """A pair that is not in the table is refused with a reason, and changes nothing."""
    bench, alert = alert_in(state)
    assert alert.state == state
    if (state, action) in TRANSITIONS:
        assert bench.act(action).state == TRANSITIONS[state, action]
        assert bench.alert().state == TRANSITIONS[state, action]
    else:
        with pytest.raises(OperatorError, match=f"an alert that is {state} cannot {action}"):
            bench.act(action)
        assert bench.alert() == alert


def test_S21_resolved_and_dismissed_are_where_a_life_ends() -> None:
    """From both, a person may still take up the alert again; every state can be reached."""
    assert set(TRANSITIONS.values()) == set(get_args(State))
    assert TRANSITIONS["Resolved", "activate"] == TRANSITIONS["Dismissed", "activate"] == "Active"


def test_S21_a_range_alert_is_over_when_a_whole_later_window_is_back_in_range() -> None:
    """
    The last violation is at 10:02; (10:02, 10:07] holds none of its connections any more.

        10:00 :01 :02           10:07 10:08
          x    x   x!             |     |  the clock: nothing more can come
                   (--------------]
    """
    bench = Bench(group(active_connections(high=2), **SOON))
    burst(bench, 10)
    bench.tick("10:07:59")
    assert bench.alert().state == "Active"
    bench.tick("10:08")
    assert (bench.alert().state, bench.alert().ended_at) == ("Resolved", at("10:07"))


def test_S21_a_missed_minimum_is_over_when_a_whole_window_has_enough() -> None:
    """
    The device speaks again.

        10:00      10:05     10:07    10:10
        contact      0!        x        |
                     (------------------]   1: back in range
    """
    bench = Bench(group(active_connections(low=1), **SOON))
    bench.send("cam", heartbeat("10:00"))
    bench.tick("10:06")
    bench.send("cam", connection("10:07"))
    bench.tick("10:11")
    assert (bench.alert().state, bench.alert().ended_at) == ("Resolved", at("10:10"))


def test_S21_an_alert_that_somebody_works_on_recovers_as_well() -> None:
    """InProgress is an open alert."""
    bench = Bench(group(active_connections(high=2), **SOON))
    burst(bench, 10)
    bench.act("start")
    bench.tick("10:08")
    assert bench.alert().state == "Resolved"


def test_S21_a_recurrence_is_a_new_alert_that_knows_the_old_one() -> None:
    """The n-th alert of an identity has ordinal n and the id of the one before."""
    bench = Bench(group(active_connections(high=2), **SOON))
    for hour in (10, 11, 12):
        burst(bench, hour)
    first, second, third = bench.alerts()
    assert [alert.ordinal for alert in (first, second, third)] == [1, 2, 3]
    assert (first.previous_id, second.previous_id, third.previous_id) == (
        None,
        first.alert_id,
        second.alert_id,
    )
    assert [alert.state for alert in (first, second, third)] == ["Resolved", "Resolved", "Active"]


def test_S21_a_list_alert_stays_open_however_quiet_it_is() -> None:
    """Only an edit or a person closes it; a week later it is still the same alert."""
    bench = Bench(group(allowing(TO)))
    bench.send("cam", connection("10:00", "203.0.113.1"))
    bench.tick(at("10:00", day=6))
    bench.send("cam", connection(at("10:00", day=7), "203.0.113.1"))
    assert (bench.alert().state, bench.alert().count) == ("Active", 2)


def test_S21_a_list_alert_resolved_by_hand_comes_back_as_a_new_one() -> None:
    """Linked to the old one."""
    bench = Bench(group(allowing(TO)))
    bench.send("cam", connection("10:00", "203.0.113.1"))
    assert bench.act("resolve").reason == BY_HAND
    bench.send("cam", connection("10:01", "203.0.113.1"))
    first, second = bench.alerts()
    assert (second.state, second.count, second.previous_id) == ("Active", 1, first.alert_id)


@pytest.mark.parametrize("family", ["list", "range"])
def test_S21_a_dismissed_alert_counts_in_silence_until_quiet_for_a_day(family: str) -> None:
    """
    Known, seen again after 23 hours, and again 24 hours later: silent. A minute more of quiet: news.

        day 0 10:00  dismissed    day 1 09:00   day 2 09:00   day 3 09:01+
          x                         x             x             x  a new alert
    """
    rule: Rule = allowing(TO) if family == "list" else active_connections(high=0)
    bench = Bench(group(rule, **SOON))
    bench.send("cam", connection("10:00", "203.0.113.1"))
    bench.act("dismiss")
    for day in (1, 2):
        bench.send("cam", connection(at("09:00", day=day), "203.0.113.1"))
    known = bench.alert()
    assert (known.state, known.last_seen_at) == ("Dismissed", at("09:00", day=2))
    if family == "list":
        assert known.count == 3
    bench.send("cam", connection(at("09:00:00.000001", day=3), "203.0.113.1"))
    known, news = bench.alerts()
    assert (known.state, news.state, news.previous_id) == ("Dismissed", "Active", known.alert_id)


# ------------------------------------------------------------------------------------------------ S22

CASES: list[tuple[Rule, Event]] = [
    (active_connections(low=0, high=0, minutes=5), connection("10:00")),
    (failed_logins(high=0, minutes=90), failed_login("10:00")),
    (allowing(TO, "203.0.113.9"), connection("10:00", "203.0.113.1")),
    (allowing("ConnectionFromIpNotAllowed", "203.0.113.9"), connection("10:00", direction="In")),
    (allowing("LocalUserNotAllowed", "ann"), login("10:00", "anna")),
    (allowing("ProcessNotAllowed", "/bin/sh"), process("10:00", "/bin/bash")),
    (denying("ConnectionToIpDenied", "198.51.100.0/24"), connection("10:00")),
    (denying("ConnectionFromIpDenied", "198.51.100.0/24"), connection("10:00", direction="In")),
    (denying("LocalUserDenied", "root"), login("10:00", "root")),
    (denying("ProcessDenied", "nc"), process("10:00", "/bin/nc")),
    (ThresholdRule(type="LocalUsersNotInAllowedRange", min=2, max=9), local_users("10:00", {"0": "root"})),
    (ThresholdRule(type="DroppedEventsNotInAllowedRange", min=0, max=9), drops("10:00", 10)),
]


@pytest.mark.parametrize(("rule", "event"), CASES, ids=lambda case: getattr(case, "type", ""))
def test_S22_an_alert_says_all_that_its_reader_needs(rule: Rule, event: Event) -> None:
    """Every member is filled, the description with the facts of this case."""
    bench = Bench(group(rule, version=7))
    bench.send("gw", event, received_at="10:01")
    alert, row = bench.alert(), CATALOG[rule.type]
    assert (alert.device_id, alert.group, alert.group_version) == ("gw", "default", 7)
    assert (alert.rule_type, alert.alert_type) == (rule.type, f"IoT_CA_{rule.type}")
    assert (alert.severity, alert.data_source, alert.certainty) == ("Low", "legacy", "certain")
    assert (alert.started_at, alert.received_at) == (at("10:00"), at("10:01"))
    assert (alert.title, alert.remediation) == (row.alert_name, row.remediation)
    assert alert.title
    assert alert.remediation
    assert [(one.event_id != "", one.occurred_at) for one in alert.evidence] == [(True, at("10:00"))]
    assert alert.evidence[0].facts
    assert alert.description.startswith(row.description)
    facts = alert.description.removeprefix(row.description)
    if row.family in ("timeWindow", "threshold"):
        assert str(alert.count) in facts
        assert f"{alert.min} to {alert.max}" in facts
    else:
        assert str(alert.value) in facts
        assert alert.nearest_entry
        assert alert.nearest_entry in facts
    if row.family == "allowlist":
        assert alert.allowing_entry == alert.value


def test_S22_the_cases_are_all_rules_that_agents_feed() -> None:
    """No rule type is forgotten above."""
    agents = {name for name, row in CATALOG.items() if row.subject != "hub"}
    assert {rule.type for rule, _ in CASES} == agents


@pytest.mark.parametrize(
    ("minutes", "words"), [(5, "5 minutes"), (90, "1 hour 30 minutes"), (1 / 60, "1 second")]
)
def test_S22_the_description_speaks_of_the_window_as_people_do(minutes: float, words: str) -> None:
    """Not as ISO 8601 does."""
    bench = Bench(group(active_connections(high=0, minutes=minutes)))
    bench.send("cam", connection("10:00"))
    assert f"within {words}" in bench.alert().description


def test_S22_the_entry_that_would_allow_does_allow() -> None:
    """Put on the list, it takes the alert away."""
    for rule_type, event in (
        (TO, connection("10:00", "2001:DB8::7")),
        ("LocalUserNotAllowed", login("10:00", "PLANT\\Bob")),
        ("LocalUserNotAllowed", login("10:00", None, uid=0)),
        ("ProcessNotAllowed", process("10:00", "\\device\\harddiskvolume2\\a.exe")),
        ("ProcessNotAllowed", process("10:00", "/opt/a b/[c]")),
    ):
        bench = Bench(group(allowing(rule_type)))
        bench.send("gw", event)
        entry = bench.alert().allowing_entry
        assert entry is not None
        bench.edit(group(allowing(rule_type, entry), version=2), "11:00")
        assert bench.alert().state == "Resolved", entry


def test_S22_severity_and_description_are_the_owners_if_set() -> None:
    """The rule's own word goes before the catalogue's."""
    bench = Bench(group(active_connections(high=0, severity="High", description="The camera is chatty.")))
    bench.send("cam", connection("10:00"))
    assert bench.alert().severity == "High"
    assert bench.alert().description.startswith("The camera is chatty. ")


# ------------------------------------------------------------------------------------------------ S23


def test_S23_a_replay_gives_the_same_ids() -> None:
    """Ids are derived from device, rule, value and ordinal, and from nothing else."""
    ids = []
    for _ in range(2):
        bench = Bench(group(active_connections(high=2), allowing(TO), **SOON))
        burst(bench, 10)
        burst(bench, 11)
        ids.append([alert.alert_id for alert in bench.alerts()])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


def test_S23_ids_are_the_same_in_every_version_of_the_program() -> None:
    """A person's mailbox outlives an update: these literals must never change."""
    bench = Bench(group(active_connections(high=0), allowing(TO)))
    bench.send("cam", connection("10:00", "203.0.113.1"))
    assert {alert.rule_type: alert.alert_id for alert in bench.alerts()} == {
        CONNECTIONS: "effc8fb2-245b-49b5-9db9-dd6072deef85",
        TO: "71c2f87c-fb2c-4173-a41f-0c386e42743a",
    }
    assert all(UUID(alert.alert_id).version == 4 for alert in bench.alerts())


# ------------------------------------------------------------------------------------------------ S24


def test_S24_an_edit_takes_effect_on_the_next_event() -> None:
    """Not on the last one."""
    bench = Bench(group(allowing(TO, "203.0.113.1")))
    bench.send("cam", connection("10:00", "203.0.113.1"))
    edited = group(allowing(TO), version=2)
    assert bench.edit(edited, "10:01") == [GroupReplaced(group=edited, at=at("10:01"))]
    assert bench.alerts() == []
    bench.send("cam", connection("10:02", "203.0.113.1"))
    assert (bench.alert().count, bench.alert().group_version) == (1, 2)


def test_S24_an_open_alert_that_the_edit_allows_is_resolved_at_once_and_linked_to_it() -> None:
    """The reason names the group and its version; the other alert stays."""
    bench = Bench(group(allowing(TO)))
    bench.send("cam", connection("10:00", "203.0.113.1", "198.51.100.1"))
    bench.edit(group(allowing(TO, "203.0.113.0/24"), version=5), "10:01")
    by_value = {alert.value: alert for alert in bench.alerts()}
    assert (by_value["203.0.113.1"].state, by_value["198.51.100.1"].state) == ("Resolved", "Active")
    assert "version 5" in (by_value["203.0.113.1"].reason or "")


def test_S24_a_wider_range_resolves_an_alert_that_it_holds() -> None:
    """Three is in range where up to three are allowed, and out of it where two are."""
    for high, state in ((3, "Resolved"), (2, "Active")):
        bench = Bench(group(active_connections(high=1)))
        burst(bench, 10)
        bench.edit(group(active_connections(high=high), version=2), "10:03")
        assert bench.alert().state == state


def test_S24_a_rule_that_is_gone_or_off_takes_its_alerts_along() -> None:
    """Nobody expects any more what it asked for."""
    for edited in (group(version=2), group(allowing(TO, enabled=False), version=2)):
        bench = Bench(group(allowing(TO)))
        bench.send("cam", connection("10:00", "203.0.113.1"))
        bench.edit(edited, "10:01")
        assert bench.alert().state == "Resolved"


def test_S24_a_deny_list_that_lets_go_resolves_its_alert() -> None:
    """As an allow-list that takes up does."""
    bench = Bench(group(denying("ProcessDenied", "nc")))
    bench.send("gw", process("10:00", "/bin/nc"))
    bench.edit(group(denying("ProcessDenied", "ncat"), version=2), "10:01")
    assert bench.alert().state == "Resolved"


def test_S24_counters_survive_an_edit_of_another_rule() -> None:
    """
    The third connection is the third, whatever was edited in between.

        10:00 10:01  edit  10:02
          x     x            x     3 > 2
    """
    bench = Bench(group(active_connections(high=2)))
    bench.send("cam", connection("10:00"), connection("10:01"))
    bench.edit(group(allowing("ProcessNotAllowed"), active_connections(high=2), version=2), "10:01:30")
    bench.send("cam", connection("10:02"))
    assert bench.alert().count == 3


def test_S24_history_is_not_alerted_again() -> None:
    """A lower maximum speaks at the next event, and counts what is still in the window."""
    bench = Bench(group(active_connections(high=5)))
    burst(bench, 10)
    bench.edit(group(active_connections(high=2), version=2), "10:03")
    bench.tick("10:04")
    assert bench.alerts() == []
    bench.send("cam", connection("10:04:30"))
    assert (bench.alert().count, bench.alert().started_at) == (4, at("10:04:30"))


def test_S24_a_closed_alert_is_not_judged_again() -> None:
    """What a person resolved stays as it was told."""
    bench = Bench(group(allowing(TO)))
    bench.send("cam", connection("10:00", "203.0.113.1"))
    told = bench.act("resolve")
    bench.edit(group(allowing(TO, "203.0.113.1"), version=2), "10:01")
    assert bench.alert() == told


def test_S24_an_edit_of_one_group_leaves_others_alone() -> None:
    """Alerts and counters of devices elsewhere do not hear of it."""
    bench = Bench(group(), group(active_connections(high=2), allowing(TO), name="cameras"))
    bench.assign("cam", "cameras", "09:00")
    bench.send("cam", connection("10:00", "203.0.113.1"), connection("10:01", "203.0.113.1"))
    bench.edit(group(version=2), "10:01:30")
    bench.send("cam", connection("10:02", "203.0.113.1"))
    assert [(alert.rule_type, alert.count, alert.state) for alert in bench.alerts()] == [
        (TO, 3, "Active"),
        (CONNECTIONS, 3, "Active"),
    ]


# ------------------------------------------------------------------------------------------------ S25


@pytest.mark.parametrize("tag", ["Cameras", "cameras", "CAMERAS", " cameras "])
def test_S25_the_twin_tag_names_the_group_without_case(tag: str) -> None:
    """However it is spelled."""
    cameras = group(name="Cameras")
    bench = Bench(cameras)
    bench.send("cam", heartbeat("09:00"))
    assert bench.assign("cam", tag, "10:00") == [Reassigned(device_id="cam", group=cameras, at=at("10:00"))]
    assert bench.detector.group_of("cam").name == "Cameras"


def test_S25_a_tag_counts_for_a_device_that_has_not_been_heard_yet() -> None:
    """The twin may be known before the first message, and over a restart."""
    bench = Bench(group(allowing(TO), name="cameras"))
    bench.assign("cam", "cameras", "10:00")
    bench.restart()
    assert bench.detector.group_of("cam").name == "cameras"
    bench.send("cam", connection("10:01", "203.0.113.1"))
    assert bench.alert().group == "cameras"


def test_S25_without_a_tag_a_device_belongs_to_default() -> None:
    """Also when its tag is taken away again."""
    bench = Bench(group(name="cameras"))
    assert bench.detector.group_of("cam").name == "default"
    bench.assign("cam", "cameras", "10:00")
    bench.assign("cam", None, "11:00")
    assert bench.detector.group_of("cam").name == "default"


def test_S25_a_tag_that_names_no_group_is_told_and_changes_nothing() -> None:
    """A slip in a tag is an outcome."""
    bench = Bench(group(allowing(TO)))
    assert bench.assign("cam", "camras", "10:00") == [Unassigned(device_id="cam", tag="camras")]
    bench.send("cam", connection("10:01", "203.0.113.1"))
    assert bench.alert().group == "default"


def test_S25_a_device_finds_its_group_when_it_is_made_later() -> None:
    """The tag was there first."""
    bench = Bench(group())
    bench.assign("cam", "cameras", "10:00")
    bench.edit(group(allowing(TO), name="cameras"), "11:00")
    bench.send("cam", connection("11:01", "203.0.113.1"))
    assert bench.alert().group == "cameras"


def test_S25_windows_of_the_old_group_end_and_those_of_the_new_one_start_clean() -> None:
    """
    Two connections there and one here are not three.

        10:00 10:01  moved  10:02  10:03 10:04
          x     x             x      x     x     3 > 2 only now
    """
    there = group(active_connections(high=2), name="there")
    here = group(active_connections(high=2), name="here")
    bench = Bench(there, here)
    bench.assign("cam", "there", "09:00")
    bench.send("cam", connection("10:00"), connection("10:01"))
    bench.assign("cam", "here", "10:01:30")
    bench.send("cam", connection("10:02"), connection("10:03"))
    assert bench.alerts() == []
    bench.send("cam", connection("10:04"))
    assert (bench.alert().count, bench.alert().group) == (3, "here")


def test_S25_a_range_alert_ends_with_the_windows_of_the_group_that_was_left() -> None:
    """Its reason names the move; a list alert is judged by the new list."""
    there = group(active_connections(high=0), allowing(TO), name="there")
    here = group(active_connections(high=0), allowing(TO, "203.0.113.1"), name="here")
    bench = Bench(there, here)
    bench.assign("cam", "there", "09:00")
    bench.send("cam", connection("10:00", "203.0.113.1", "203.0.113.2"))
    bench.assign("cam", "here", "10:01")
    states = {(alert.rule_type, alert.value): (alert.state, alert.reason) for alert in bench.alerts()}
    assert states[CONNECTIONS, None][0] == "Resolved"
    assert "here" in (states[CONNECTIONS, None][1] or "")
    assert states[TO, "203.0.113.1"][0] == "Resolved"
    assert states[TO, "203.0.113.2"][0] == "Active"


def test_S25_the_same_tag_again_moves_nothing() -> None:
    """A twin that is told twice keeps its counters."""
    bench = Bench(group(active_connections(high=2), name="cameras"))
    bench.assign("cam", "cameras", "09:00")
    bench.send("cam", connection("10:00"), connection("10:01"))
    assert bench.assign("cam", "CAMERAS", "10:01:30") == []
    bench.send("cam", connection("10:02"))
    assert bench.alert().count == 3


def test_S25_an_alert_after_the_move_back_is_a_new_one() -> None:
    """What ended with the membership does not go on."""
    there = group(active_connections(high=0), name="there")
    bench = Bench(group(), there)
    bench.assign("cam", "there", "09:00")
    bench.send("cam", connection("10:00"))
    bench.assign("cam", None, "10:01")
    bench.assign("cam", "there", "10:02")
    bench.send("cam", connection("10:03"))
    assert [(alert.state, alert.ordinal) for alert in bench.alerts()] == [("Resolved", 1), ("Active", 2)]
