"""
What is expected beyond the groups: of all devices (the fleet), or of one.

The effective list of a device is the list of its group with the entries of the fleet and the device's own. The
rule itself, whether it is enabled and how severe it is, is the group's: without it, entries mean nothing. A
device's range rule stands in the place of its group's.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fencepost.model.errors import Problem
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    EntryNote,
    Rule,
    SecurityGroup,
    problems_of,
)
from fencepost.model.text import fault_of_text

Scope = Literal["fleet", "group", "device"]


class Layer(Struct, frozen=True, kw_only=True):
    """
    Additions for one device, or with None for the fleet.

    Its list rules add their entries; their `enabled`, `severity` and `description` say nothing. Its other rules
    replace those of the group, and only a device has such. `version` counts the edits.
    """

    device_id: str | None = None
    rules: tuple[Rule, ...] = ()
    version: int = 0

    def rule(self, rule_type: str) -> Rule | None:
        """Return the layer's rule of a type, None where it has none."""
        return next((rule for rule in self.rules if rule.type == rule_type), None)


class Layers(Struct, frozen=True):
    """All layers in force; devices without one are not in `devices`."""

    fleet: Layer = Layer()
    devices: Mapping[str, Layer] = {}

    def of(self, device_id: str) -> Layer:
        """Return a device's layer, an empty one where it has none."""
        return self.devices.get(device_id) or Layer(device_id=device_id)


NO_LAYERS = Layers()

ListRule = AllowlistRule | DenylistRule


class EffectiveEntry(Struct, frozen=True):
    """An entry of a device's list, where it comes from, and what is known of it."""

    entry: str
    origin: Scope | Literal["implicit"]
    note: EntryNote | None = None


class EffectiveRule(Struct, frozen=True):
    """
    A rule as it is for one device.

    `rule` is the group's, or for a range the device's own (`origin`). `parts` are, for a list, the rules whose
    entries count, each with its origin, the group's first.
    """

    rule: Rule
    origin: Scope
    parts: tuple[tuple[Scope, ListRule], ...] = ()


def effective_rules(
    group: SecurityGroup, fleet: Layer, device: Layer | None = None
) -> tuple[EffectiveRule, ...]:
    """Return the rules of a group as they are for the fleet's devices, or for one device, disabled ones too."""
    own = {rule.type: rule for rule in device.rules} if device is not None else {}
    found = [_effective(rule, fleet, own.get(rule.type)) for rule in group.rules]
    of_group = {rule.type for rule in group.rules}
    found += [
        EffectiveRule(rule, "device")
        for rule in own.values()
        if rule.type not in of_group and not isinstance(rule, AllowlistRule | DenylistRule)
    ]
    return tuple(found)


def _effective(rule: Rule, fleet: Layer, own: Rule | None) -> EffectiveRule:
    if not isinstance(rule, AllowlistRule | DenylistRule):
        return EffectiveRule(rule, "group") if own is None else EffectiveRule(own, "device")
    parts: list[tuple[Scope, ListRule]] = [("group", rule)]
    layers: tuple[tuple[Scope, Rule | None], ...] = (("fleet", fleet.rule(rule.type)), ("device", own))
    parts += [(scope, one) for scope, one in layers if isinstance(one, AllowlistRule | DenylistRule)]
    return EffectiveRule(rule, "group", tuple(parts))


def entries_of(effective: EffectiveRule, group: SecurityGroup) -> Iterator[EffectiveEntry]:
    """Yield the entries of a device's list with their origins, expired ones too."""
    for scope, part in effective.parts:
        notes = {note.entry: note for note in part.notes}
        yield from (EffectiveEntry(entry, scope, notes.get(entry)) for entry in part.entries)
    rule = effective.rule
    if isinstance(rule, AllowlistRule) and rule.row.value_type == "IpCidr":
        yield from (EffectiveEntry(entry, "implicit") for entry in group.implicit_addresses())


def problems_of_layer(layer: Layer, path: str = "") -> Iterator[Problem]:
    """Yield everything about a layer that an operator must mend, each with its path below `path`."""
    if layer.device_id is not None and (fault := fault_of_text(layer.device_id)):
        yield Problem(f"{path}.device_id", fault)
    seen: set[str] = set()
    for index, rule in enumerate(layer.rules):
        place = f"{path}.rules[{index}]"
        yield from problems_of(rule, place)
        if layer.device_id is None and not isinstance(rule, AllowlistRule | DenylistRule):
            yield Problem(f"{place}.type", f"{rule.type} has no list: a range is set per group or device")
        if rule.type in seen:
            yield Problem(f"{place}.type", f"{rule.type} stands twice here")
        seen.add(rule.type)


def counts_at(note: EntryNote | None, moment: datetime) -> bool:
    """Whether an entry with this note still counts for what happens at a moment."""
    return note is None or note.until is None or moment < note.until
