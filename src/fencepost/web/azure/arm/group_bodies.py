"""
Security groups as Azure sees them: the standard rules of a group, all of them, in their order.

What Azure cannot say of a group is the owner's, and stays through every PUT: members, lateness, the rules that
Azure never had, of its rules the severity, the owner's words and how is counted, and entries that have expired.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, structs

from fencepost.model.catalog import CATALOG, RuleType
from fencepost.model.duration import iso_duration
from fencepost.model.errors import Problem
from fencepost.model.layer import counts_at
from fencepost.model.rule import (
    MAXIMUM_BOUND,
    MAXIMUM_ENTRIES,
    AllowlistRule,
    Rule,
    SecurityGroup,
    TimeWindowRule,
    problems_of,
)
from fencepost.model.solution import GroupSpelling
from fencepost.web.azure.arm.reading import Node, read
from fencepost.web.azure.arm.service import Place

TYPE = "Microsoft.Security/deviceSecurityGroups"
FAMILIES = {"timeWindow": "timeWindowRules", "allowlist": "allowlistRules"}
STANDARD = {row.name: row for row in CATALOG.values() if row.family in FAMILIES}
"""The rule types that Azure's clients know, in the order in which its service lists them."""
UNPUBLISHED = frozenset({"ConnectionFromIpNotAllowed"})
"""Known to the clients, but in no answer of the service: shown where somebody has set it."""
THRESHOLD, DENYLIST = "ThresholdCustomAlertRule", "DenylistCustomAlertRule"
"""The base classes of the families of which Azure has no rule type: all that clients can send of them."""
NOT_JUDGED = "Kept and shown again, but judged by nobody: Azure has no rule type of this family."
MOST_RULES = 100
ANY_ENTRY = "0.0.0.0"  # noqa: S104 - it is in order on every list
_MEMBERS = {
    ".type": ".ruleType",
    ".min": ".minThreshold",
    ".max": ".maxThreshold",
    ".window": ".timeWindowSize",
    ".allow": ".allowlistValues",
}


class SentGroup(Struct, frozen=True, kw_only=True):
    """What a client wants a group to be: the standard rules by type, and how it spelled them."""

    rules: Mapping[str, Rule]
    spelling: GroupSpelling


def default_of(row: RuleType) -> Rule:
    """Return a standard rule as it is where nobody has set it."""
    if row.family == "allowlist":
        return AllowlistRule(type=row.name, enabled=False)
    return TimeWindowRule(type=row.name, enabled=False, min=0, max=0, window=timedelta(minutes=15))


# what is shown


def shown(
    group: SecurityGroup, spelling: GroupSpelling | None, place: Place, now: datetime
) -> dict[str, Any]:
    """Return a group as Azure's service answers it; entries that have expired are not on the list."""
    said = (
        spelling if spelling is not None and spelling.version <= group.version else GroupSpelling(version=1)
    )
    known = {rule.type: rule for rule in group.rules}
    rows = [row for name, row in STANDARD.items() if name in known or name not in UNPUBLISHED]
    of_family = {
        member: [
            _rule_shown(known.get(row.name) or default_of(row), row, said, now)
            for row in rows
            if row.family == family
        ]
        for family, member in FAMILIES.items()
    }
    properties = {
        "thresholdRules": list(said.threshold_rules),
        **of_family,
        "denylistRules": list(said.denylist_rules),
    }
    return {
        "id": f"{place.hub}/providers/{TYPE}/{group.name}",
        "name": group.name,
        "type": TYPE,
        "properties": properties,
    }


def _rule_shown(rule: Rule, row: RuleType, said: GroupSpelling, now: datetime) -> dict[str, Any]:
    head = {
        "ruleType": row.name,
        "displayName": _display_name(row),
        "description": row.description,
        "isEnabled": rule.enabled,
    }
    match rule:
        case AllowlistRule():
            return {**head, "valueType": row.value_type, "allowlistValues": _counting(rule, now)}
        case TimeWindowRule():
            return {
                **head,
                "minThreshold": rule.min,
                "maxThreshold": rule.max,
                "timeWindowSize": _duration(rule, said),
            }
        case _:
            raise AssertionError(rule)  # the catalogue says otherwise


