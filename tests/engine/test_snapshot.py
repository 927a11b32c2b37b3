"""Snapshot and build are inverses, whatever a device has in its memory."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from fencepost.engine.detector import Detector
from fencepost.engine.snapshot import VERSION
from fencepost.model.event import SecurityMessage
from fencepost.model.rule import Rule, SecurityGroup, ThresholdRule
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
    message,
    process,
)

RULES: tuple[Rule, ...] = (
    active_connections(low=1, high=3),
    failed_logins(low=0, high=2, count="records"),
    allowing("ConnectionToIpNotAllowed", "198.51.100.0/24"),
    allowing("LocalUserNotAllowed", "bob", "ann"),
    allowing("ProcessNotAllowed"),
    ThresholdRule(type="LocalUsersNotInAllowedRange", min=2, max=5),
    ThresholdRule(type="DroppedEventsNotInAllowedRange", min=0, max=5),
)
GROUPS = (group(*RULES), group(*RULES[:3], name="cameras", allowed_lateness=timedelta(minutes=1)))
Step = tuple[str, SecurityMessage, datetime]


def story() -> list[Step]:
    """Return messages that leave something in every corner of a device's memory."""
    said = [
        (
            "gw",
            "10:00",
            message(connection("10:00"), local_users("09:59", {"1001": "ann"}), heartbeat("10:00")),
        ),
        ("cam", "10:00", message(connection("10:00"), connection("09:00"))),
        ("rtos", "10:00", message(flows("10:00", "203.0.113.1", full=True), source="threadx")),
        (
            "gw",
            "10:01",
            message(*(login("10:01", "bob", operation="PAM:authentication", process_id=p) for p in range(9))),
        ),
        ("gw", "10:02", message(drops("10:02", 7), connection("10:02", hits=9, since="09:50"))),
        ("cam", "10:03", message(*(connection(f"10:02:{n:02}") for n in range(9)))),
        ("rtos", "10:04", message(process("10:04", "shell"), source="threadx")),
        ("gw", "10:05", message(*(failed_login(f"10:04:{n:02}", process_id=n) for n in range(5)))),
        ("gw", "10:05", message(login("10:01:03", None, uid=1001, process_id=3))),
        ("gw", "10:06", message(login("10:06", None, uid=1001), connection(datetime(1, 1, 1, tzinfo=UTC)))),
        ("cam", "10:30", message(connection("10:20"))),
        ("gw", "10:31", message(drops("10:31", 1), local_users("10:31", {"0": "root", "1001": "ann"}))),
        ("cam", "10:32", message(connection("10:02:30"))),
        ("gw", "17:00", message(connection("16:00"))),
    ]
    return [(device_id, sent, at(when)) for device_id, when, sent in said]


def prepared() -> Detector:
    detector = Detector.build(GROUPS)
    detector.assign("cam", "Cameras", at("09:00"))
    detector.serve_twin("gw", {"ConnectionCreate": timedelta(hours=1)})
    detector.assign("mute", "nowhere", at("09:00"))
    return detector


def test_a_cut_anywhere_changes_no_outcome_and_no_byte() -> None:
    """Run through, or stopped after any number of messages, the outcomes and the memory are the same."""
    for cut in range(len(story()) + 1):
        through, restarted = prepared(), prepared()
        for number, step in enumerate(story()):
            if number == cut:
                restarted = Detector.build(GROUPS, restarted.snapshot())
            assert restarted.receive(*step) == through.receive(*step), number
        assert restarted.snapshot() == through.snapshot()
        for hour in range(17, 24):
            assert restarted.tick(at(f"{hour}:30")) == through.tick(at(f"{hour}:30")), hour
            assert restarted.next_wakeup() == through.next_wakeup(), hour


def test_a_snapshot_of_what_was_built_from_it_is_the_same() -> None:
    """For every prefix of the story."""
    detector = prepared()
    for step in story():
        detector.receive(*step)
        snapshot = detector.snapshot()
        assert Detector.build(GROUPS, snapshot).snapshot() == snapshot


def test_a_snapshot_keeps_what_a_device_is() -> None:
    """Its group, its served twin, and what it cannot feed."""
    detector = prepared()
    for step in story():
        detector.receive(*step)
    rebuilt = Detector.build(GROUPS, detector.snapshot())
    assert set(rebuilt.device_ids()) == {"cam", "gw", "rtos", "mute"}
    for device_id in detector.device_ids():
        assert rebuilt.group_of(device_id) == detector.group_of(device_id)
        assert rebuilt.not_measurable(device_id) == detector.not_measurable(device_id)
        for rule in RULES[:2]:
            moment = at("10:05")
            assert rebuilt.count(device_id, rule.type, moment) == detector.count(device_id, rule.type, moment)


def test_no_snapshot_is_an_empty_detector() -> None:
    """The first start of a program."""
    assert list(Detector.build(GROUPS).device_ids()) == []
    assert Detector.build(GROUPS).snapshot() == Detector.build(GROUPS, Detector(GROUPS).snapshot()).snapshot()


@pytest.mark.parametrize("wrong", [b"\x00", b"not a snapshot", b"\xc1", msgspec.msgpack.encode([VERSION])])
def test_bytes_that_are_no_snapshot_are_refused(wrong: bytes) -> None:
    """With ValueError, as `build` says."""
    with pytest.raises(ValueError, match="not a snapshot"):
        Detector.build(GROUPS, wrong)


def test_a_snapshot_of_another_version_is_refused() -> None:
    """It names both."""
    members = msgspec.msgpack.decode(Detector(GROUPS).snapshot())
    other = msgspec.msgpack.encode([VERSION + 1, *members[1:]])
    with pytest.raises(ValueError, match=f"version {VERSION + 1}; this program reads version {VERSION}"):
        Detector.build(GROUPS, other)


def test_a_truncated_snapshot_is_refused() -> None:
    """At whatever byte."""
    detector = prepared()
    for step in story():
        detector.receive(*step)
    snapshot = detector.snapshot()
    for end in range(1, len(snapshot), 7):
        with pytest.raises(ValueError, match="not a snapshot"):
            Detector.build(GROUPS, snapshot[:end])


@pytest.mark.parametrize(
    "groups",
    [
        (),
        (group(),),
        (group(*reversed(RULES)), group(*reversed(RULES[:3]), name="cameras")),
        (group(active_connections(low=1, high=3)),),
        (group(failed_logins(high=2)), group(name="cameras")),
    ],
)
def test_a_snapshot_can_be_built_with_other_groups(groups: tuple[SecurityGroup, ...]) -> None:
    """The program was stopped, the groups were edited, and it starts again."""
    detector = prepared()
    for step in story()[:8]:
        detector.receive(*step)
    rebuilt = Detector.build(groups, detector.snapshot())
    for step in story()[8:]:
        rebuilt.receive(*step)
    rebuilt.tick(at("12:00", day=1))
    assert set(rebuilt.device_ids()) == {"cam", "gw", "rtos", "mute"}


def test_counters_survive_a_restart_with_reordered_rules() -> None:
    """They are found by the rule's type, not by its place (S24)."""
    bench = Bench(group(failed_logins(high=1), active_connections(high=2)))
    bench.send("cam", connection("10:00"), connection("10:01"), failed_login("10:00"))
    bench.groups["default"] = group(active_connections(high=2), failed_logins(high=1))
    bench.restart()
    bench.send("cam", connection("10:02"), failed_login("10:03"))
    assert {alert.rule_type: alert.count for alert in bench.alerts()} == {
        "ActiveConnectionsNotInAllowedRange": 3,
        "FailedLocalLoginsNotInAllowedRange": 2,
    }
