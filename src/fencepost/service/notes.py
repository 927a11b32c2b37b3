"""The notes of a list's entries when it is edited: who put an entry there, when, why, and until when it counts."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import structs

from fencepost.model.layer import ListRule, counts_at
from fencepost.model.rule import AllowlistRule, DenylistRule, EntryNote, Rule


def with_notes(drafts: Iterable[Rule], known: Iterable[Rule], actor: str, now: datetime) -> tuple[Rule, ...]:
    """
    Return the rules of a draft with the notes that their entries shall have.

    A note in the draft holds; where it does not say by whom, it is `actor`, now, unless the same is known
    already. An entry without one keeps the note that it had while that counts; one that had expired is anew
    and permanent.
    """
    lists = {rule.type: rule for rule in known if isinstance(rule, AllowlistRule | DenylistRule)}
    return tuple(
        _noted(rule, lists.get(rule.type), actor, now)
        if isinstance(rule, AllowlistRule | DenylistRule)
        else rule
        for rule in drafts
    )


def _noted(draft: ListRule, known: ListRule | None, actor: str, now: datetime) -> ListRule:
    former = {note.entry: note for note in known.notes} if known is not None else {}
    if not former and not draft.notes:
        return draft
    said = {note.entry: _signed(note, former.get(note.entry), actor, now) for note in draft.notes}
    kept = {entry: note for entry, note in former.items() if counts_at(note, now)}
    found = {
        entry: note for entry in draft.entries if (note := said.get(entry) or kept.get(entry)) is not None
    }
    return structs.replace(draft, notes=tuple(found.values()))


def _signed(note: EntryNote, former: EntryNote | None, actor: str, now: datetime) -> EntryNote:
    if note.by:
        return note
    if former is not None and structs.replace(note, by=former.by, at=former.at) == former:
        return former
    return structs.replace(note, by=actor, at=now)
