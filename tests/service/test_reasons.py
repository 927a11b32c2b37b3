"""Why an event counted, where lists have layers and entries an end (S27, S28)."""

import pytest

from fencepost.model.event import Event
from fencepost.model.layer import Layer, effective_rules
from fencepost.model.rule import SecurityGroup
from fencepost.service.reasons import Reason, reasons_for
from fencepost.testing import (
    active_connections,
    allowing,
    connection,
    denying,
    device_layer,
    fleet,
    group,
    login,
    process,
    until,
)

TO = "ConnectionToIpNotAllowed"


def reason_of(
    event: Event, of_group: SecurityGroup, of_fleet: Layer | None = None, own: Layer | None = None
) -> Reason:
    (effective,) = effective_rules(of_group, of_fleet or Layer(), own)
    (reason,) = reasons_for(effective, of_group)(event, (), event.occurred_at)
    return reason


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ({}, "the entry 10.0.0.0/8 allows it"),
        ({"of_fleet": fleet(allowing(TO, "10.0.0.1"))}, "the entry 10.0.0.0/8 allows it"),
    ],
    ids=["group", "group before fleet"],
)
def test_S27_an_entry_of_the_group_is_named_first(layers: dict[str, Layer], why: str) -> None:
    reason = reason_of(connection("10:00", "10.0.0.1"), group(allowing(TO, "10.0.0.0/8")), **layers)
    assert (reason.counted, reason.why, reason.entry) == (False, why, "10.0.0.0/8")


def test_S27_an_entry_of_another_layer_says_so() -> None:
    """With its end, where it has one."""
    event, empty = process("10:00", "/bin/sh"), group(allowing("ProcessNotAllowed"))
    of_fleet = fleet(allowing("ProcessNotAllowed", "sh"))
    own = device_layer("cam", allowing("ProcessNotAllowed", "s?", notes=until("12:00", "s?")))
    assert reason_of(event, empty, of_fleet, own).why == "the entry sh of the fleet allows it"
    assert (
        reason_of(event, empty, None, own).why
        == "the entry s? of the device's own until 2026-03-02 12:00 UTC allows it"
    )


def test_S28_an_entry_that_has_ended_is_named_with_its_end() -> None:
    listed = group(allowing("LocalUserNotAllowed", "ann", notes=until("09:30", "ann")))
    reason = reason_of(login("10:00", "ann"), listed)
    assert (reason.counted, reason.entry) == (True, None)
    assert reason.why == "no entry allows it any more: ann counted until 2026-03-02 09:30 UTC"
    denied = group(denying("LocalUserDenied", "ann", notes=until("09:30", "ann")))
    assert reason_of(login("10:00", "ann"), denied).why.startswith("no entry denies it any more")


def test_S17_a_denial_of_the_devices_own_is_named() -> None:
    own = device_layer("cam", denying("ConnectionToIpDenied", "10.0.0.0/8"))
    reason = reason_of(connection("10:00", "10.0.0.1"), group(denying("ConnectionToIpDenied")), None, own)
    assert (reason.counted, reason.why) == (True, "the entry 10.0.0.0/8 of the device's own denies it")


def test_S16_what_is_implicit_has_no_origin_to_name() -> None:
    assert (
        reason_of(connection("10:00", "127.0.0.1"), group(allowing(TO))).why
        == "the entry 127.0.0.0/8 allows it"
    )


def test_S10_a_range_asks_no_list() -> None:
    reason = reason_of(connection("10:00", "10.0.0.1"), group(active_connections()))
    assert (reason.counted, reason.why) == (True, "one connection: its ports are not both known")
