"""What is expected beyond the groups, and entries that end (S24, S25, S27, S28)."""

from typing import Any

import pytest

from fencepost.engine.detector import Detector
from fencepost.engine.effective import compiled
from fencepost.model.catalog import CATALOG
from fencepost.model.event import Event
from fencepost.model.outcome import GroupReplaced, LayerReplaced
from fencepost.model.rule import Members, ThresholdRule
from fencepost.testing import (
    Bench,
    active_connections,
    allowing,
    at,
    connection,
    denying,
    device_layer,
    fleet,
    flows,
    group,
    local_users,
    login,
    message,
    process,
    until,
)

TO, DENIED = "ConnectionToIpNotAllowed", "ConnectionToIpDenied"
STRANGER, OTHER = "198.51.100.7", "198.51.100.8"
LISTS: list[tuple[str, str, Event]] = [
    (TO, STRANGER, connection("10:00", STRANGER)),
    ("LocalUserNotAllowed", "ann", login("10:00", "ann")),
    ("ProcessNotAllowed", "/bin/sh", process("10:00", "/bin/sh")),
]


def states(bench: Bench) -> list[str]:
    return [alert.state for alert in bench.alerts()]


# what counts


@pytest.mark.parametrize(("rule_type", "entry", "event"), LISTS, ids=[one[0] for one in LISTS])
@pytest.mark.parametrize("scope", ["fleet", "device"])
def test_S27_an_entry_of_the_fleet_or_of_the_device_allows(
    rule_type: str, entry: str, event: Event, scope: str
) -> None:
    """As one of the group does; of another device's it says nothing."""
    added = allowing(rule_type, entry)
    layer = fleet(added) if scope == "fleet" else device_layer("cam", added)
    bench = Bench(group(allowing(rule_type, "x" if "Ip" not in rule_type else "10.0.0.1")), layers=(layer,))
    bench.send("cam", event)
    bench.send("gate", event)
    assert [alert.device_id for alert in bench.alerts()] == ([] if scope == "fleet" else ["gate"])


@pytest.mark.parametrize(("rule_type", "entry", "event"), LISTS, ids=[one[0] for one in LISTS])
def test_S27_denials_of_all_layers_deny_and_tell_once(rule_type: str, entry: str, event: Event) -> None:
    """Where the group and the device deny the same it is one occurrence."""
    denied = rule_type.replace("NotAllowed", "Denied")
    rule = denying(denied, entry)
    own = device_layer("cam", rule)
    for layers, of_group in [((fleet(rule),), ()), ((own,), ()), ((own, fleet(rule)), (entry,))]:
        bench = Bench(group(denying(denied, *of_group)), layers=layers)
        bench.send("cam", event)
        assert [(alert.count, alert.nearest_entry) for alert in bench.alerts()] == [(1, entry)]


def test_S27_entries_mean_nothing_without_the_rule_of_the_group() -> None:
    """Whether a list is judged at all is the group's to say; so is how severe it is."""
    rules = (allowing(TO), denying(DENIED, STRANGER))
    for of_group in ((), (allowing(TO, enabled=False), denying(DENIED, enabled=False))):
        bench = Bench(group(*of_group), layers=(fleet(*rules), device_layer("cam", *rules)))
        bench.send("cam", connection("10:00", STRANGER))
        assert bench.alerts() == []
    own = denying(DENIED, STRANGER, severity="High", enabled=False)
    bench = Bench(group(denying(DENIED, severity="Medium")), layers=(device_layer("cam", own),))
    bench.send("cam", connection("10:00", STRANGER))
    assert bench.alert().severity == "Medium"


def test_S27_a_range_of_the_devices_own_stands_in_the_place_of_the_groups() -> None:
    """Its bounds are those that the alert shows; the other devices keep theirs."""
    own = active_connections(high=1, minutes=10, severity="High")
    bench = Bench(group(active_connections(high=3)), layers=(device_layer("cam", own),))
    two = (connection("10:00", STRANGER), connection("10:08", STRANGER))
    bench.send("cam", *two)
    bench.send("gate", *two)
    alert = bench.alert()
    assert (alert.device_id, alert.max, alert.severity, alert.group) == ("cam", 1, "High", "default")


