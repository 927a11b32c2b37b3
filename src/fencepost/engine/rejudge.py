"""What an edit of what is expected makes of the open alerts (S24)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_never

from msgspec import Struct, structs

from fencepost.engine.effective import EffectiveList, effective_list
from fencepost.engine.names import Program, User
from fencepost.model.address import parse_address
from fencepost.model.alert import TRANSITIONS, Alert, Facts
from fencepost.model.event import Connection
from fencepost.model.instant import micros
from fencepost.model.layer import NO_LAYERS, EffectiveRule, Layer, Layers, Scope, effective_rules
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)

SUBJECTS = 16
"""Different things that a list alert remembers having been asked about."""
GROUPS = 8
"""Groups whose lists are kept compiled: devices that move one by one may go to several in turn."""
_DISTINGUISHING = ("RemotePort", "Protocol", "Hash")
_SCOPES: tuple[Scope, ...] = ("group", "fleet", "device")


def judge_again(alert: Alert, group: SecurityGroup, at: datetime, layers: Layers = NO_LAYERS) -> Alert | None:
    """
    Return the alert as an edit leaves it, None if the edit changes nothing (S24).

    It is judged by what is expected of its device at that moment: by the group, the fleet and its own layer (S27).
    """
    if (alert.state, "allow") not in TRANSITIONS or alert.merged_into is not None:
        return None
    layer = layers.devices.get(alert.device_id)
    effective = _lists_of(group, layers.fleet).effective(alert.rule_type, layer)
    if effective is None:
        reason = f"the group {group.name} no longer has this rule"
    elif (scope := _allowing(effective, group, layers.fleet, alert, at)) is not None:
        thing = "list" if isinstance(effective.rule, AllowlistRule | DenylistRule) else "range"
        versions = {
            "group": f"the group {group.name}, version {group.version}",
            "fleet": f"the fleet, version {layers.fleet.version}",
            "device": f"the device's own {thing}, version {layer.version if layer is not None else 0}",
        }
        reason = f"allowed by {versions[scope]}"
    else:
        return None
    return structs.replace(
        alert, state=TRANSITIONS[alert.state, "allow"], reason=reason, ended_at=at, ended_by="allow"
    )


def _allowing(
    effective: EffectiveRule, group: SecurityGroup, fleet: Layer, alert: Alert, at: datetime
) -> Scope | None:
    """Return where the alert is allowed: of a list the farthest of the layers that it takes."""
    match effective.rule:
        case TimeWindowRule() | ThresholdRule() as rule:
            return effective.origin if rule.min <= alert.count <= rule.max else None
        case AllowlistRule() as rule:
            lists = _lists_of(group, fleet).of(rule.type, effective)
            found = [lists.scope(one, micros(at)) for one in _subjects(alert)]
            return max((one for one in found if one is not None), key=_SCOPES.index) if all(found) else None
        case DenylistRule() as rule:
            lists = _lists_of(group, fleet).of(rule.type, effective)
            return None if any(lists.scope(one, micros(at)) for one in _subjects(alert)) else "group"
    assert_never(effective.rule)


def _subjects(alert: Alert) -> Sequence[Facts]:
    """Where there were too many to remember, only an entry that covers all their kind will do."""
    if len(alert.subjects) < SUBJECTS:
        return alert.subjects
    general = {name: value for name, value in alert.subjects[0].items() if name not in _DISTINGUISHING}
    return (*alert.subjects, general)


class _Layered(Struct, frozen=True):
    """The list of one rule: that of the group and the fleet together, that of the fleet, and what a device adds."""

    shared: EffectiveList[Any]
    fleet: EffectiveList[Any] | None = None
    own: EffectiveList[Any] | None = None

    def scope(self, subject: Facts, at: int) -> Scope | None:
        """Return which layer has what an alert is about on its list, None where none has."""
        asked = _asked(subject)
        if self.shared.holds(asked, at):
            return "fleet" if self.fleet is not None and self.fleet.holds(asked, at) else "group"
        return "device" if self.own is not None and self.own.holds(asked, at) else None


class _Lists:
    """The rules of one group as it stands; its lists are compiled when something is first asked of them."""

    def __init__(self, group: SecurityGroup, fleet: Layer) -> None:
        self.group = group
        self.fleet = fleet
        self._effective = {one.rule.type: one for one in effective_rules(group, fleet)}
        self._compiled: dict[str, _Layered] = {}

    def effective(self, rule_type: str, layer: Layer | None) -> EffectiveRule | None:
        """Return the rule as it is for a device with this layer, None where it is not judged by."""
        known = self._effective
        if layer is not None:
            known = {one.rule.type: one for one in effective_rules(self.group, self.fleet, layer)}
        found = known.get(rule_type)
        return found if found is not None and found.rule.enabled else None

    def of(self, rule_type: str, effective: EffectiveRule) -> _Layered:
        """Return the list of a rule as it is for the device of which the effective rule is."""
        if rule_type not in self._compiled:
            parts = dict(self._effective[rule_type].parts)
            fleet = effective_list([parts["fleet"]]) if "fleet" in parts else None
            self._compiled[rule_type] = _Layered(effective_list(parts.values(), self.group), fleet)
        shared = self._compiled[rule_type]
        own = dict(effective.parts).get("device")
        return shared if own is None else structs.replace(shared, own=effective_list([own]))


_lists: dict[str, _Lists] = {}
"""By the name of the group, the one asked last at the end: an edit takes the place of what it replaces."""


def _lists_of(group: SecurityGroup, fleet: Layer) -> _Lists:
    known = _lists.pop(group.name, None)
    if known is None or known.group is not group or known.fleet is not fleet:
        known = _Lists(group, fleet)
    _lists[group.name] = known
    while len(_lists) > GROUPS:
        _lists.pop(next(iter(_lists)), None)
    return known


def _asked(subject: Facts) -> Connection | User | Program:
    if "RemoteAddress" in subject:
        return _connection(subject)
    if "Executable" in subject:
        return Program(subject["Executable"], subject.get("Hash"))
    return User(subject.get("UserName"), subject.get("UserId"))


def _connection(subject: Facts) -> Connection:
    return Connection(
        direction="Out",
        remote=parse_address(subject["RemoteAddress"]),
        remote_port=subject.get("RemotePort"),
        protocol=subject.get("Protocol"),
    )
