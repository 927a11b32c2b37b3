"""What the management API says and is told: groups and layers between its JSON and the model's values."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from fencepost.model.alert import Alert
from fencepost.model.catalog import CATALOG
from fencepost.model.duration import iso_duration
from fencepost.model.instant import EPOCH
from fencepost.model.layer import EffectiveEntry, Layer, Scope
from fencepost.model.record import AlertChange, AuditRecord
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    EntryNote,
    ImplicitEntry,
    Members,
    Rule,
    SecurityGroup,
)

Body = dict[str, Any]
"""A mapping of JSON."""
_LISTS: dict[type, str] = {AllowlistRule: "allow", DenylistRule: "deny"}


class GroupShape(Struct, frozen=True, kw_only=True):
    """A group as the API shows it."""

    name: str
    version: int
    description: str = ""
    members: Members = Members()
    allowed_lateness: timedelta | None = None
    implicit_entries: tuple[ImplicitEntry, ...] = ()
    server_addresses: tuple[str, ...] = ()
    rules: tuple[Body, ...] = ()

    def group(self) -> SecurityGroup:
        """Return the group; raises msgspec.ValidationError for rules that this version does not know."""
        rules = tuple(rule_of(rule) for rule in self.rules)
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return SecurityGroup(**fields | {"rules": rules})


class LayerShape(Struct, frozen=True, kw_only=True):
    """A layer as the API shows it."""

    version: int = 0
    device_id: str | None = None
    rules: tuple[Body, ...] = ()

    def layer(self, device_id: str | None = None) -> Layer:
        """Return the layer; raises msgspec.ValidationError for rules that this version does not know."""
        rules = tuple(rule_of(rule) for rule in self.rules)
        return Layer(device_id=device_id or self.device_id, version=self.version, rules=rules)


class GroupPage(Struct, frozen=True):
    """Groups in the order in which they were made."""

    items: tuple[GroupShape, ...]


class LayerPage(Struct, frozen=True):
    """Some of the devices' layers; `next` asks for more."""

    items: tuple[LayerShape, ...]
    next: str | None = None


class AlertPage(Struct, frozen=True):
    """Some alerts; `next` asks for more."""

    items: tuple[Alert, ...]
    next: str | None = None


class AlertWithHistory(Struct, frozen=True):
    """An alert and the steps of its life."""

    alert: Alert
    history: tuple[AlertChange, ...] = ()


class ActResult(Struct, frozen=True):
    """What became of one of several alerts: its state, or why it is as it was."""

    alert_id: str
    state: str | None = None
    reason: str | None = None


class ActResults(Struct, frozen=True):
    """What became of several alerts, in their order."""

    results: tuple[ActResult, ...]


class AuditPage(Struct, frozen=True):
    """Some of the audit log; `next` asks for more."""

    items: tuple[AuditRecord, ...]
    next: str | None = None


class Choice(Struct, frozen=True):
    """One way to allow what alerted: its form, the entry, and in words what that covers."""

    form: str
    entry: str
    covers: str = ""


class Choices(Struct, frozen=True):
    """The ways to allow what alerted, the narrowest first."""

    items: tuple[Choice, ...] = ()


class Preview(Struct, frozen=True, kw_only=True):
    """What an entry would change, before it does."""

    scope: Scope
    subject: str | None = None
    entry: str
    until: datetime | None = None
    resolves: tuple[str, ...] = ()
    resolves_count: int = 0
    events: int = 0
    days: int = 0
    covering: tuple[EffectiveEntry, ...] = ()
    warnings: tuple[str, ...] = ()


class Mended(Struct, frozen=True, kw_only=True):
    """What was put on a list, and what came of it; without `changed` it stood there already."""

    scope: Scope
    subject: str | None = None
    entry: str
    until: datetime | None = None
    changed: bool = True
    resolved: tuple[str, ...] = ()
    resolved_count: int = 0
    warnings: tuple[str, ...] = ()


class UndoneEdit(Struct, frozen=True, kw_only=True):
    """A list from which an edit was taken back: the entries that went, and those that are back."""

    scope: Scope
    subject: str | None = None
    removed: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()


class Undone(Struct, frozen=True, kw_only=True):
    """What was taken back, and which alerts are open again."""

    edits: tuple[UndoneEdit, ...] = ()
    reopened: tuple[str, ...] = ()
    reopened_count: int = 0