def _display_name(row: RuleType) -> str:
    name = row.alert_name.removeprefix("Custom alert - ")
    return name[0].upper() + name[1:]


def _duration(rule: TimeWindowRule, said: GroupSpelling) -> str:
    written = said.durations.get(rule.type)
    return written if written is not None and _span(written) == rule.window else iso_duration(rule.window)


def _span(written: str) -> timedelta | None:
    try:
        return msgspec.convert(written, timedelta)
    except (msgspec.ValidationError, OverflowError):
        return None


def _counting(rule: AllowlistRule, now: datetime) -> list[str]:
    expired = _expired(rule, now)
    return [entry for entry in rule.allow if entry not in expired]


def _expired(rule: AllowlistRule, now: datetime) -> set[str]:
    return {note.entry for note in rule.notes if not counts_at(note, now)}


# what is put


def merged(known: SecurityGroup | None, name: str, sent: Mapping[str, Rule], now: datetime) -> SecurityGroup:
    """Return a group with the standard rules that were sent, the others at their defaults, and all else as it was."""
    group = known or SecurityGroup(name=name)
    standing = {rule.type: rule for rule in group.rules}
    rules = [_put(rule, sent.get(rule.type), now) if rule.type in STANDARD else rule for rule in group.rules]
    rules += [sent[type_] for type_ in STANDARD if type_ in sent and type_ not in standing]
    said = (rule for rule in rules if rule.type not in STANDARD or not _is_default(rule, sent))
    return structs.replace(group, rules=tuple(said))


def _is_default(rule: Rule, sent: Mapping[str, Rule]) -> bool:
    """Whether a rule goes without saying; one that is shown only where it was set was set."""
    is_said = rule.type in UNPUBLISHED and rule.type in sent
    return not is_said and rule == default_of(STANDARD[rule.type])


def _put(rule: Rule, sent: Rule | None, now: datetime) -> Rule:
    """Return a standing rule with what Azure says of it, or at its default, and the rest as it was."""
    wanted = sent or default_of(STANDARD[rule.type])
    match rule, wanted:
        case AllowlistRule(), AllowlistRule():
            given = set(wanted.allow)
            kept = [note for note in rule.notes if note.entry not in given and not counts_at(note, now)]
            allow = (*wanted.allow, *(note.entry for note in kept))
            return structs.replace(rule, enabled=wanted.enabled, allow=allow, notes=tuple(kept))
        case TimeWindowRule(), TimeWindowRule():
            return structs.replace(
                rule, enabled=wanted.enabled, min=wanted.min, max=wanted.max, window=wanted.window
            )
        case _:
            raise AssertionError(rule)  # the type decides the family


# what is sent


def sent_group(body: bytes) -> SentGroup:
    """Return what a body wants; raises ArmError with all that is wrong, each problem with its path."""
    root = read(body)
    properties = root.member("properties")
    rules: dict[str, Rule] = {}
    durations: dict[str, str] = {}
    for family, member in FAMILIES.items():
        for node in properties.member(member).items(MOST_RULES):
            _take(node, family, rules, durations)
    thresholds = [_threshold(node) for node in properties.member("thresholdRules").items(MOST_RULES)]
    denials = [_denylist(node) for node in properties.member("denylistRules").items(MOST_RULES)]
    root.check()
    spelling = GroupSpelling(
        version=1,
        threshold_rules=tuple(thresholds),
        denylist_rules=tuple(denials),
        durations=durations,
    )
    return SentGroup(rules=rules, spelling=spelling)


def _take(node: Node, family: str, rules: dict[str, Rule], durations: dict[str, str]) -> None:
    """Add the rule that stands at a place; what is wrong with it is noted, and stood in for, to judge the rest."""
    name = node.text("ruleType", required=True)
    reason = _misfit(name, family, rules) if name is not None else None
    if reason is not None:
        node.member("ruleType").fault(reason)
    standing_in = next(iter(_names(family)))
    fits = name is not None and reason is None
    if family == "allowlist":
        rule: Rule = _allowlist(node, name if name is not None and fits else standing_in)
        judged = fits  # what an entry is depends on the type
    else:
        rule, judged = _time_window(node, name if name is not None and fits else standing_in), True
    node.problems += [_ours_in_theirs(one) for one in problems_of(rule, node.path)] if judged else []
    if not fits:
        return
    rules[rule.type] = rule
    written = node.member("timeWindowSize").value
    if isinstance(rule, TimeWindowRule) and isinstance(written, str) and written != iso_duration(rule.window):
        durations[rule.type] = written


