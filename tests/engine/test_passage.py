"""An edit finds what stays of a device's windows once for all devices: the same as asking each of them (S24)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.strategies import Stream, groups, layers, streams
from tests.engine.test_properties import outcomes_at, thorough

from fencepost.engine.detector import Detector
from fencepost.engine.passage import Passage
from fencepost.engine.plan import Plan, unmeasurable, watch_minimums
from fencepost.model.instant import micros
from fencepost.model.layer import Layers
from fencepost.model.rule import SecurityGroup
from fencepost.testing import (
    Bench,
    active_connections,
    allowing,
    at,
    connection,
    device_layer,
    failed_logins,
    group,
)


def edited_plainly(before: bytes, edited: SecurityGroup, more: Layers, at: datetime) -> Detector:
    """Return a detector that gets other expectations, each of its devices asked for all its rules."""
    plain = Detector.build(None, before)
    plain._expected.adopt((edited,), more)
    for device_id, device in plain._devices.items():
        known = {check.type: (check, window) for check, window in device.open_windows()}
        device.plan = plain._expected.plan_for(device_id, edited, device.plan.source, device.served)
        device.reset()
        for check in device.plan.ranges:
            if check.type in known:
                check.inherit(device, *known[check.type], micros(at))
        if device.is_heard:
            watch_minimums(device, unmeasurable(device), micros(at), micros(at))
            plain._timers.schedule(device_id, device)
    return plain


@st.composite
def edits(draw: st.DrawFn) -> tuple[SecurityGroup, Layers, int]:
    """Draw a group with other bounds, and fewer rules in another order; other layers; and when they come."""
    edited = draw(groups(minimums=True))
    rules = (
        draw(st.permutations(edited.rules))[draw(st.integers(0, 6)) :]
        if draw(st.booleans())
        else edited.rules
    )
    return (
        group(*rules, version=2, allowed_lateness=timedelta(hours=draw(st.integers(1, 2)))),
        draw(layers(minimums=True)),
        draw(st.integers(0, 30)),
    )


@thorough
@given(streams(minimums=True, delays=True, layered=True), edits(), st.booleans())
def test_S24_windows_are_carried_over_as_if_each_device_was_asked(
    stream: Stream, edit: tuple[SecurityGroup, Layers, int], keeps_rules: bool
) -> None:
    """The same memory, byte by byte, and the same next moment to wake up; all that follows is the same then."""
    edited, more, place = edit
    if keeps_rules:
        edited = group(*stream.group.rules, version=2, allowed_lateness=edited.allowed_lateness)
    detector = Detector.build((stream.group,), layers=stream.layers)
    for delivery in stream.deliveries[: place + 1]:
        outcomes_at(detector, delivery)
        now = delivery[2]
    steps: list[Callable[[], object]] = [partial(detector.replace_group, edited, now)]
    of_devices = map(more.of, sorted({*stream.layers.devices, *more.devices}))
    steps += [partial(detector.replace_layer, layer, now) for layer in (more.fleet, *of_devices)]
    for step in steps:
        before = detector.snapshot()
        step()
        plain = edited_plainly(before, edited, detector.layers(), now)
        assert detector.snapshot() == plain.snapshot()
        assert detector.next_wakeup() == plain.next_wakeup()


RANGES = (active_connections(low=1, high=3), failed_logins(high=2))
LIST = allowing("ConnectionToIpNotAllowed", "10.0.0.0/8")


@pytest.mark.parametrize(
    ("edited", "stays"),
    [
        (group(*RANGES, allowing("ConnectionToIpNotAllowed", "192.0.2.0/24"), version=2), True),
        (group(LIST, *RANGES, version=2), True),
        (group(*RANGES, LIST, allowed_lateness=timedelta(minutes=1), version=2), False),
        (group(active_connections(low=1, high=4), RANGES[1], LIST, version=2), False),
        (group(RANGES[1], RANGES[0], LIST, version=2), False),
        (group(RANGES[0], LIST, version=2), False),
    ],
    ids=["list", "order of others", "lateness", "bounds", "order", "fewer"],
)
def test_S24_an_edit_that_leaves_the_ranges_alone_costs_a_device_nothing(
    edited: SecurityGroup, stays: bool
) -> None:
    """Nothing that it waits for may have changed, and its windows are the same objects."""
    bench = Bench(group(*RANGES, LIST))
    bench.send("cam", connection("10:00"))
    device = bench.detector._devices["cam"]
    windows = device.windows
    passage = Passage(device.plan, Plan(edited, "legacy"))
    assert passage.take(device, micros(at("10:01"))) is not stays
    assert (device.windows is windows and device.plan.group is edited) or not stays


def test_S24_one_device_of_many_gets_a_plan_of_its_own() -> None:
    """The others of its group keep theirs, and equal ones share theirs."""
    bench = Bench(group(*RANGES, LIST))
    for device_id in ("a", "b", "c"):
        bench.send(device_id, connection("10:00"))
    own = active_connections(high=100)
    plans = bench.detector._devices
    shared = plans["a"].plan
    bench.layer(device_layer("b", own), "10:01")
    bench.layer(device_layer("c", own), "10:01")
    assert plans["a"].plan is shared
    assert plans["b"].plan is plans["c"].plan is not shared
    bench.layer(device_layer("b"), "10:02")
    assert plans["b"].plan is shared