def test_S27_a_device_can_have_a_range_that_its_group_has_not_and_be_without_one() -> None:
    """A gauge too; a range that is switched off for a device is not judged."""
    own = (
        ThresholdRule(type="LocalUsersNotInAllowedRange", min=0, max=0),
        active_connections(high=0, enabled=False),
    )
    bench = Bench(group(active_connections(high=0)), layers=(device_layer("cam", *own),))
    bench.send("cam", connection("10:00", STRANGER), local_users("10:00", {"1": "a"}))
    assert bench.alert().rule_type == "LocalUsersNotInAllowedRange"


def test_S22_the_nearest_entry_is_that_of_all_layers_and_the_port_too() -> None:
    bench = Bench(
        group(allowing(TO, "192.0.2.1")),
        layers=(fleet(allowing(TO, "198.51.100.1")), device_layer("cam", allowing(TO, f"{STRANGER}:443"))),
    )
    bench.send("cam", connection("10:00", STRANGER, port=22))
    bench.send("gate", connection("10:00", STRANGER, port=22))
    cam, gate = sorted(bench.alerts(), key=lambda one: one.device_id)
    assert (cam.nearest_entry, cam.allowing_entry) == (f"{STRANGER}:443", f"{STRANGER}:22")
    assert (gate.nearest_entry, gate.allowing_entry) == ("198.51.100.1", STRANGER)


def test_S18_a_range_of_the_devices_own_that_nobody_feeds_is_not_measurable() -> None:
    own = ThresholdRule(type="DroppedEventsNotInAllowedRange", min=0, max=0)
    bench = Bench(group(active_connections()), layers=(device_layer("rtos", own),))
    for device_id in ("rtos", "other"):
        bench.send(device_id, connection("10:00"), source="threadx")
    assert bench.detector.not_measurable("rtos") == ("DroppedEventsNotInAllowedRange",)
    assert bench.detector.not_measurable("other") == ()


# entries that end


@pytest.mark.parametrize(("rule_type", "entry", "event"), LISTS, ids=[one[0] for one in LISTS])
@pytest.mark.parametrize("scope", ["group", "fleet", "device"])
@pytest.mark.parametrize(("end", "alerts"), [("10:00:00.000001", 0), ("10:00", 1), ("09:00", 1)])
def test_S28_an_entry_counts_for_what_happened_before_its_end(
    rule_type: str, entry: str, event: Event, scope: str, end: str, alerts: int
) -> None:
    """In whichever layer it stands."""
    ending, empty = allowing(rule_type, entry, notes=until(end, entry)), allowing(rule_type)
    layers = {"group": (), "fleet": (fleet(ending),), "device": (device_layer("cam", ending),)}[scope]
    bench = Bench(group(ending if scope == "group" else empty), layers=layers)
    bench.send("cam", event)
    assert len(bench.alerts()) == alerts


@pytest.mark.parametrize(("rule_type", "entry", "event"), LISTS, ids=[one[0] for one in LISTS])
@pytest.mark.parametrize("scope", ["group", "fleet", "device"])
@pytest.mark.parametrize(("end", "alerts"), [("10:00:00.000001", 1), ("10:00", 0)])
def test_S28_a_denial_ends_likewise(
    rule_type: str, entry: str, event: Event, scope: str, end: str, alerts: int
) -> None:
    denied = rule_type.replace("NotAllowed", "Denied")
    ending, empty = denying(denied, entry, notes=until(end, entry)), denying(denied)
    layers = {"group": (), "fleet": (fleet(ending),), "device": (device_layer("cam", ending),)}[scope]
    bench = Bench(group(ending if scope == "group" else empty), layers=layers)
    bench.send("cam", event)
    assert len(bench.alerts()) == alerts


def test_S28_what_another_entry_allows_or_denies_for_good_stays_so() -> None:
    """An end takes away its own entry only, also where both stand in different layers."""
    ending = until("09:00", STRANGER)
    allowed = Bench(
        group(allowing(TO, STRANGER, notes=ending)), layers=(fleet(allowing(TO, "198.51.100.0/24")),)
    )
    denied = Bench(
        group(denying(DENIED, STRANGER, notes=ending)), layers=(fleet(denying(DENIED, "198.51.100.0/24")),)
    )
    for bench in (allowed, denied):
        bench.send("cam", connection("10:00", STRANGER))
    assert allowed.alerts() == []
    assert denied.alert().nearest_entry == "198.51.100.0/24"


