"""A group compiled for one kind of sender: which checks an event goes through, and how late it may be."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import get_args

from fencepost.engine.completeness import Completeness, Witness
from fencepost.engine.device import Device
from fencepost.engine.evaluate import Check, checks_of
from fencepost.engine.hub import HubOperations
from fencepost.engine.ranges import Range
from fencepost.model.event import (
    Event,
    Heartbeat,
    LegacyEvent,
    NetworkActivity,
    Source,
)
from fencepost.model.instant import length
from fencepost.model.layer import EffectiveRule, Layer, effective_rules
from fencepost.model.rule import Rule, SecurityGroup

SOURCES: tuple[Source, ...] = get_args(Source)
THREADX_DELAY = timedelta(minutes=2)
SOON = timedelta(minutes=10)
LEGACY_DELAYS = {"Login": SOON, "LocalUsers": SOON}
LEGACY_DELAY = timedelta(hours=6, minutes=15)
"""How late events may legitimately come (S06); facts of the agents' queues, not guesses."""

EVENT_CLASSES: dict[str, type[Event]] = {
    str(cls.__struct_config__.tag): cls for cls in (*get_args(LegacyEvent), Heartbeat, NetworkActivity)
}

NO_LAYER = Layer()
"""Nothing is expected of the whole fleet."""

Served = tuple[tuple[str, int], ...]
"""What the twin that we served says of the legitimate delay: (event name, microseconds)."""


class Plan:
    """
    One group as one kind of sender meets it, together with what is expected of the whole fleet.

    `routes` gives for each class of event the legitimate delay in microseconds and the checks to make;
    range rules come first, so that a duplicate is known before a list judges it again. `operations` gives for
    what the gateway sees the check to make, whoever the sender is (S19). `ranges` are the range rules, each
    at the place of its windows in a device. `own` are rules of a device's own, those for which it needs a plan of
    its own: all but its allow-lists, see `listed`.
    """

    def __init__(
        self,
        group: SecurityGroup,
        source: Source,
        served: Served = (),
        fleet: Layer = NO_LAYER,
        own: tuple[Rule, ...] = (),
    ) -> None:
        self.group = group
        self.source = source
        self.served = served
        self.fleet = fleet
        self.own = own
        self._delays = dict(served)
        self._unmeasurable: dict[tuple[tuple[Source, ...], frozenset[str]], tuple[str, ...]] = {}
        self.ranges: list[Range] = []
        self.checks: list[Check] = []
        effective = effective_rules(group, fleet, Layer(device_id="", rules=own))
        self._rules = [one.rule for one in effective if one.rule.enabled]
        for one in effective:
            if one.rule.enabled:
                self._compile(one)
        self.minimums = [check for check in self.ranges if check.min > 0]
        self.operations = {
            check.rule.row.event: check for check in self.ranges if isinstance(check, HubOperations)
        }
        ordered: list[Check] = [Completeness(), *self.ranges]
        ordered += [check for check in self.checks if not isinstance(check, Range)]
        if source == "threadx":
            ordered.append(Witness(("ProcessCreate",)))
        self.routes = {
            cls: (
                self.delay_of(name),
                tuple(check.judge for check in ordered if name in check.event_names),
            )
            for name, cls in EVENT_CLASSES.items()
        }

    def _compile(self, effective: EffectiveRule) -> None:
        delay = self.delay_of(effective.rule.row.event)
        for check in checks_of(effective, self.group, len(self.ranges), delay):
            self.checks.append(check)
            if isinstance(check, Range):
                self.ranges.append(check)

    def unmeasurable(self, heard: tuple[Source, ...], seen: frozenset[str]) -> tuple[str, ...]:
        """Return the types of the enabled rules that neither a source heard nor an event seen can feed."""
        known = self._unmeasurable.get((heard, seen))
        if known is None:
            known = self._unmeasurable[heard, seen] = tuple(
                rule.type
                for rule in self._rules
                if not {*heard} & {*rule.row.sources} and rule.row.event not in seen
            )
        return known

    def delay_of(self, event_name: str) -> int:
        """Return how late an event may legitimately come, in microseconds (S06)."""
        if self.group.allowed_lateness is not None:
            return length(self.group.allowed_lateness)
        if self.source != "legacy":
            return length(THREADX_DELAY)
        default = LEGACY_DELAYS.get(event_name, LEGACY_DELAY)
        return self._delays.get(event_name, length(default))


class Plans:
    """The plans of the groups in force."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, Source, Served, tuple[Rule, ...]], Plan] = {}
        self._fleet = NO_LAYER

    def compile(self, groups: Collection[SecurityGroup], fleet: Layer) -> None:
        """Drop what is not of these, and compile each group for the usual sender before its first message waits."""
        current = {group.name: group for group in groups}
        self._fleet = fleet
        self._plans = {
            key: plan
            for key, plan in self._plans.items()
            if plan.fleet is fleet and current.get(plan.group.name) is plan.group
        }
        for group in groups:
            self.of(group)

    def of(
        self,
        group: SecurityGroup,
        source: Source = "legacy",
        served: Served = (),
        own: tuple[Rule, ...] = (),
    ) -> Plan:
        """Return the plan of a group for a kind of sender, compiled when it is first asked for."""
        key = (group.name, source, served, own)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = Plan(group, source, served, self._fleet, own)
        return plan


def unmeasurable(device: Device) -> tuple[str, ...]:
    """Return the types of the enabled rules that the device cannot feed (S18)."""
    heard = tuple(source for bit, source in enumerate(SOURCES) if device.sources >> bit & 1)
    seen = device.memory.seen if device.memory is not None else frozenset()
    return device.plan.unmeasurable(heard, seen)


def watch_minimums(device: Device, missing: Sequence[str], since: int, now: int) -> None:
    """Judge the minimums that a device can feed from a moment on, if they are not judged yet."""
    for check in device.plan.minimums:
        if check.type not in missing and check.window_of(device).watch is None:
            check.watch(device, max(since, now - check.delay))


def served_delays(delays: Mapping[str, timedelta]) -> Served:
    """Return the delays of a served twin, rounded up to five minutes so that few plans differ."""
    grain = length(timedelta(minutes=5))
    return tuple(sorted((name, -(-length(delay) // grain) * grain) for name, delay in delays.items()))
