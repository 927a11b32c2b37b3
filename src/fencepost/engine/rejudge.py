"""What an edit of a group makes of its open alerts (S24)."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

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
            implicit = group.implicit_addresses()
            return all(_listed(rule, rule.allow, implicit, one) for one in _subjects(alert))
        case DenylistRule():
            return not any(_listed(rule, rule.deny, (), one) for one in _subjects(alert))


def _subjects(alert: Alert) -> Sequence[Facts]:
    """Where there were too many to remember, only an entry that covers all their kind will do."""
    if len(alert.subjects) < SUBJECTS:
        return alert.subjects
    general = {name: value for name, value in alert.subjects[0].items() if name not in _DISTINGUISHING}
    return (*alert.subjects, general)


def _listed(rule: Rule, entries: Sequence[str], implicit: Sequence[str], subject: Facts) -> bool:
    match rule.row.subject:
        case "connection":
            return _addresses(tuple(entries), tuple(implicit)).holds(_connection(subject))
        case "sign-in":
            return _users(tuple(entries)).holds(User(subject.get("UserName"), subject.get("UserId")))
        case _:
            path = canonical_path(subject["Executable"])
            return _processes(tuple(entries)).holds(path, subject.get("Hash"))


_addresses = lru_cache(maxsize=8)(AddressList)
_users = lru_cache(maxsize=8)(UserList)
_processes = lru_cache(maxsize=8)(ProcessList)


def _connection(subject: Facts) -> Connection:
    return Connection(
        direction="Out",
        remote=parse_address(subject["RemoteAddress"]),
        remote_port=subject.get("RemotePort"),
        protocol=subject.get("Protocol"),
    )
