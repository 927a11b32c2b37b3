"""The inverse of an edit that mended a list from an alert, on the list as it stands now."""

from collections.abc import Iterable

from msgspec import Struct

from fencepost.model.alert import Alert
from fencepost.model.layer import ListRule, Scope
from fencepost.model.record import MendedEdit
from fencepost.model.rule import AllowlistRule, EntryNote
from fencepost.service.wishes import Subject, name_of, rule_of, scope_of, with_entries, with_rule


class UndoneEdit(Struct, frozen=True, kw_only=True):
    """A list that stands as before: the entries that went, and those that are back, or have the note they had."""

    scope: Scope
    subject: str | None
    removed: list[str]
    restored: list[str]


def latest_mends(edits: Iterable[MendedEdit]) -> list[MendedEdit]:
    """Return of the edits of one subject, the latest first, those that have not been undone."""
    found: list[MendedEdit] = []
    for edit in edits:
        if edit.action == "undo":
            break
        found.append(edit)
    return found


def undone(subject: Subject, alert: Alert, edit: MendedEdit) -> Subject:
    """
    Return a group or layer as if an edit had not been, as far as nobody has changed the same entries since.

    What the edit put on an allow-list goes, or has the note again that it had; what it took off a deny-list
    is back.
    """
    now, after = rule_of(subject, alert), rule_of(edit.after, alert)
    before = rule_of(edit.before, alert) if edit.before is not None else None
    if now is None:  # a layer's list went with the last entry that was taken off it
        return with_rule(subject, before) if before is not None and after is None else subject
    if not isinstance(now, AllowlistRule):
        return with_rule(subject, _with_denied(now, before, after))
    return with_rule(subject, _without_allowed(now, before, after, alert)) if after is not None else subject


def _without_allowed(now: ListRule, before: ListRule | None, after: ListRule, alert: Alert) -> ListRule:
    former = {note.entry: note for note in before.notes} if before is not None else {}
    stood = set(before.entries) if before is not None else set()
    put = {note.entry: note for note in after.notes if note.alert_id == alert.alert_id}
    ours = {
        note.entry for note in now.notes if put.get(note.entry) == note and former.get(note.entry) != note
    }
    if not ours:
        return now
    entries = tuple(entry for entry in now.entries if entry not in ours or entry in stood)
    notes = {note.entry: note for note in now.notes if note.entry not in ours}
    notes |= {entry: former[entry] for entry in ours if entry in former}
    return with_entries(now, entries, tuple(notes[entry] for entry in entries if entry in notes))


def _with_denied(now: ListRule, before: ListRule | None, after: ListRule | None) -> ListRule:
    if before is None:
        return now
    left, standing = set(after.entries) if after is not None else set(), set(now.entries)
    taken = [entry for entry in before.entries if entry not in left and entry not in standing]
    notes = [note for note in before.notes if note.entry in taken]
    return with_entries(now, (*now.entries, *taken), (*now.notes, *notes))


def told_of_undoing(before: Subject, after: Subject, alert: Alert) -> UndoneEdit:
    """Return in which entries a group or a layer differs from what it was before the undoing."""
    was, known = _entries(before, alert), _entries(after, alert)
    return UndoneEdit(
        scope=scope_of(after),
        subject=name_of(after),
        removed=[entry for entry in was if entry not in known],
        restored=[entry for entry, note in known.items() if entry not in was or was[entry] != note],
    )


def _entries(subject: Subject, alert: Alert) -> dict[str, EntryNote | None]:
    rule = rule_of(subject, alert)
    notes = {note.entry: note for note in rule.notes} if rule is not None else {}
    return {entry: notes.get(entry) for entry in rule.entries} if rule is not None else {}