def _misfit(name: str, family: str, rules: Mapping[str, Rule]) -> str | None:
    row = CATALOG.get(name)
    if row is None:
        return f"unknown rule type {name!r}: it is one of {', '.join(_names(family))}"
    if row.name not in STANDARD:
        return f"{name} is a rule type of Fencepost's own, not of Azure: PUT /v1/groups takes it"
    if row.family != family:
        return f"{name} belongs to {FAMILIES[row.family]}"
    return f"{name} stands twice in this group" if name in rules else None


def _names(family: str) -> Iterable[str]:
    return (name for name, row in STANDARD.items() if row.family == family)


def _allowlist(node: Node, name: str) -> AllowlistRule:
    enabled = node.flag("isEnabled", required=True)
    entries = []
    for one in node.member("allowlistValues", required=True).items(MAXIMUM_ENTRIES):
        if not isinstance(one.value, str):
            one.fault("this is a text")
        entries.append(one.value if isinstance(one.value, str) else ANY_ENTRY)
    return AllowlistRule(type=name, enabled=bool(enabled), allow=tuple(entries))


def _time_window(node: Node, name: str) -> TimeWindowRule:
    enabled = node.flag("isEnabled", required=True)
    low, high = node.number("minThreshold", MAXIMUM_BOUND), node.number("maxThreshold", MAXIMUM_BOUND)
    written = node.text("timeWindowSize", required=True, longest=64)
    window = _span(written) if written is not None else None
    if written is not None and window is None:
        node.member("timeWindowSize").fault(
            f"{written!r} is no ISO 8601 duration: write it as in PT5M or PT1H30M"
        )
    return TimeWindowRule(
        type=name,
        enabled=bool(enabled),
        min=low or 0,
        max=max(low or 0, 0) if high is None else high,
        window=timedelta(minutes=15) if window is None else window,
    )


def _ours_in_theirs(problem: Problem) -> Problem:
    """Return a problem with the name that Azure has for the member of a rule."""
    head, bracket, tail = problem.path.rpartition("]")
    if tail:
        return structs.replace(problem, path=f"{head}{bracket}{_MEMBERS.get(tail, tail)}")
    rule, dot, member = problem.path.rpartition(".")
    name, bracket, index = member.partition("[")
    return structs.replace(problem, path=f"{rule}{_MEMBERS.get(dot + name, dot + name)}{bracket}{index}")


def _threshold(node: Node) -> dict[str, Any]:
    """Return a rule of a base class as it is shown again."""
    _expect(node, THRESHOLD)
    enabled = node.flag("isEnabled", required=True)
    low, high = node.number("minThreshold", MAXIMUM_BOUND), node.number("maxThreshold", MAXIMUM_BOUND)
    if low is not None and low < 0:
        node.member("minThreshold").fault("min is not negative")
    if low is not None and high is not None and high < low:
        node.member("maxThreshold").fault(f"max ({high}) is less than min ({low})")
    head = {"ruleType": THRESHOLD, "displayName": "Threshold", "description": NOT_JUDGED}
    return {**head, "isEnabled": enabled, "minThreshold": low, "maxThreshold": high}


def _denylist(node: Node) -> dict[str, Any]:
    _expect(node, DENYLIST)
    enabled = node.flag("isEnabled", required=True)
    values = node.member("denylistValues", required=True).texts(MAXIMUM_ENTRIES)
    head = {"ruleType": DENYLIST, "displayName": "Deny list", "description": NOT_JUDGED}
    return {**head, "isEnabled": enabled, "valueType": "String", "denylistValues": list(values)}


def _expect(node: Node, name: str) -> None:
    said = node.text("ruleType", required=True)
    if said is not None and said != name:
        node.member("ruleType").fault(f"unknown rule type {said!r}: this family has {name} only")