def rule_of(shown: Mapping[str, Any]) -> Rule:
    """
    Return a rule of the API's JSON.

    An entry is a text, or a mapping with what is known of it; `notes` beside the list say the same.
    Raises msgspec.ValidationError.
    """
    row = CATALOG.get(shown.get("type", ""))
    if row is None:
        raise msgspec.ValidationError(f"unknown rule type {shown.get('type')!r}")
    fields: Body = dict(shown) | {"family": row.family}
    for key in _LISTS.values():
        if key in fields:
            fields[key], fields["notes"] = _list_of(fields[key], fields.get("notes") or ())
    rule: Rule = msgspec.convert(fields, type=Rule)
    return rule


def _list_of(items: Iterable[Any], notes: Iterable[Any]) -> tuple[list[str], list[Any]]:
    noted = {note["entry"]: note for note in notes}
    entries = []
    for item in items:
        entry = item if isinstance(item, str) else item["entry"]
        entries.append(entry)
        if not isinstance(item, str) and item.get("by"):
            noted[entry] = item
    return entries, [note for note in noted.values() if note.get("by")]


def body_of_group(group: SecurityGroup, known: SecurityGroup | None, now: datetime) -> Body:
    """Return what puts a group as it is; `known` is how it stands, of which unchanged notes stay."""
    lateness = group.allowed_lateness
    return {
        "description": group.description,
        "members": {"ids": group.members.ids, "globs": group.members.globs},
        "allowed_lateness": iso_duration(lateness) if lateness is not None else None,
        "implicit_entries": group.implicit_entries,
        "rules": bodies_of_rules(group.rules, known.rules if known is not None else (), now),
    }


def body_of_layer(layer: Layer, known: Layer, now: datetime) -> Body:
    """Return what puts a layer as it is; see `body_of_group`."""
    return {"rules": bodies_of_rules(layer.rules, known.rules, now)}


def bodies_of_rules(rules: Iterable[Rule], known: Iterable[Rule], now: datetime) -> list[Body]:
    """Return rules as the API takes them."""
    standing = {rule.type: rule for rule in known}
    return [_body_of_rule(rule, standing.get(rule.type), now) for rule in rules]


def _body_of_rule(rule: Rule, known: Rule | None, now: datetime) -> Body:
    body: Body = {name: getattr(rule, name) for name in rule.__struct_fields__ if name != "notes"}
    if "window" in body:
        body["window"] = iso_duration(body["window"])
    if isinstance(rule, AllowlistRule | DenylistRule):
        kept = live_notes(known, now)
        body[_LISTS[type(rule)]] = [*_items_of(rule, kept, now)]
    return body


def _items_of(
    rule: AllowlistRule | DenylistRule, kept: Mapping[str, EntryNote], now: datetime
) -> Iterator[str | Body]:
    notes = {note.entry: note for note in rule.notes}
    for entry in live_entries(rule, now):
        note = notes.get(entry)
        if note is None or is_same(note, kept.get(entry)):
            yield entry
        else:
            until = note.until.isoformat() if note.until is not None else None
            yield {"entry": entry, "reason": note.reason, "until": until, **_authorship_of(note)}


def _authorship_of(note: EntryNote) -> Body:
    """Return what a note states of who put the entry there, and when; what is left out is filled in by the service."""
    told = {"by": note.by, "at": note.at.isoformat() if note.at != EPOCH else None, "alert_id": note.alert_id}
    return {name: value for name, value in told.items() if value}


def live_entries(rule: AllowlistRule | DenylistRule, now: datetime) -> list[str]:
    """Return the entries of a list that have not ended, each once."""
    ended = {note.entry for note in rule.notes if note.until is not None and note.until <= now}
    return [entry for entry in dict.fromkeys(rule.entries) if entry not in ended]


def live_notes(rule: Rule | None, now: datetime) -> dict[str, EntryNote]:
    """Return the notes of a list's entries that have not ended."""
    if not isinstance(rule, AllowlistRule | DenylistRule):
        return {}
    return {note.entry: note for note in rule.notes if note.until is None or note.until > now}


def is_same(one: EntryNote, other: EntryNote | None) -> bool:
    """Return whether two notes say the same of an entry, whoever wrote them."""
    return other is not None and (one.reason, one.until) == (other.reason, other.until)
