"""A group compiled for one kind of sender: which checks an event goes through, and how late it may be."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import get_args

from fencepost.engine.completeness import Completeness, Witness
from fencepost.engine.device import Device
from fencepost.engine.evaluate import Check, check_of
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

Served = tuple[tuple[str, int], ...]
"""What the twin that we served says of the legitimate delay: (event name, microseconds)."""


class Plan:
    """
    One group as one kind of sender meets it.

    `routes` gives for each class of event the legitimate delay in microseconds and the checks to make;
    range rules come first, so that a duplicate is known before a list judges it again. `operations` gives for
    what the gateway sees the check to make, whoever the sender is (S19). `ranges` are the range rules, each
    at the place of its windows in a device.
    """

    def __init__(self, group: SecurityGroup, source: Source, served: Served = ()) -> None:
        self.group = group
        self.source = source
        self.served = served
        self._delays = dict(served)
        self._unmeasurable: dict[tuple[tuple[Source, ...], frozenset[str]], tuple[str, ...]] = {}
        self.ranges: list[Range] = []
        self.checks: dict[str, Check] = {}
        for rule in group.rules:
            if rule.enabled:
                self._compile(rule)
        self.minimums = [check for check in self.ranges if check.min > 0]
        self.operations = {
            check.rule.row.event: check for check in self.ranges if isinstance(check, HubOperations)
        }
        ordered: list[Check] = [Completeness(), *self.ranges]
        ordered += [check for check in self.checks.values() if not isinstance(check, Range)]
        if source == "threadx":
            ordered.append(Witness(("ProcessCreate",)))
        self.routes = {
            cls: (
                self.delay_of(name),
                tuple(check.judge for check in ordered if name in check.event_names),
            )
            for name, cls in EVENT_CLASSES.items()
        }

    def _compile(self, rule: Rule) -> None:
        check = check_of(rule, self.group, len(self.ranges), self.delay_of(rule.row.event))
        self.checks[rule.type] = check
        if isinstance(check, Range):
            self.ranges.append(check)

    def unmeasurable(self, heard: tuple[Source, ...], seen: frozenset[str]) -> tuple[str, ...]:
        """Return the types of the enabled rules that neither a source heard nor an event seen can feed."""
        known = self._unmeasurable.get((heard, seen))
        if known is None:
            known = self._unmeasurable[heard, seen] = tuple(
                rule.type
                for rule in self.group.rules
                if rule.enabled and not {*heard} & {*rule.row.sources} and rule.row.event not in seen
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
        self._plans: dict[tuple[str, Source, Served], Plan] = {}

    def compile(self, groups: Collection[SecurityGroup]) -> None:
        """Drop what is not of these groups, and compile each for the usual sender before its first message waits."""
        current = {group.name: group for group in groups}
        self._plans = {
            key: plan for key, plan in self._plans.items() if current.get(plan.group.name) is plan.group
        }
        for group in groups:
            self.of(group)

    def of(self, group: SecurityGroup, source: Source = "legacy", served: Served = ()) -> Plan:
        """Return the plan of a group for a kind of sender, compiled when it is first asked for."""
        key = (group.name, source, served)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = Plan(group, source, served)
        return plan

    def of_device(self, device: Device, group: SecurityGroup, source: Source) -> Plan:
        """Return the plan of a group for a device whose twin we may have served (S06)."""
        return self.of(group, source, device.memory.delays if device.memory is not None else ())


def unmeasurable(device: Device) -> tuple[str, ...]:
    """Return the types of the enabled rules that the device cannot feed (S18)."""
    heard = tuple(source for bit, source in enumerate(SOURCES) if device.sources >> bit & 1)
    seen = device.memory.seen if device.memory is not None else frozenset()
    return device.plan.unmeasurable(heard, seen)


def served_delays(delays: Mapping[str, timedelta]) -> Served:
    """Return the delays of a served twin, rounded up to five minutes so that few plans differ."""
    grain = length(timedelta(minutes=5))
    return tuple(sorted((name, -(-length(delay) // grain) * grain) for name, delay in delays.items()))
