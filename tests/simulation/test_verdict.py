"""The verdict on a live run knows what is missing, what nobody asked for, and what is not of this run."""

from datetime import UTC, datetime, timedelta

from fencepost.model.alert import Alert
from fencepost.simulation.incidents import BURST, FOREIGN_PROCESS, Device, Incident
from fencepost.simulation.verdict import judge

START = datetime(2026, 11, 24, 3, 0, 0, 700_000, tzinfo=UTC)
CAMERA = Device("cam-0001", "cam", "c")
MINER = Incident(FOREIGN_PROCESS, CAMERA, START + timedelta(seconds=10), "/tmp/.x/miner")  # noqa: S108
SCAN = Incident(BURST, CAMERA, START + timedelta(seconds=20), None)


def alert(of: Incident, *, started: float = 30, seen: float = 30, count: int = 60, value: str = "") -> Alert:
    second = START.replace(microsecond=0)
    return Alert(
        alert_id=f"{of.rule_type} {started}",
        alert_type="",
        rule_type=of.rule_type,
        device_id=of.device.device_id,
        group="cameras",
        severity="Low",
        state="Active",
        title="",
        description="",
        remediation="",
        data_source="legacy",
        value=value or of.value,
        count=count,
        started_at=second + timedelta(seconds=started),
        last_seen_at=second + timedelta(seconds=seen),
        received_at=second + timedelta(seconds=seen),
        certainty="certain",
    )


def test_what_was_told_and_came_is_right() -> None:
    assert judge([MINER, SCAN], [MINER, SCAN], [alert(MINER), alert(SCAN)], START).is_right


def test_an_incident_that_has_merely_begun_may_come_or_not() -> None:
    assert judge([MINER], [MINER, SCAN], [alert(MINER)], START).is_right
    assert judge([MINER], [MINER, SCAN], [alert(MINER), alert(SCAN)], START).is_right


def test_what_did_not_come_is_missing() -> None:
    verdict = judge([MINER, SCAN], [MINER, SCAN], [alert(SCAN)], START)
    assert verdict.missing == (MINER.expected,)
    assert not verdict.is_right


def test_an_alert_that_counted_too_little_has_not_come() -> None:
    assert judge([SCAN], [SCAN], [alert(SCAN, count=40)], START).missing == (SCAN.expected,)


def test_an_alert_that_was_last_seen_before_the_incident_is_another_one() -> None:
    assert judge([MINER], [MINER], [alert(MINER, started=-60, seen=9)], START).missing == (MINER.expected,)


def test_an_alert_that_was_open_already_may_count_on() -> None:
    assert judge([MINER], [MINER], [alert(MINER, started=-60, seen=10)], START).is_right


def test_what_nobody_asked_for_is_unexpected() -> None:
    other = alert(MINER, value="/bin/nc")
    assert judge([MINER], [MINER], [alert(MINER), other], START).unexpected == (other,)


def test_a_second_alert_of_one_incident_is_unexpected() -> None:
    first, second = alert(SCAN, started=20), alert(SCAN, started=40)
    assert judge([SCAN], [SCAN], [first, second], START).unexpected == (second,)
    assert judge([SCAN], [SCAN, SCAN], [first, second], START).is_right


def test_what_began_before_the_start_is_not_of_this_run() -> None:
    assert judge([], [], [alert(SCAN, started=-1)], START).is_right
    assert not judge([], [], [alert(SCAN, started=0)], START).is_right
