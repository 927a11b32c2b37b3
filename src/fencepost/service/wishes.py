"""What somebody wishes for a list when they mend it from an alert, and the list as it would then be."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct, structs

from fencepost.engine.rejudge import judge_again
from fencepost.model.alert import Alert
from fencepost.model.errors import Problem
from fencepost.model.layer import (
    EffectiveEntry,
    EffectiveRule,
    Layer,
    Layers,
    ListRule,
    Scope,
    counts_at,
    effective_rules,
)
from fencepost.model.rule import AllowlistRule, DenylistRule, EntryNote, SecurityGroup, problems_of
from fencepost.service.choices import opened

LONGEST_REASON = 500
Subject = SecurityGroup | Layer
"""Whose list is mended: a group's, or that of a layer."""


class Wish(Struct, frozen=True, kw_only=True):
    """
    An entry that is to allow what an alert is about: for the device, its group, or the fleet, and until when.

    For a deny-list it is the entry that is to be taken away.
    """

    scope: Scope
    entry: str
    reason: str = ""
    until: datetime | None = None


class Stand(Struct, frozen=True, kw_only=True):
    """What is in force, or what would be: groups by their names without case, and the layers."""

    groups: dict[str, SecurityGroup]
    layers: Layers

    def resolves(self, alert: Alert, at: datetime) -> bool:
        """Return whether an alert, were it open, would resolve by what is in force."""
        group = self.groups.get(alert.group.casefold())
        return group is not None and judge_again(opened(alert), group, at, self.layers) is not None

    def parts(self, alert: Alert, rule_type: str) -> EffectiveRule | None:
        """Return a rule as it is for an alert's device in the alert's group."""
        group, layers = self.groups[alert.group.casefold()], self.layers
        rules = effective_rules(group, layers.fleet, layers.of(alert.device_id))
        return next((one for one in rules if one.rule.type == rule_type), None)

    def replaced(self, subject: Subject) -> "Stand":
        """Return the same with one of its parts changed."""
        fleet, devices = self.layers.fleet, self.layers.devices
        match subject:
            case SecurityGroup():
                return structs.replace(self, groups={**self.groups, subject.name.casefold(): subject})
            case Layer(device_id=None):
                return structs.replace(self, layers=Layers(subject, devices))
            case Layer():
                return structs.replace(
                    self, layers=Layers(fleet, {**devices, str(subject.device_id): subject})
                )


def problems_of_wish(wish: Wish, rule: ListRule, now: datetime) -> Iterator[Problem]:
    """Yield everything about a wish for a list that somebody must mend."""
    note = EntryNote(entry=wish.entry, by="-", at=now, reason=wish.reason, until=wish.until)
    alone: ListRule = (
        AllowlistRule(type=rule.type, allow=(wish.entry,), notes=(note,))
        if isinstance(rule, AllowlistRule)
        else DenylistRule(type=rule.type, deny=(wish.entry,), notes=(note,))
    )
    for problem in problems_of(alone):
        member = problem.path.rpartition(".")[2]
        yield structs.replace(problem, path=member if member in ("reason", "until") else "entry")
    if len(wish.reason) > LONGEST_REASON:
        yield Problem("reason", f"a reason has at most {LONGEST_REASON} characters")
    if wish.until is not None and isinstance(rule, DenylistRule):
        yield Problem("until", "an entry that is taken off a deny-list does not come back by itself")
    elif wish.until is not None and wish.until <= now:
        yield Problem("until", "the end lies in the past")


def rule_of(subject: Subject, alert: Alert) -> ListRule | None:
    """Return the list of a group or a layer that an alert is of."""
    found = next((rule for rule in subject.rules if rule.type == alert.rule_type), None)
    return found if isinstance(found, AllowlistRule | DenylistRule) else None


def standing_entry(subject: Subject, alert: Alert, entry: str) -> EffectiveEntry | None:
    """Return an entry of the list, whether it still counts or not, with its note."""
    rule = rule_of(subject, alert)
    if rule is None or entry not in rule.entries:
        return None
    note = next((note for note in rule.notes if note.entry == entry), None)
    return EffectiveEntry(entry, scope_of(subject), note)


def scope_of(subject: Subject) -> Scope:
    """Return which scope an edit of a group or a layer has."""
    if isinstance(subject, SecurityGroup):
        return "group"
    return "fleet" if subject.device_id is None else "device"


def name_of(subject: Subject) -> str | None:
    """Return the group's name or the device's id, None for the fleet."""
    return subject.name if isinstance(subject, SecurityGroup) else subject.device_id


def title_of(subject: Subject) -> str:
    """Return what people call a group or a layer."""
    match scope_of(subject):
        case "group":
            return f"the group {name_of(subject)}"
        case "device":
            return f"the device {name_of(subject)}"
        case "fleet":
            return "the fleet"


def is_granted(standing: EffectiveEntry | None, wish: Wish, now: datetime) -> bool:
    """Return whether an entry that stands there counts as long as is wished."""
    if standing is None or not counts_at(standing.note, now):
        return False
    until = standing.note.until if standing.note is not None else None
    return until is None or (wish.until is not None and wish.until <= until)


def with_entry(subject: Subject, alert: Alert, note: EntryNote) -> Subject:
    """Return the group or layer with an entry on its allow-list, and the note of that."""
    rule = rule_of(subject, alert)
    known = rule if isinstance(rule, AllowlistRule) else AllowlistRule(type=alert.rule_type)
    allow = known.allow if note.entry in known.allow else (*known.allow, note.entry)
    notes = (*(one for one in known.notes if one.entry != note.entry), note)
    return with_rule(subject, structs.replace(known, allow=allow, notes=notes))


def without_entry(subject: Subject, alert: Alert, entry: str) -> Subject:
    """Return the group or layer without an entry of the list."""
    rule = rule_of(subject, alert)
    if rule is None:
        return subject
    entries = tuple(one for one in rule.entries if one != entry)
    return with_rule(subject, with_entries(rule, entries, rule.notes))


def with_entries(rule: ListRule, entries: tuple[str, ...], notes: tuple[EntryNote, ...]) -> ListRule:
    """Return a list with other entries, and of the notes those that are of them."""
    left = set(entries)
    kept = tuple(note for note in notes if note.entry in left)
    if isinstance(rule, AllowlistRule):
        return structs.replace(rule, allow=entries, notes=kept)
    return structs.replace(rule, deny=entries, notes=kept)


def with_rule(subject: Subject, rule: ListRule) -> Subject:
    """Return the group or layer with a rule in the place of the one of its type."""
    if any(one.type == rule.type for one in subject.rules):
        rules = tuple(rule if one.type == rule.type else one for one in subject.rules)
    else:
        rules = (*subject.rules, rule)
    return structs.replace(subject, rules=rules)
