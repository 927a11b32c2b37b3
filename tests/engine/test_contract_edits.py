"""What an edit, a move, a restart or a late word makes of open alerts (S18, S20, S21, S24, S25)."""

from datetime import UTC, datetime, timedelta

import pytest

from fencepost.engine.detector import Detector
from fencepost.model.alert import Alert
from fencepost.model.event import Rejected, SecurityMessage
from fencepost.model.outcome import Outcome, Recovered
from fencepost.model.rule import Members, ThresholdRule
from fencepost.testing import (
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
)

TO = "ConnectionToIpNotAllowed"
STRANGER = "198.51.100.7"
FIVE = [connection(f"10:0{minute}", STRANGER) for minute in range(5)]


def states(bench: Bench) -> list[str]:
    return [alert.state for alert in bench.alerts()]


def the_alert(bench: Bench) -> Alert:
    (alert,) = bench.alerts()
    return alert


def of_type(kind: type[Outcome], outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


def test_S02_a_late_occurrence_belongs_to_the_alert_of_its_time() -> None:
    """
    A list alert was resolved by hand, another opened; then comes one from before both.

    09:59 (late)  10:00 [first, resolved]   11:00 [second]
    """
    bench = Bench(group(allowing(TO)))
    bench.send("d", connection("10:00", STRANGER))
    bench.act("resolve")
    bench.send("d", connection("11:00", STRANGER))
    bench.send("d", connection("09:59", STRANGER), received_at="11:30")
    assert sorted((alert.state, alert.count) for alert in bench.alerts()) == [("Active", 1), ("Resolved", 2)]


def test_S24_what_is_found_after_an_edit_is_news() -> None:
    """The edit allowed one port; a late call to another one must not vanish in the alert that it resolved."""
    bench = Bench(group(allowing(TO)))
    bench.send("d", connection("10:00", STRANGER, port=443))
    bench.edit(group(allowing(TO, f"{STRANGER}:443"), version=2), "10:05")
    bench.send("d", connection("09:59", STRANGER, port=22), received_at="10:06")
    assert sorted(states(bench)) == ["Active", "Resolved"]


def test_S24_an_edit_of_an_open_range_alert_keeps_the_minimum_watched() -> None:
    """Silence after the edit is a missed minimum, as it would be without the open alert."""
    bench = Bench(group(active_connections(low=1, high=3, minutes=5)))
    bench.send("d", *FIVE)
    bench.edit(group(active_connections(low=1, high=10, minutes=5), version=2), "10:05")
    bench.tick(at("10:00", day=1))
    assert sorted(states(bench)) == ["Active", "Resolved"]


def test_S24_an_edit_of_the_words_changes_nothing_else() -> None:
    """Neither does it resolve an open alert, nor does the minimum begin anew."""
    bench = Bench(group(active_connections(high=3, minutes=5)))
    bench.send("d", *FIVE, received_at="10:04")
    bench.edit(group(active_connections(high=3, minutes=5, severity="High"), version=2), "10:12")
    bench.send("d", heartbeat("10:13"))
    assert states(bench) == ["Active"]


def test_S24_an_edited_rule_speaks_in_the_next_violation() -> None:
    """Bounds, window, version and severity are those that the newest violation was judged by."""
    bench = Bench(group(active_connections(high=3, minutes=5)))
    bench.send("d", *FIVE)
    bench.edit(group(active_connections(high=2, minutes=10, severity="High"), version=2), "10:04:30")
    bench.send("d", connection("10:05", STRANGER))
    alert = the_alert(bench)
    assert (alert.max, alert.window, alert.group_version, alert.severity) == (
        2,
        timedelta(minutes=10),
        2,
        "High",
    )


def test_S24_an_edit_of_how_is_counted_lets_the_alert_recover() -> None:
    """The old counters are gone, the open alert is not stuck."""
    bench = Bench(group(failed_logins(high=2)))
    bench.send("d", *(failed_login(f"10:00:{second:02d}") for second in range(0, 40, 10)))
    bench.edit(group(failed_logins(high=2, count="records"), version=2), "10:01")
    bench.tick(at("10:00", day=2))
    assert states(bench) == ["Resolved"]


def test_S25_an_open_list_alert_goes_with_its_device() -> None:
    """An edit of the group that the device has left says nothing; one of its own group does."""
    bench = Bench(group(allowing(TO), name="g1", members=Members(ids=("d",))), group(allowing(TO), name="g2"))
    bench.send("d", connection("10:00", STRANGER))
    bench.assign("d", "g2", "10:05")
    bench.edit(group(allowing(TO, STRANGER), name="g1", members=Members(ids=("d",)), version=2), "10:10")
    assert (states(bench), the_alert(bench).group) == (["Active"], "g2")
    bench.edit(group(allowing(TO, STRANGER), name="g2", version=2), "10:11")
    assert states(bench) == ["Resolved"]


def test_S25_the_case_of_a_name_is_no_other_group() -> None:
    """Renaming `cams` to `Cams` moves nobody."""
    members = Members(globs=("*",))
    bench = Bench(group(active_connections(high=3), name="cams", members=members))
    bench.send("d", *FIVE)
    outcomes = bench.edit(group(active_connections(high=3), name="Cams", members=members, version=2), "10:05")
    assert [type(outcome).__name__ for outcome in outcomes] == ["GroupReplaced"]
    assert states(bench) == ["Active"]


def test_S30_an_edit_while_the_snapshot_lay_is_an_edit() -> None:
    """Lower bounds hold from the next event on, a new minimum is watched, and `edits` tells what follows."""
    bench = Bench(group(active_connections(high=100)))
    bench.send("d", connection("10:00", STRANGER))
    edited = group(active_connections(low=1, high=3), version=2)
    detector = Detector.build((edited,), bench.detector.snapshot())
    assert [type(outcome).__name__ for outcome in detector.edits] == ["GroupReplaced"]
    bench.detector = detector
    bench.send("d", *(connection(f"10:01:{second:02d}", STRANGER) for second in range(10)))
    assert states(bench) == ["Active"]
    bench.tick(at("10:00", day=1))
    assert the_alert(bench).shortfalls


def test_S20_a_device_behind_its_time_is_not_told_of_again_and_again() -> None:
    """Each message repairs the minimum and misses the next one: still one alert."""
    bench = Bench(group(active_connections(low=1, high=50, minutes=5)))
    bench.send("d", flows("00:00", STRANGER))
    for step in range(1, 1000):
        now = at("00:00") + timedelta(seconds=10 * step)
        bench.tick(now)
        slow = now - timedelta(hours=1) if step > 360 else now
        bench.send("d", flows(slow, STRANGER, local_port=5000 + step % 3), received_at=now)
    assert len(bench.book.alerts()) <= 2


def test_S17_a_late_report_of_a_gauge_is_over_already() -> None:
    """The gauge was outside at 09:58 and inside at 10:00; the first report came last."""
    bench = Bench(group(ThresholdRule(type="LocalUsersNotInAllowedRange", min=0, max=1)))
    bench.send("d", local_users("10:00", {"1": "a"}))
    late = bench.send("d", local_users("09:58", {"1": "a", "2": "b"}), received_at="10:01")
    assert of_type(Recovered, late)
    assert states(bench) == ["Resolved"]


@pytest.mark.parametrize("year", [1, 1970, 2025])
def test_S07_an_aggregate_lies_within_the_horizon_whatever_it_says(year: int) -> None:
    """No instant of it overflows, and none is older than what may be judged."""
    bench = Bench(group(allowing(TO), active_connections(high=3)))
    since = datetime(year, 1, 2, tzinfo=UTC)
    bench.send("d", connection("10:00", STRANGER, hits=9, since=since), received_at="10:00")
    alert = bench.alerts()[0]
    assert alert.started_at >= at("10:00") - timedelta(hours=48)


def test_S09_a_message_is_remembered_once_it_is_judged() -> None:
    """Whatever goes wrong on our side, its redelivery is not taken for a duplicate."""
    bench = Bench(group(allowing(TO)))
    broken = SecurityMessage("legacy", 7, [heartbeat("10:00"), object()])  # type: ignore[list-item]
    with pytest.raises(KeyError):
        bench.detector.receive("d", broken, at("10:00"))
    sound = SecurityMessage("legacy", 7, [connection("10:00", STRANGER)])
    outcomes = bench.detector.receive("d", sound, at("10:00"))
    assert [type(outcome).__name__ for outcome in outcomes] == ["Finding"]


def test_S18_what_could_not_be_decoded_holds_minimums() -> None:
    """
    A connection came, but nobody could read it: the window is incomplete, not empty.

    10:00      10:04 (refused)      10:09
      |-----------|-----------------|
         W = 5 min: the first whole window begins at 10:04
    """
    bench = Bench(group(active_connections(low=1, high=9, minutes=5), allowed_lateness=timedelta(0)))
    bench.send("d", connection("10:00"))
    refused = SecurityMessage("legacy", 77, [heartbeat("10:04")], (Rejected("Events[0]", "unreadable"),))
    outcomes = bench.detector.receive("d", refused, at("10:04"))
    assert [type(outcome).__name__ for outcome in outcomes] == ["Incomplete"]
    assert bench.tick("10:08") == []
    assert [type(outcome).__name__ for outcome in bench.tick("10:09")] == ["Finding"]


def test_S13_an_account_with_a_broken_name_hides_no_other() -> None:
    """A line break in one name must not cost the names behind it."""
    bench = Bench(group(allowing("LocalUserNotAllowed", "caretaker")))
    bench.send("d", local_users("10:00", {"1": "a\nb", "1001": "caretaker"}))
    bench.send("d", login("10:01", None, uid="1001"))
    assert states(bench) == []
