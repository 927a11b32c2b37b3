"""Rules as JSON: one shape for what is put and what is shown, so that what is shown can be put again."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from fencepost.model.catalog import CATALOG
from fencepost.model.errors import Problem
from fencepost.model.layer import counts_at
from fencepost.model.rule import (
    FAMILIES,
    LONGEST_REASON,
    MAXIMUM_BOUND,
    MAXIMUM_ENTRIES,
    EntryNote,
    Rule,
    problems_of,
)
from fencepost.web.api.codec import Moment, built, derived, duration_in, said, utc, written

MOST_RULES = 100
LISTS = ("allow", "deny")
RuleTypeName = Annotated[str, Meta(extra_json_schema={"enum": list(CATALOG)})]
"""Limits are documented here, and checked with all else so that all problems are said at once."""


class NoteBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """
    An entry of a list with what is known of it: who put it there, when and why, and until when it counts.

    `by` and `at` are who puts it and now where they are left out. `expired` is said of entries that count no
    more; sent back it says nothing.
    """

    entry: str
    by: str = ""
    at: Moment | None = None
    reason: Annotated[str, Meta(extra_json_schema={"maxLength": LONGEST_REASON})] = ""
    until: Moment | None = None
    alert_id: str | None = None
    expired: bool = False


Entries = Annotated[tuple[str | NoteBody, ...], Meta(extra_json_schema={"maxItems": MAXIMUM_ENTRIES})]
Bound = Annotated[int, Meta(extra_json_schema={"minimum": 0, "maximum": MAXIMUM_BOUND})]
_MEANINGS = {
    "type": "Its row of the catalogue, which decides the members that a rule has: see /v1/rule-types.",
    "enabled": "Whether it is judged by.",
    "severity": "How severe its alerts are; left out, or null, as the catalogue says.",
    "description": "What the owner wants to be remembered of it.",
    "min": "The least number that is in order.",
    "max": "The largest number that is in order, not less than min.",
    "window": "In which time the number is counted, between PT1S and P2D.",
    "count": "Whether sign-ins are counted as attempts, or record by record.",
    "alert_on": "Whether a number that is only possible may alert.",
    "allow": "The entries of a list that allows; an empty one allows nothing. Put, one may be an object.",
    "deny": "The entries of a list that denies. Put, one may be an object.",
    "notes": "What is known of some of the entries; left out, entries keep what was known and has not expired.",
}


@derived(*FAMILIES.values(), meanings=_MEANINGS)
class RuleBody(Struct):
    """A rule; which members belong to it follows from its type, as in the groups file."""

    type: RuleTypeName
    min: Bound
    max: Bound
    allow: Entries
    deny: Entries
    notes: tuple[NoteBody, ...]


def rules_of(bodies: Iterable[RuleBody], now: datetime, problems: list[Problem]) -> tuple[Rule, ...]:
    """Return the rules that are written, with all problems that they have."""
    read = (rule_of(body, f"rules[{index}]", now, problems) for index, body in enumerate(bodies))
    return tuple(rule for rule in read if rule is not None)


def rule_of(body: RuleBody, path: str, now: datetime, problems: list[Problem]) -> Rule | None:
    """Return the rule that is written at a path, None where there are problems."""
    members = said(body)
    row = CATALOG.get(members["type"])
    if row is None:
        problems.append(Problem(f"{path}.type", f"unknown rule type {members['type']!r}"))
        return None
    family = FAMILIES[row.family]
    found = list(_misfits(members, family, row.family, path))
    if not found:
        rule = family(**_read(members, path, now, found))
        found += () if found else problems_of(rule, path)
    problems += found
    return None if found else rule


def rule_body(rule: Rule, now: datetime, *without: str) -> RuleBody:
    """Return a rule as it is shown, perhaps without some of its members."""
    members = {
        name: value for name, value in written(rule, *without).items() if value is not None and value != ()
    }
    for name in LISTS:  # an empty list says something: it allows nothing
        if name in rule.__struct_fields__ and name not in without:
            members[name] = getattr(rule, name)
    if "notes" in members:
        members["notes"] = tuple(note_body(note, now) for note in members["notes"])
    return built(RuleBody, **members)


def note_body(note: EntryNote, now: datetime) -> NoteBody:
    """Return what is known of an entry as it is shown."""
    return NoteBody(**written(note), expired=not counts_at(note, now))


def without_alerts(rule: Rule) -> Rule:
    """Return a rule whose notes do not say from which alerts it was mended."""
    notes = getattr(rule, "notes", ())
    if not any(note.alert_id for note in notes):
        return rule
    plain = tuple(msgspec.structs.replace(note, alert_id=None) for note in notes)
    return msgspec.structs.replace(rule, notes=plain)


def _misfits(members: dict[str, Any], family: type[Rule], name: str, path: str) -> Iterator[Problem]:
    for key in members:
        if key not in family.__struct_fields__:
            yield Problem(f"{path}.{key}", f"{key} does not belong to a rule of the family {name}")
    needed = [field.name for field in msgspec.structs.fields(family) if field.required or field.name in LISTS]
    for key in needed:
        if key not in members:  # a list that was forgotten must not be one that allows nothing (S16)
            yield Problem(f"{path}.{key}", f"a rule of the family {name} needs {key}")


def _read(members: dict[str, Any], path: str, now: datetime, found: list[Problem]) -> dict[str, Any]:
    """Return the members as the model has them."""
    read = dict(members)
    if "window" in read:
        read["window"] = duration_in(read["window"], f"{path}.window", found)
    for name in LISTS:
        if name in read:
            items = read[name]
            read[name] = tuple(item if isinstance(item, str) else item.entry for item in items)
            notes = (item for item in items if not isinstance(item, str))
            read["notes"] = tuple(_note(note, now) for note in (*notes, *read.get("notes", ())))
    return read


def _note(body: NoteBody, now: datetime) -> EntryNote:
    return EntryNote(
        entry=body.entry,
        by=body.by,
        at=utc(body.at) if body.at is not None else now,
        reason=body.reason,
        until=utc(body.until) if body.until is not None else None,
        alert_id=body.alert_id,
    )
