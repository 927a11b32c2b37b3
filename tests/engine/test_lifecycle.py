"""The life of alerts, one finding at a time (S20-S24)."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import pytest

from fencepost.engine.book import AlertBook
from fencepost.engine.lifecycle import (
    EVIDENCE,
    JOINED,
    REPAIRED,
    act,
    alert_id,
    apply,
    clear,
    recover,
    suppressed,
)
from fencepost.engine.rejudge import SUBJECTS, judge_again
from fencepost.model.alert import Alert, Evidence
from fencepost.model.errors import OperatorError
from fencepost.model.outcome import Cleared, Duplicate, Finding, Recovered
from fencepost.model.rule import Rule
from fencepost.testing import active_connections, allowing, at, group

RANGE = active_connections(low=1, high=2)
MAXIMUM = active_connections(high=2)
LIST = allowing("ConnectionToIpNotAllowed")


def finding(
    when: str,
    rule: Rule = MAXIMUM,
    *,
    count: int = 3,
    day: int = 0,
    below: bool = False,
    evidence: str | None = None,
    remote: str = "203.0.113.1",
    port: str | None = None,
) -> Finding:
    moment = at(when, day=day)
    is_list = rule is LIST
    return Finding(
        device_id="cam",
        group=group(rule),
        rule=rule,
        source="legacy",
        value="203.0.113.1" if is_list else None,
        count=count,
        first_at=moment,
        last_at=moment,
        received_at=moment,
        below=below,
        subject={"RemoteAddress": remote, "RemotePort": port} if is_list else None,
        evidence=None
        if evidence is None
        else Evidence(
            event_id=evidence, event_name="ConnectionCreate", occurred_at=moment, received_at=moment, facts={}
        ),
    )


def after(*findings: Finding | Recovered | Cleared) -> list[Alert]:
    book = AlertBook()
    for one in findings:
        book.apply(one)
    return book.alerts()


def recovered(when: str) -> Recovered:
    return Recovered(device_id="cam", rule_type=MAXIMUM.type, at=at(when))


def cleared(when: str) -> Cleared:
    return Cleared(device_id="cam", rule_type=RANGE.type, at=at(when))


def spans_of(alerts: Sequence[Alert]) -> list[tuple[str, str, int]]:
    return [
        (f"{a.started_at:%H:%M}", f"{a.last_seen_at:%H:%M}", a.count) for a in alerts if a.merged_into is None
    ]


# ------------------------------------------------------------------------------------- which alert it is


def test_violations_less_than_a_window_apart_are_one_alert() -> None:
    """
    Five minutes are the window.

        10:00   10:05            10:11
          x ----- x                x
        (   one alert   )       (  the next
    """
    assert spans_of(after(*map(finding, ("10:00", "10:05", "10:11")))) == [
        ("10:00", "10:05", 3),
        ("10:11", "10:11", 3),
    ]


@pytest.mark.parametrize("order", list(permutations(("10:00", "10:04", "10:08", "10:20", "10:24"))))
def test_a_late_violation_between_two_alerts_joins_them_whatever_the_order(order: tuple[str, ...]) -> None:
    """
    In the end the same two alerts stand (S02).

        10:00  10:04  10:08           10:20  10:24
          x ---- x ---- x               x ---- x
    """
    assert spans_of(after(*map(finding, order))) == [("10:00", "10:08", 3), ("10:20", "10:24", 3)]


def test_the_alert_that_is_taken_over_says_by_which_and_counts_no_more() -> None:
    """The earlier one takes the later one over."""
    first, second = after(finding("10:00"), finding("10:08"), finding("10:04"))
    assert (second.merged_into, second.state, second.reason) == (first.alert_id, "Resolved", JOINED)
    assert (first.state, first.merged_into, first.last_seen_at) == ("Active", None, at("10:08"))


def test_a_violation_before_the_first_alert_moves_its_begin() -> None:
    """Within a window of it; further back it is an alert of its own, over already."""
    assert spans_of(after(finding("10:00"), finding("09:56"))) == [("09:56", "10:00", 3)]
    early, late = after(finding("10:00"), finding("09:30"))
    assert (early.state, early.ended_at, late.state) == ("Resolved", at("09:35"), "Active")
    assert (late.ordinal, early.ordinal) == (1, 2)


def test_a_new_alert_ends_the_one_before_it() -> None:
    """Of a maximum alone: it was over a window after its last violation."""
    first, second = after(finding("10:00"), finding("10:30"))
    assert (first.state, first.ended_at) == ("Resolved", at("10:05"))
    assert (second.state, second.previous_id) == ("Active", first.alert_id)


def test_a_recovery_that_late_data_refutes_is_taken_back() -> None:
    """The alert is open again, and says why."""
    (alert,) = after(finding("10:00"), recovered("10:05"), finding("10:03"))
    assert (alert.state, alert.ended_at, alert.last_seen_at) == ("Active", None, at("10:03"))
    assert alert.reason == "late data refuted the recovery"


def test_a_finding_that_is_applied_twice_is_not_a_second_alert() -> None:
    """Of a range nothing changes at all."""
    assert spans_of(after(finding("10:00"), finding("10:00"))) == spans_of(after(finding("10:00")))


# --------------------------------------------------------------------------------------- what it says


@pytest.mark.parametrize("counts", [(3, 7, 5), (7, 5, 3), (5, 3, 7)])
def test_the_count_is_that_of_the_worst_window(counts: tuple[int, ...]) -> None:
    """Above the maximum the greatest number."""
    (alert,) = after(*(finding("10:00", count=count) for count in counts))
    assert alert.count == 7


def test_the_count_of_missed_minimums_is_the_least_and_a_passed_maximum_goes_before() -> None:
    """Of an alert of both, the maximum is what is told."""
    low = [finding(f"10:0{n}", RANGE, count=n, below=True) for n in (1, 0, 2)]
    assert after(*low)[0].count == 0
    assert after(*low, finding("10:03", RANGE, count=4))[0].count == 4
    assert after(finding("10:03", RANGE, count=4), *low)[0].count == 4


@pytest.mark.parametrize("order", [range(30), range(29, -1, -1), (*range(15, 30), *range(15))])
def test_the_evidence_is_the_first_and_the_latest_whatever_the_order(order: Sequence[int]) -> None:
    """Ten of each, by the device's time."""
    (alert,) = after(*(finding(f"10:{n:02}", LIST, evidence=f"{n:02}") for n in order))
    kept = {evidence.event_id for evidence in alert.evidence}
    edge = {f"{n:02}" for n in (*range(EVIDENCE), *range(30 - EVIDENCE, 30))}
    assert [e.occurred_at for e in alert.evidence] == sorted(e.occurred_at for e in alert.evidence)
    assert len(alert.evidence) == 2 * EVIDENCE
    assert kept == edge


def test_a_list_alert_remembers_a_bounded_number_of_subjects() -> None:
    """A hundred ports of one address do not make it grow for ever."""
    (alert,) = after(*(finding("10:00", LIST, remote=f"203.0.113.{n}") for n in range(100)))
    assert (len(alert.subjects), alert.count) == (SUBJECTS, 300)


# --------------------------------------------------------------------------------------- how it moves


def test_a_recovery_ends_only_what_was_seen_before_it() -> None:
    """A violation after the recovery belongs to what follows."""
    (alert,) = after(finding("10:06"))
    assert recover([alert], recovered("10:05")) == []
    assert [one.state for one in recover([alert], recovered("10:11"))] == ["Resolved"]


def test_a_dismissed_alert_does_not_recover() -> None:
    """It is known, and stays so."""
    (alert,) = after(finding("10:00"))
    (known,) = recover([act(alert, "dismiss")], recovered("10:05"))
    assert (known.state, known.ended_at) == ("Dismissed", at("10:05"))


def test_a_repaired_minimum_leaves_the_others() -> None:
    """
    Three minimums missed, the first repaired, then the second, then the last.

        10:05  10:06  10:07
          x      0      0
    """
    shortfalls = [finding(f"10:0{n}", RANGE, count=0, below=True) for n in (5, 6, 7)]
    assert spans_of(after(*shortfalls, cleared("10:05"))) == [("10:06", "10:07", 0)]
    assert spans_of(after(*shortfalls, cleared("10:05"), cleared("10:06"))) == [("10:07", "10:07", 0)]
    (alert,) = after(*shortfalls, *(cleared(f"10:0{n}") for n in (5, 6, 7)))
    assert (alert.state, alert.reason, alert.shortfalls) == ("Resolved", REPAIRED, ())


def test_a_repaired_minimum_does_not_clear_a_passed_maximum() -> None:
    """The maximum is still passed."""
    (alert,) = after(finding("10:05", RANGE, count=0, below=True), finding("10:06", RANGE), cleared("10:05"))
    assert (alert.state, alert.count) == ("Active", 3)


def test_an_alert_of_which_only_the_passed_maximum_is_left_begins_there() -> None:
    """`started_at` is the first violation that stands (docs/detection.md)."""
    (alert,) = after(finding("10:05", RANGE, count=0, below=True), finding("10:06", RANGE), cleared("10:05"))
    assert (alert.started_at, alert.last_seen_at) == (at("10:06"), at("10:06"))


def test_the_count_after_a_repair_is_that_of_the_minimums_that_are_left() -> None:
    """Zero was repaired; the window with one of two still stands (docs/detection.md)."""
    rule = active_connections(low=2, high=9)
    none, one = finding("10:05", rule, count=0, below=True), finding("10:06", rule, count=1, below=True)
    (alert,) = after(none, one, Cleared(device_id="cam", rule_type=rule.type, at=at("10:05")))
    assert alert.count == 1


def test_a_repair_of_something_else_changes_nothing() -> None:
    """Another moment, or no alert at all."""
    (alert,) = after(finding("10:05", RANGE, count=0, below=True))
    assert clear([alert], cleared("10:06")) == []
    assert clear([], cleared("10:05")) == []


def test_an_action_that_the_table_does_not_have_is_the_operators_error() -> None:
    """With the alert's id as the path."""
    (alert,) = after(finding("10:00"))
    with pytest.raises(OperatorError) as refused:
        act(alert, "activate")
    assert refused.value.problems[0].path == alert.alert_id


def test_an_alert_taken_up_again_is_not_over() -> None:
    """`activate` takes its end away."""
    (alert,) = after(finding("10:00"), recovered("10:05"))
    assert act(alert, "activate").ended_at is None


def test_an_alert_resolved_by_hand_ended_when_it_was_last_seen() -> None:
    """Nobody knows better."""
    (alert,) = after(finding("10:00"))
    assert act(alert, "resolve").ended_at == at("10:00")


def test_an_edit_that_allows_only_some_of_what_was_seen_resolves_nothing() -> None:
    """Port 443 is allowed, port 80 was called too."""
    (alert,) = after(*(finding("10:00", LIST, port=port) for port in ("443", "80")))
    allows = [
        (("203.0.113.1:443",), None),
        (("203.0.113.1:443", "203.0.113.1:80"), "Resolved"),
        (("203.0.113.1",), "Resolved"),
    ]
    for entries, state in allows:
        moved = judge_again(alert, group(allowing(LIST.type, *entries)), at("11:00"))
        assert (None if moved is None else moved.state) == state


# ------------------------------------------------------------------------------------------- the book


def test_a_book_can_be_written_down_and_opened_again() -> None:
    """It holds what its alerts say, and nothing more (S30)."""
    told: list[Finding | Recovered] = [finding("10:00"), finding("10:30"), recovered("10:35")]
    told += [finding("10:33"), finding("11:00")]
    for cut in range(len(told) + 1):
        book = AlertBook()
        for one in told[:cut]:
            book.apply(one)
        book = AlertBook(reversed(book.alerts()))
        for one in told[cut:]:
            book.apply(one)
        assert book.alerts() == after(*told)


def test_what_is_no_finding_changes_no_alert() -> None:
    """A duplicate is an outcome and no more."""
    assert AlertBook().apply(Duplicate(device_id="cam", received_at=at("10:00"))) == []


def test_ids_tell_devices_rules_values_and_ordinals_apart() -> None:
    """Also where texts run together, and where there is no value or an empty one."""
    identities = [
        ("a", "b", None),
        ("a", "b", ""),
        ("a", "b", "c"),
        ("ab", "", "c"),
        ("a", "bc", ""),
        ("a\x1fb", "c", None),
    ]
    ids = {alert_id(identity, ordinal) for identity in identities for ordinal in (1, 2)}
    assert len(ids) == 2 * len(identities)
    assert alert_id(("\ud800", "b", "c"), 1)


def test_apply_is_pure() -> None:
    """The history that it is given stays as it was."""
    history = after(finding("10:00"))
    before = list(history)
    changed = apply(history, finding("10:01"))
    assert history == before
    assert changed[0] != before[0]
    assert changed[0].last_seen_at - before[0].last_seen_at == timedelta(minutes=1)


def test_S29_an_alert_that_a_rule_suppresses_is_known_from_the_beginning() -> None:
    """Recurrences join it silently, a person can take it up, and an edit that allows the value resolves it."""
    (opened,) = apply([], finding("10:00", LIST))
    known = suppressed(opened, "maintenance")
    assert (known.state, known.ended_by, known.reason) == (
        "Dismissed",
        "suppress",
        "suppressed by the rule maintenance",
    )
    assert known.ended_at is None
    (again,) = apply([known], finding("10:05", LIST))
    assert (again.alert_id, again.state, again.count) == (known.alert_id, "Dismissed", 6)
    assert act(again, "activate").state == "Active"
    edited = judge_again(again, group(allowing(LIST.type, "203.0.113.1")), at("10:06"))
    assert edited is not None
    assert edited.state == "Resolved"


def test_S29_only_an_alert_that_is_active_can_be_suppressed() -> None:
    (opened,) = apply([], finding("10:00", LIST))
    with pytest.raises(KeyError):
        suppressed(act(opened, "start"), "maintenance")
