"""What two states of the expectations do not share: rule by rule, entry by entry."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, to_builtins

from fencepost.client.management_shapes import is_same, live_entries, live_notes
from fencepost.model.duration import iso_duration
from fencepost.model.layer import Layer, ListRule
from fencepost.model.rule import AllowlistRule, DenylistRule, EntryNote, Rule, SecurityGroup

Sign = Literal["+", "-", "~"]
ENTRY, RULE = "entry", "rule"
_LIST_KEYS = frozenset({"type", "allow", "deny", "notes"})
_COMMON = frozenset({"enabled", "severity", "description"})
"""What stands behind the bounds of a rule."""


class Difference(Struct, frozen=True, kw_only=True):
    """
    One thing that two states do not share; None is what is not there.

    `rule` is the type of the rule, None for a group's own keys. `key` is `rule` for all of one, `entry` for one
    entry of its list, else the key of the groups file.
    """

    rule: str | None = None
    key: str
    before: Any = None
    after: Any = None

    @property
    def sign(self) -> Sign:
        return "+" if self.before is None else "-" if self.after is None else "~"


def differences_of_groups(
    before: SecurityGroup | None, after: SecurityGroup, now: datetime
) -> tuple[Difference, ...]:
    """
    Return what is to be done to a group so that it becomes another one.

    The order of rules and of entries means nothing, and so do entries that have ended. An entry that `after`
    names without a note keeps the one it has.
    """
    old = before or SecurityGroup(name=after.name)
    return (*_of_own_keys(old, after), *_of_rules(old.rules, after.rules, now))


def differences_of_layers(before: Layer, after: Layer, now: datetime) -> tuple[Difference, ...]:
    """Return what is to be done to a layer so that it becomes another one; see `differences_of_groups`."""
    return tuple(_of_rules(before.rules, after.rules, now, is_layer=True))


def _of_own_keys(old: SecurityGroup, new: SecurityGroup) -> Iterator[Difference]:
    if old.description != new.description:
        yield Difference(key="description", before=old.description or None, after=new.description or None)
    for key in ("ids", "globs"):
        yield from _of_words(f"members.{key}", getattr(old.members, key), getattr(new.members, key))
    if old.allowed_lateness != new.allowed_lateness:
        spans = (old.allowed_lateness, new.allowed_lateness)
        before, after = (iso_duration(span) if span is not None else None for span in spans)
        yield Difference(key="allowed_lateness", before=before, after=after)
    yield from _of_words("implicit_entries", old.implicit_entries, new.implicit_entries)


def _of_words(key: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Difference]:
    known, wanted = dict.fromkeys(old), dict.fromkeys(new)
    yield from (Difference(key=key, before=word) for word in known if word not in wanted)
    yield from (Difference(key=key, after=word) for word in wanted if word not in known)


def _of_rules(
    old: Iterable[Rule], new: Iterable[Rule], now: datetime, *, is_layer: bool = False
) -> Iterator[Difference]:
    known, wanted = {rule.type: rule for rule in old}, {rule.type: rule for rule in new}
    for rule_type in dict.fromkeys([*wanted, *known]):
        before, after = known.get(rule_type), wanted.get(rule_type)
        has_keys = not (is_layer and isinstance(after or before, AllowlistRule | DenylistRule))
        if before is None or after is None:
            keys = (_keys_of(rule) if rule is not None else None for rule in (before, after))
            yield Difference(rule=rule_type, key=RULE, **dict(zip(("before", "after"), keys, strict=True)))
        elif has_keys:
            yield from _of_keys(rule_type, _keys_of(before), _keys_of(after))
        yield from _of_entries(rule_type, before, after, now)


def _keys_of(rule: Rule) -> dict[str, Any]:
    """Return what a rule says besides its list, in the words of the groups file, without what is usual."""
    usual = {
        "enabled": True,
        "severity": None,
        "description": None,
        "count": "attempts",
        "alert_on": "certain",
    }
    names = sorted(rule.__struct_fields__, key=_COMMON.__contains__)
    shown = {name: getattr(rule, name) for name in names if name not in _LIST_KEYS}
    if "window" in shown:
        shown["window"] = iso_duration(shown["window"])
    return {name: value for name, value in shown.items() if name not in usual or value != usual[name]}


def _of_keys(rule_type: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key, _USUAL.get(key)), new.get(key, _USUAL.get(key))
        if before != after:
            yield Difference(rule=rule_type, key=key, before=before, after=after)


_USUAL: dict[str, Any] = {"enabled": True, "count": "attempts", "alert_on": "certain"}
"""What is shown of a key where one of two rules does not state it."""


def _of_entries(
    rule_type: str, before: Rule | None, after: Rule | None, now: datetime
) -> Iterator[Difference]:
    known, wanted = _entries_of(before, now), _entries_of(after, now)
    for entry, note in known.items():
        if entry not in wanted:
            yield Difference(rule=rule_type, key=ENTRY, before=shown_entry(entry, note))
    for entry, note in wanted.items():
        if entry not in known:
            yield Difference(rule=rule_type, key=ENTRY, after=shown_entry(entry, note))
        elif note is not None and not is_same(note, known[entry] or _bare(note)):
            yield Difference(
                rule=rule_type,
                key=ENTRY,
                before=shown_entry(entry, known[entry]),
                after=shown_entry(entry, note),
            )


def _entries_of(rule: Rule | None, now: datetime) -> dict[str, EntryNote | None]:
    if not isinstance(rule, ListRule):
        return {}
    notes = live_notes(rule, now)
    return {entry: notes.get(entry) for entry in live_entries(rule, now)}


def _bare(note: EntryNote) -> EntryNote:
    """Return the note of an entry of which nothing is known."""
    return EntryNote(entry=note.entry, by=note.by, at=note.at)


def shown_entry(entry: str, note: EntryNote | None) -> dict[str, Any]:
    """Return an entry with what people must know of it."""
    if note is None:
        return {"entry": entry}
    told = {"entry": entry, "reason": note.reason or None, "until": note.until}
    return {name: to_builtins(value) for name, value in told.items() if value is not None}
