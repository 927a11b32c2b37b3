"""Who is woken, when, and in which order (S02, S05)."""

from fencepost.engine.device import Device
from fencepost.engine.plan import Plan
from fencepost.engine.timers import Timers
from fencepost.engine.windows import NEVER
from fencepost.model.instant import SECOND
from fencepost.testing import active_connections, group

PLAN = Plan(group(active_connections(low=1)), "threadx")
(CHECK,) = PLAN.minimums
WAIT = CHECK.width + CHECK.delay


def waiting(since: int) -> Device:
    """A device whose first whole window begins at `since`."""
    device = Device(PLAN, None)
    device.sources = 1
    device.reset()
    CHECK.watch(device, since)
    return device


def go_on(device: Device, since: int) -> None:
    CHECK.watch(device, since)


def queue(**since: int) -> tuple[Timers, dict[str, Device]]:
    """Devices of these ids, put into the queue one after the other."""
    devices = {device_id: waiting(at) for device_id, at in since.items()}
    timers = Timers(devices)
    for device_id, device in devices.items():
        timers.schedule(device_id, device)
    return timers, devices


def taken(timers: Timers, now: int, most: int | None = None) -> list[str]:
    return [device_id for device_id, _ in timers.take(now, most)]


def test_those_whose_moment_has_come_are_taken_the_earliest_first_and_then_by_their_ids() -> None:
    timers, _ = queue(d=1, c=1, b=2, a=0, z=9)
    assert timers.earliest() == WAIT
    assert taken(timers, WAIT + 2) == ["a", "c", "d", "b"]
    assert timers.earliest() == WAIT + 9
    assert taken(timers, WAIT + 8) == []


def test_no_more_are_taken_than_asked_for_and_the_others_stay_due() -> None:
    timers, _ = queue(a=0, b=0, c=0)
    assert taken(timers, WAIT, most=2) == ["a", "b"]
    assert timers.earliest() == WAIT
    assert taken(timers, WAIT, most=2) == ["c"]
    assert timers.earliest() == NEVER


def test_a_device_that_has_sent_since_is_not_taken_and_counts_for_nothing() -> None:
    """It keeps its early place in the queue until somebody looks, and is put where it belongs."""
    timers, devices = queue(a=0, b=0, c=0)
    go_on(devices["a"], SECOND)
    assert timers.earliest() == WAIT
    assert taken(timers, WAIT, most=2) == ["b", "c"]
    assert timers.earliest() == WAIT + SECOND
    assert taken(timers, WAIT + SECOND) == ["a"]


def test_the_moment_told_is_one_at_which_somebody_is_taken() -> None:
    """However many have moved on: no clock is woken for nothing."""
    timers, devices = queue(a=0, b=1, c=2)
    for device in devices.values():
        go_on(device, SECOND)
    assert timers.earliest() == WAIT + SECOND
    devices["b"].reset()
    del devices["c"]
    assert taken(timers, WAIT + SECOND) == ["a"]
    assert timers.earliest() == NEVER


def test_the_order_is_what_the_devices_wait_for_and_not_when_they_were_put() -> None:
    """Nothing of the queue is in a snapshot; anew from the devices it must be the same (S02)."""
    timers, devices = queue(a=0, b=1, c=2, d=3)
    for device_id, since in (("a", 30), ("b", 20), ("c", 20)):
        go_on(devices[device_id], since)
        timers.schedule(device_id, devices[device_id])
    fresh, _ = queue(d=3, c=20, b=20, a=30)
    for one in (timers, fresh):
        assert [taken(one, WAIT + 30, most=1) for _ in devices] == [["d"], ["b"], ["c"], ["a"]]