def test_S28_late_data_from_before_the_end_is_still_allowed() -> None:
    """The device's time decides, not ours."""
    bench = Bench(group(allowing(TO, STRANGER, notes=until("10:00", STRANGER))))
    bench.send("cam", connection("09:59", STRANGER), received_at="12:00")
    assert bench.alerts() == []
    bench.send("cam", connection("11:00", STRANGER), received_at="12:01")
    assert states(bench) == ["Active"]


def test_S28_an_entry_that_ended_is_not_named_as_the_nearest() -> None:
    bench = Bench(group(allowing(TO, "192.0.2.1", STRANGER, notes=until("10:00", STRANGER))))
    bench.send("cam", connection("10:00", STRANGER))
    assert bench.alert().nearest_entry == "192.0.2.1"


def test_S28_a_note_without_an_end_changes_nothing() -> None:
    note: Any = until("10:00", STRANGER)[0]
    bench = Bench(group(allowing(TO, STRANGER, notes=(type(note)(entry=STRANGER, by="a", at=at("09:00")),))))
    bench.send("cam", connection("23:00", STRANGER))
    assert bench.alerts() == []


# edits


@pytest.mark.parametrize(
    ("edited", "reason"),
    [
        (fleet(allowing(TO, STRANGER), version=4), "allowed by the fleet, version 4"),
        (
            device_layer("cam", allowing(TO, STRANGER), version=2),
            "allowed by the device's own list, version 2",
        ),
    ],
    ids=["fleet", "device"],
)
def test_S24_an_edit_of_a_layer_is_in_force_at_once_and_resolves(edited: Any, reason: str) -> None:
    """The alert says which layer allows it now, and the next call is none."""
    bench = Bench(group(allowing(TO)))
    bench.send("cam", connection("10:00", STRANGER))
    bench.layer(edited, "10:05")
    assert (bench.alert().state, bench.alert().reason) == ("Resolved", reason)
    bench.send("cam", connection("10:06", STRANGER))
    assert states(bench) == ["Resolved"]


def test_S24_an_alert_that_takes_entries_of_several_layers_names_the_farthest() -> None:
    """Two ports of one address: one of the group, one of the device."""
    bench = Bench(group(allowing(TO)))
    bench.send("cam", connection("10:00", STRANGER, port=443), connection("10:01", STRANGER, port=22))
    bench.edit(group(allowing(TO, f"{STRANGER}:443"), version=2), "10:05")
    assert states(bench) == ["Active"]
    bench.layer(device_layer("cam", allowing(TO, f"{STRANGER}:22"), version=7), "10:06")
    assert bench.alert().reason == "allowed by the device's own list, version 7"


def test_S24_an_edit_of_a_group_leaves_what_the_layers_say() -> None:
    """Neither does it take the device's own entries away, nor its ranges."""
    layers = (device_layer("cam", allowing(TO, STRANGER), active_connections(high=1)),)
    bench = Bench(group(allowing(TO), active_connections(high=9)), layers=layers)
    bench.send("cam", connection("10:00", STRANGER))
    bench.edit(group(allowing(TO, OTHER), active_connections(high=5), version=2), "10:01")
    bench.send("cam", connection("10:02", STRANGER))
    alert = bench.alert()
    assert (alert.rule_type, alert.max, alert.group_version) == ("ActiveConnectionsNotInAllowedRange", 1, 2)


def test_S24_a_range_alert_ends_with_the_devices_own_range() -> None:
    """Its number is within the new bounds; counters stay, so that the next one too many alerts again."""
    bench = Bench(group(active_connections(high=1)))
    bench.send("cam", connection("10:00", STRANGER), connection("10:01", STRANGER))
    bench.layer(device_layer("cam", active_connections(high=2), version=3), "10:01:30")
    assert bench.alert().reason == "allowed by the device's own range, version 3"
    bench.send("cam", connection("10:02", STRANGER))
    assert [(alert.state, alert.count) for alert in bench.alerts()] == [("Resolved", 2), ("Active", 3)]


def test_S24_entries_that_have_ended_resolve_nothing() -> None:
    """What counts is what is in force at the edit."""
    bench = Bench(group(allowing(TO)))
    bench.send("cam", connection("10:00", STRANGER))
    bench.layer(fleet(allowing(TO, STRANGER, notes=until("10:05", STRANGER))), "10:05")
    assert states(bench) == ["Active"]
    bench.layer(fleet(allowing(TO, STRANGER, notes=until("10:05:01", STRANGER))), "10:05")
    assert states(bench) == ["Resolved"]


