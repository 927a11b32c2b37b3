"""What a wish for a list comes to: the list as it would be, which alerts it would settle, and what to be warned of."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from fencepost.model.alert import Alert
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import EffectiveEntry, ListRule, counts_at, entries_of
from fencepost.model.rule import AllowlistRule, DenylistRule, EntryNote
from fencepost.service.answers import Conflict
from fencepost.service.choices import Choice, holding, holds_some, is_held, removal, width_of
from fencepost.service.wishes import (
    Stand,
    Subject,
    Wish,
    is_granted,
    standing_entry,
    title_of,
    with_entry,
    without_entry,
)


class MendingPlan(Struct, frozen=True, kw_only=True):
    """
    A wish for the list of `subject`, how things stand, and how they would with it, at `now`.

    `rule` is the group's; `changes` is False where an entry stands there already that counts as long as is wished.
    """

    alert: Alert
    wish: Wish
    rule: ListRule
    subject: Subject
    stand: Stand
    would_be: Stand
    changes: bool
    now: datetime

    def edited(self, actor: str) -> Subject:
        """Return the group or layer as it is to be put."""
        return _edited(self.alert, self.wish, self.rule, self.subject, actor, self.now)

    def settles(self, alert: Alert) -> bool:
        """Return whether an alert would resolve by the list as it would be, and would not as it is."""
        return self.would_be.resolves(alert, self.now) and not self.stand.resolves(alert, self.now)

    def covering(self) -> list[EffectiveEntry]:
        """Return the entries of the device's allow-list that hold all the alert is about already, and count."""
        return [one for one in self._holding() if counts_at(one.note, self.now)]

    def warnings(self) -> Iterator[str]:
        """Yield what whoever wishes this should know first."""
        if not self.rule.enabled:
            yield f"the rule {self.rule.type} of the group {self.alert.group} is disabled: nothing alerts by it now"
        if not isinstance(self.rule, AllowlistRule):
            yield from self._left_denials()
            return
        if not self.changes:
            yield f"{self.wish.entry} is on the list of {title_of(self.subject)} already: nothing changes"
        for one in self._holding():
            if one.note is not None and one.note.until is not None and one.note.until <= self.now:
                ended = f"{one.note.until:%Y-%m-%d %H:%M} UTC"
                yield f"{one.entry} ({one.origin}) allowed this until {ended}: it has expired"
        if (width := width_of(self.rule.type, self.wish.entry)) is not None:
            yield width
        for choice in denials(self.alert, self.stand, self.now):
            yield f"the deny-list has {choice.entry} ({choice.scope}): what it means goes on to alert"

    def _holding(self) -> Iterator[EffectiveEntry]:
        effective = self.stand.parts(self.alert, self.alert.rule_type)
        if effective is None or not isinstance(self.rule, AllowlistRule):
            return
        known = [*entries_of(effective, self.stand.groups[self.alert.group.casefold()])]
        some = {*holding(self.alert, [one.entry for one in known], self.now)}
        yield from (one for one in known if one.entry in some and is_held(self.alert, (one.entry,), self.now))

    def _left_denials(self) -> Iterator[str]:
        for choice in denials(self.alert, self.would_be, self.now):
            yield f"the deny-list also has {choice.entry} ({choice.scope}): the alert stays until that goes, too"


def plan_of(
    alert: Alert, wish: Wish, rule: ListRule, subject: Subject, stand: Stand, now: datetime
) -> MendingPlan:
    """Return what a wish comes to; raises OperatorError for one that is of no use, Conflict for one that cannot be."""
    if isinstance(rule, DenylistRule):
        _check_removal(alert, wish, subject, now)
    else:
        _check_entry(alert, wish, now)
    is_there = isinstance(rule, AllowlistRule) and is_granted(
        standing_entry(subject, alert, wish.entry), wish, now
    )
    would_be = stand.replaced(_edited(alert, wish, rule, subject, "", now))
    if rule.enabled and isinstance(rule, AllowlistRule) and not would_be.resolves(alert, now):
        reason = f"{wish.entry} covers only a part of what this alert is about: it would stay"
        raise OperatorError([Problem("entry", reason)])
    return MendingPlan(
        alert=alert,
        wish=wish,
        rule=rule,
        subject=subject,
        stand=stand,
        would_be=would_be,
        changes=not is_there,
        now=now,
    )


def denials(alert: Alert, stand: Stand, now: datetime) -> Iterator[Choice]:
    """Yield the entries of the enabled deny-list for the same things that deny what an alert is about."""
    effective = stand.parts(alert, alert.rule_type.replace("NotAllowed", "Denied"))
    for scope, part in effective.parts if effective is not None and effective.rule.enabled else ():
        for entry in holding(alert, part.entries, now):
            note = next((note for note in part.notes if note.entry == entry), None)
            if counts_at(note, now):
                yield removal(entry, scope)


def _check_entry(alert: Alert, wish: Wish, now: datetime) -> None:
    if not holds_some(alert, (wish.entry,), now):
        raise OperatorError(
            [Problem("entry", f"{wish.entry} does not cover {alert.value}: the alert would stay")]
        )


def _check_removal(alert: Alert, wish: Wish, subject: Subject, now: datetime) -> None:
    if standing_entry(subject, alert, wish.entry) is None:
        raise Conflict(f"the deny-list of {title_of(subject)} has no entry {wish.entry}")
    if not holds_some(alert, (wish.entry,), now):
        raise OperatorError([Problem("entry", f"{wish.entry} is not what denies {alert.value}")])


def _edited(alert: Alert, wish: Wish, rule: ListRule, subject: Subject, actor: str, now: datetime) -> Subject:
    if isinstance(rule, DenylistRule):
        return without_entry(subject, alert, wish.entry)
    note = EntryNote(
        entry=wish.entry, by=actor, at=now, reason=wish.reason, until=wish.until, alert_id=alert.alert_id
    )
    return with_entry(subject, alert, note)
