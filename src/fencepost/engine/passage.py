"""What becomes of a device's windows when an edit gives it another plan of its group (S24)."""

from fencepost.engine.device import Device
from fencepost.engine.expectations import Expectations
from fencepost.engine.plan import Plan, unmeasurable, watch_minimums
from fencepost.engine.ranges import Range
from fencepost.model.rule import Rule


class Passage:
    """
    The way from one plan of a group to the next, found once for all devices that go it.

    Counters of rules that count as before stay, a minimum that was edited begins anew. An edit that leaves the ranges
    as they are, as most do, costs a device nothing but its new plan.
    """

    def __init__(self, before: Plan, after: Plan) -> None:
        known = {check.type: check for check in before.ranges}
        pairs = [(check, known.get(check.type)) for check in after.ranges]
        self.after = after
        self._stay = len(known) == len(pairs) and all(old and old.index == new.index for new, old in pairs)
        self._pairs = [pair for pair in pairs if not (self._stay and _counts_alike(*pair))]
        self._later = any(old is not None and old.delay != new.delay for new, old in pairs)

    def take(self, device: Device, at: int) -> bool:
        """Give a device its plan at a moment; returns whether what it waits for may have changed."""
        device.plan = self.after
        if not device.is_heard:
            return False
        if self._stay and not self._pairs:
            return self._later
        windows = device.windows
        if not self._stay:
            device.reset()
        for check, known in self._pairs:
            window = windows[known.index] if known is not None else None
            if known is not None and window is not None:
                check.inherit(device, known, window, at)
        device.watching = any(window is not None and window.watch is not None for window in device.windows)
        if self.after.minimums:
            watch_minimums(device, unmeasurable(device), at, at)
        return True


class Passages:
    """The passages from all plans to what is expected now."""

    def __init__(self, expected: Expectations) -> None:
        self._expected = expected
        self._known: dict[tuple[Plan, tuple[Rule, ...]], Passage | None] = {}

    def of(self, device_id: str, plan: Plan) -> Passage | None:
        """Return the passage of a device from its plan, None where it keeps it."""
        key = plan, self._expected.rules_of(device_id)
        if key not in self._known:
            after = self._expected.plan_like(*key)
            self._known[key] = Passage(plan, after) if after is not plan else None
        return self._known[key]


def _counts_alike(check: Range, known: Range | None) -> bool:
    return known is not None and type(known) is type(check) and known.bounds() == check.bounds()
