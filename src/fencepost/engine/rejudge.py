"""What an edit of a group makes of its open alerts (S24)."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import structs

from fencepost.engine.addresses import AddressList
from fencepost.engine.names import ProcessList, User, UserList, canonical_path
from fencepost.model.address import parse_address
from fencepost.model.alert import TRANSITIONS, Alert, Facts
from fencepost.model.event import Connection
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    Rule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)

SUBJECTS = 16
"""Different things that a list alert remembers having been asked about."""
GROUPS = 8
"""Groups whose lists are kept compiled: devices that move one by one may go to several in turn."""
_ListRule = AllowlistRule | DenylistRule
_DISTINGUISHING = ("RemotePort", "Protocol", "Hash")


def judge_again(alert: Alert, group: SecurityGroup, at: datetime) -> Alert | None:
    """Return the alert as an edit of its rule leaves it, None if the edit changes nothing (S24)."""
    if (alert.state, "allow") not in TRANSITIONS or alert.merged_into is not None:
        return None
    rule = next((rule for rule in group.rules if rule.type == alert.rule_type and rule.enabled), None)
    if rule is None:
        reason = f"the group {group.name} no longer has this rule"
    elif _allows(rule, group, alert):
        reason = f"allowed by the group {group.name}, version {group.version}"
    else:
        return None
    return structs.replace(
        alert, state=TRANSITIONS[alert.state, "allow"], reason=reason, ended_at=at, ended_by="allow"
    )


def _allows(rule: Rule, group: SecurityGroup, alert: Alert) -> bool:
    match rule:
        case TimeWindowRule() | ThresholdRule():
            return rule.min <= alert.count <= rule.max
        case AllowlistRule():
            lists = _lists_of(group)
            return all(lists.hold(rule, one) for one in _subjects(alert))
        case DenylistRule():
            lists = _lists_of(group)
            return not any(lists.hold(rule, one) for one in _subjects(alert))


def _subjects(alert: Alert) -> Sequence[Facts]:
    """Where there were too many to remember, only an entry that covers all their kind will do."""
    if len(alert.subjects) < SUBJECTS:
        return alert.subjects
    general = {name: value for name, value in alert.subjects[0].items() if name not in _DISTINGUISHING}
    return (*alert.subjects, general)


class _Lists:
    """The lists of one group as it stands, each compiled when something is first asked of it."""

    def __init__(self, group: SecurityGroup) -> None:
        self.group = group
        self._compiled: dict[str, AddressList | UserList | ProcessList] = {}

    def hold(self, rule: _ListRule, subject: Facts) -> bool:
        """Return whether the rule's list holds what an alert is about."""
        if rule.type not in self._compiled:
            self._compiled[rule.type] = self._compile(rule)
        match self._compiled[rule.type]:
            case AddressList() as addresses:
                return addresses.holds(_connection(subject))
            case UserList() as users:
                return users.holds(User(subject.get("UserName"), subject.get("UserId")))
            case ProcessList() as processes:
                return processes.holds(canonical_path(subject["Executable"]), subject.get("Hash"))

    def _compile(self, rule: _ListRule) -> AddressList | UserList | ProcessList:
        match rule:
            case AllowlistRule():
                entries, implicit = rule.allow, self.group.implicit_addresses()
            case DenylistRule():
                entries, implicit = rule.deny, ()
        match rule.row.subject:
            case "connection":
                return AddressList(entries, implicit)
            case "sign-in":
                return UserList(entries)
            case _:
                return ProcessList(entries)


_lists: dict[str, _Lists] = {}
"""By the name of the group, the one asked last at the end: an edit takes the place of what it replaces."""


def _lists_of(group: SecurityGroup) -> _Lists:
    known = _lists.pop(group.name, None)
    if known is None or known.group is not group:
        known = _Lists(group)
    _lists[group.name] = known
    while len(_lists) > GROUPS:
        _lists.pop(next(iter(_lists)), None)
    return known


def _connection(subject: Facts) -> Connection:
    return Connection(
        direction="Out",
        remote=parse_address(subject["RemoteAddress"]),
        remote_port=subject.get("RemotePort"),
        protocol=subject.get("Protocol"),
    )