def test_S24_an_edit_of_the_fleet_is_one_of_each_group_that_it_concerns() -> None:
    """A group without the rule is not asked."""
    cameras = group(allowing(TO), name="cameras")
    bench = Bench(group(allowing(TO)), cameras, group(active_connections(), name="gates"))
    outcomes = bench.layer(fleet(allowing(TO, STRANGER)), "10:00")
    assert [type(one) for one in outcomes] == [GroupReplaced, GroupReplaced]
    assert [one.group.name for one in outcomes if isinstance(one, GroupReplaced)] == ["default", "cameras"]
    assert [type(one) for one in bench.layer(device_layer("cam", allowing(TO)), "10:01")] == [LayerReplaced]


def test_S24_a_layer_without_rules_is_none() -> None:
    bench = Bench(group(allowing(TO)), layers=(device_layer("cam", allowing(TO, STRANGER)),))
    bench.layer(device_layer("cam", version=2), "10:00")
    assert bench.detector.layers().devices == {}
    bench.send("cam", connection("10:01", STRANGER))
    assert states(bench) == ["Active"]


def test_S24_what_was_concluded_of_an_edit_keeps_the_layers_of_then() -> None:
    """The alerts may be judged again later, behind other edits of the same commit."""
    detector = Detector((group(allowing(TO)),))
    first = detector.replace_layer(device_layer("cam", allowing(TO, STRANGER)), at("10:00"))
    detector.replace_layer(device_layer("cam"), at("10:01"))
    assert isinstance(first[0], LayerReplaced)
    assert list(first[0].layers.devices) == ["cam"]


def test_S25_a_device_takes_its_own_layer_along() -> None:
    """Its open alerts are judged by the new group, the fleet and its layer."""
    layers = (device_layer("cam", allowing(TO, STRANGER), active_connections(high=0)),)
    strict = group(allowing("ProcessNotAllowed"), name="strict", members=Members(ids=("cam",)))
    bench = Bench(strict, group(allowing(TO), name="open"), layers=layers)
    bench.send("cam", process("10:00", "sh"))
    bench.assign("cam", "open", "10:01")
    bench.send("cam", connection("10:02", STRANGER))
    assert sorted(alert.rule_type for alert in bench.alerts() if alert.state == "Active") == [
        "ActiveConnectionsNotInAllowedRange"
    ]


def test_S30_layers_lie_in_the_snapshot_and_other_ones_are_edits() -> None:
    """Without any that are named, those of the snapshot stay; what differs leads to what an edit leads to."""
    bench = Bench(group(allowing(TO)), layers=(device_layer("cam", allowing(TO, STRANGER)),))
    bench.send("gate", connection("10:00", OTHER))
    snapshot = bench.detector.snapshot()
    assert Detector.build(None, snapshot).layers() == bench.detector.layers()
    edited = Bench(group(), layers=(fleet(allowing(TO, OTHER)),)).detector.layers()
    detector = Detector.build(None, snapshot, edited)
    assert detector.layers() == edited
    assert [type(one).__name__ for one in detector.edits] == ["GroupReplaced", "LayerReplaced"]
    for outcome in detector.edits:
        bench.book.apply(outcome)
    assert states(bench) == ["Resolved"]


# long lists


def test_S24_equal_lists_are_compiled_once() -> None:
    """Whatever else an edit changes, for each kind of sender, and for judging again."""
    entries = tuple(f"10.{n >> 8}.{n & 255}.1" for n in range(2000))
    detector = Detector((group(allowing(TO, *entries)),))
    detector.receive("rtos", message(flows("10:00", "10.0.0.1")), at("10:00"))
    implicit = group().implicit_addresses()
    known = compiled(CATALOG[TO], entries, implicit)
    again = tuple("".join(list(entry)) for entry in entries)
    detector.replace_group(group(allowing(TO, *again, severity="High"), version=2), at("10:01"))
    assert compiled(CATALOG[TO], again, implicit) is known
    device = detector._devices["rtos"]
    checks = [check for check in device.plan.checks if getattr(check, "list", None) is not None]
    assert [check.list for check in checks] == [known]  # type: ignore[attr-defined]
