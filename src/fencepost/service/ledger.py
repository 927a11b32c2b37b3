"""
From judged entries to one commit of the control store: decide, then commit, then notify (S30).

The ledger asks the store for the alerts that the outcomes may concern, lets the lifecycle move them, and
writes nothing itself.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType, structs

from fencepost.engine.book import AlertBook
from fencepost.engine.lifecycle import REPAIRED, Identity, identity_of, suppressed
from fencepost.model.alert import Alert, State
from fencepost.model.alert_view import etag_of
from fencepost.model.entry import (
    AlertActed,
    AlertAssigned,
    AlertCommented,
    DeviceAssigned,
    Entry,
    GatewayOpened,
    GroupDeleted,
    GroupPut,
    LayerPut,
    Operated,
    Received,
    SuppressionDeleted,
    SuppressionPut,
    Ticked,
    TurnedAway,
    TwinServed,
)
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.outcome import (
    Cleared,
    Finding,
    GroupReplaced,
    LayerReplaced,
    Outcome,
    Reassigned,
    Recovered,
)
from fencepost.model.record import ENGINE, AlertChange, Changes, Notice, Step
from fencepost.model.suppression import SuppressionRule, suppressing
from fencepost.service import audit
from fencepost.service.answers import Outdated
from fencepost.service.audit import AlertEntry
from fencepost.service.device_records import records_of
from fencepost.service.expectations import Edit, Expectations
from fencepost.service.judge import Judged
from fencepost.service.ports import AlertStore
from fencepost.service.tallies import Tallies, refusals_of

FEW = 50
"""So many groups or devices are asked for one by one; for more, all standing alerts are read once."""

Refusal = OperatorError | Outdated
"""Why what a person wanted to do about an alert is not done."""


class Known(Struct, frozen=True):
    """What the store knows before a commit: alerts by id, and the tags of devices that are assigned anew."""

    book: AlertBook
    alerts: dict[str, Alert]
    tags: dict[str, str | None]


class Ledger:
    """
    Turns what the detector concluded into commits, in the order of the journal.

    `expectations` are those in force after the latest commit.
    """

    def __init__(self, store: AlertStore) -> None:
        self._store = store
        self.expectations = Expectations(store)

    def changes(
        self, after: int, batch: Sequence[Judged], known: Known
    ) -> tuple[Changes, dict[int, Refusal]]:
        """
        Return all that a batch of judged entries leads to, and why actions of it are not allowed.

        `after` is the position that the store stands at, `known` what `known_to` said of the same batch.
        """
        commit = _Commit(known, self.expectations, after, batch[-1].position)
        for judged in batch:
            commit.take(judged)
        commit.changes.devices = records_of(batch, batch[-1].position)
        return commit.finish(), commit.refused

    def known_to(self, batch: Sequence[Judged]) -> Known:
        """Return what the store knows of all that a batch may concern; raises StoreUnavailable."""
        outcomes = [outcome for judged in batch for outcome in judged.outcomes]
        named = self._named(batch)
        identities = {identity for outcome in outcomes if (identity := _identity_in(outcome)) is not None}
        identities.update(map(identity_of, named))
        recent = self._store.histories(identities) if identities else []
        standing = [*self._standing_of_groups(outcomes), *self._standing_of_devices(outcomes)]
        alerts = {alert.alert_id: alert for alert in (*standing, *named, *recent)}
        assigned = {one.entry.device_id for one in batch if isinstance(one.entry, DeviceAssigned)}
        states = self._store.tags([*assigned]) if assigned else []
        tags = {state.device_id: state.tag for state in states if state.is_known}
        return Known(AlertBook(alerts.values()), alerts, tags)

    def _standing_of_groups(self, outcomes: Iterable[Outcome]) -> list[Alert]:
        names = {outcome.group.name for outcome in outcomes if isinstance(outcome, GroupReplaced)}
        if len(names) > FEW:
            keys = {name.casefold() for name in names}
            return [alert for alert in self._store.standing() if alert.group.casefold() in keys]
        return [alert for name in names for alert in self._store.standing(group=name)]

    def _standing_of_devices(self, outcomes: Iterable[Outcome]) -> list[Alert]:
        devices = {one.device_id for one in outcomes if isinstance(one, Reassigned | LayerReplaced)}
        if len(devices) > FEW:
            return [alert for alert in self._store.standing() if alert.device_id in devices]
        return [alert for device_id in devices for alert in self._store.standing(device_id=device_id)]

    def _named(self, batch: Sequence[Judged]) -> list[Alert]:
        """Return the alerts that people name."""
        ids = {name for one in batch if (name := _alert_in(one.entry)) is not None}
        return [alert for alert_id in sorted(ids) if (alert := self._store.alert(alert_id)) is not None]


class _Commit:
    """One commit in the making."""

    def __init__(self, known: Known, expectations: Expectations, after: int, position: int) -> None:
        self.changes = Changes(after=after, position=position)
        self.refused: dict[int, Refusal] = {}
        self._book = known.book
        self._known = known.alerts
        self._tags = known.tags
        self._expectations = expectations
        self._ids: dict[Identity, set[str]] | None = None
        self._changed: dict[str, tuple[Alert, int]] = {}
        self._tallies = Tallies()

    def take(self, judged: Judged) -> None:
        at = time_of(judged.entry)
        steps = len(self.changes.history)
        for outcome in judged.outcomes:
            self._conclude(outcome, judged, at)
        match judged.entry:
            case Received():
                self._refuse(judged, judged.entry)
            case TurnedAway():
                self._turn_away(judged.position, judged.entry)
            case Operated():
                self._tallies.take_operation(judged.entry)
            case AlertActed() | AlertAssigned() | AlertCommented():
                self._act(judged, judged.entry)
            case GroupPut() | GroupDeleted() | LayerPut() | SuppressionPut() | SuppressionDeleted():
                self._edit(judged.position, judged.entry, steps)
            case DeviceAssigned():
                self._assign(judged.position, judged.entry, len(self.changes.history) - steps)
            case Ticked() | TwinServed() | GatewayOpened():
                pass

    def _conclude(self, outcome: Outcome, judged: Judged, at: datetime) -> None:
        if not _concerns_alerts(outcome):
            self._tallies.take(outcome, at)
            return
        for alert in self._book.apply(outcome):
            self._put(alert, judged, at)

    def finish(self) -> Changes:
        # a reader of the stream goes on behind the last position that it has heard of
        self.changes.alerts = sorted(self._changed.values(), key=lambda change: change[1])
        self.changes.tallies = self._tallies.all()
        return self.changes

    # alerts

    def _put(self, alert: Alert, judged: Judged, at: datetime) -> None:
        """Take down what the engine made of an alert."""
        before = self._known.get(alert.alert_id)
        rule = suppressing(self._expectations.suppressions, alert, at) if before is None else None
        if rule is not None and alert.state == "Active":
            self._suppress(alert, rule, judged, at)
            return
        self._note(alert, judged.position)
        if before is not None and before.state == alert.state and before.merged_into == alert.merged_into:
            return
        state = before.state if before is not None else None
        self._step(alert, state, _step(before, alert), judged, at)
        if rule is None:  # of what was over when it came nobody is told either
            self._tell(alert, state, judged.position, at)

    def _suppress(self, alert: Alert, rule: SuppressionRule, judged: Judged, at: datetime) -> None:
        """The owner knows: the alert is dismissed as it opens, and nobody is told."""
        self._step(alert, None, "open", judged, at)
        dismissed = suppressed(alert, rule.name)
        self._book.replace(dismissed)
        self._note(dismissed, judged.position)
        self._step(dismissed, alert.state, "suppress", judged, at)

    def _act(self, judged: Judged, entry: AlertEntry) -> None:
        """Carry out what a person wants done about an alert, or refuse it."""
        alert = self._known.get(entry.alert_id)
        if alert is None:
            self.refused[judged.position] = not_there(entry.alert_id)
            return
        if not isinstance(entry, AlertCommented) and entry.seen not in (None, etag_of(alert)):
            self.refused[judged.position] = Outdated("the alert has been changed meanwhile: read it again")
            return
        try:
            after = self._moved(alert, entry)
        except OperatorError as error:
            self.refused[judged.position] = error
            return
        if after == alert and isinstance(entry, AlertAssigned):
            return
        self._note(after, judged.position)
        self._step_by_hand(alert, after, judged, entry)
        self.changes.audit.append(audit.of_alert(judged.position, entry, alert, after))

    def _moved(self, alert: Alert, entry: AlertEntry) -> Alert:
        match entry:
            case AlertActed():
                self._refuse_twins(alert, entry)
                return self._book.act(alert, entry.action)
            case AlertAssigned():
                assigned = structs.replace(alert, assigned_to=entry.assigned_to)
                self._book.replace(assigned)
                return assigned
            case AlertCommented():
                return alert

    def _step_by_hand(self, before: Alert, after: Alert, judged: Judged, entry: AlertEntry) -> None:
        match entry:
            case AlertActed():
                self._step(after, before.state, entry.action, judged, entry.at, comment=entry.comment)
                if before.state != after.state:
                    self._tell(after, before.state, judged.position, entry.at)
            case AlertAssigned():
                named = f"assigned to {entry.assigned_to}" if entry.assigned_to else "assigned to nobody"
                self._step(after, before.state, "assign", judged, entry.at, reason=named)
            case AlertCommented():
                self._step(
                    after, before.state, "comment", judged, entry.at, reason=None, comment=entry.comment
                )

    def _refuse_twins(self, alert: Alert, entry: AlertActed) -> None:
        """One alert of an identity is open at a time (S20)."""
        if entry.action != "activate":
            return
        for other in self._alike(identity_of(alert)):
            if other.ordinal > alert.ordinal and other.state != "Resolved":
                reason = f"a later alert of the same is {other.state}: act on {other.alert_id}"
                raise OperatorError([Problem(alert.alert_id, reason)])

    def _alike(self, identity: Identity) -> list[Alert]:
        """Return the known alerts of an identity; they are looked through once, for many may be asked about."""
        if self._ids is None:
            self._ids = {}
            for alert in self._known.values():
                self._ids.setdefault(identity_of(alert), set()).add(alert.alert_id)
        return [self._known[alert_id] for alert_id in self._ids.get(identity, ())]

    def _note(self, alert: Alert, position: int) -> None:
        if self._ids is not None:
            self._ids.setdefault(identity_of(alert), set()).add(alert.alert_id)
        self._known[alert.alert_id] = alert
        self._changed[alert.alert_id] = alert, position

    def _step(
        self,
        alert: Alert,
        before: State | None,
        action: Step,
        judged: Judged,
        at: datetime,
        *,
        reason: str | UnsetType | None = UNSET,
        comment: str | None = None,
    ) -> None:
        self.changes.history.append(
            AlertChange(
                alert_id=alert.alert_id,
                position=judged.position,
                at=at,
                actor=getattr(judged.entry, "actor", ENGINE),
                action=action,
                before=before,
                after=alert.state,
                reason=alert.reason if reason is UNSET else reason,
                comment=comment,
            )
        )

    def _tell(self, alert: Alert, before: State | None, position: int, at: datetime) -> None:
        notice = Notice(alert_id=alert.alert_id, position=position, at=at, state=alert.state, previous=before)
        self.changes.notices.append(notice)

    # messages

    def _refuse(self, judged: Judged, entry: Received) -> None:
        rows = refusals_of(judged, entry)
        if not rows:
            return
        self.changes.quarantined += rows
        subject = "message" if rows[0].whole else "part"
        detail = {"where": rows[0].where, "reason": rows[0].reason, "position": judged.position}
        number = len(rows) + rows[-1].more
        self._tallies.add(entry.device_id, "rejected", subject, entry.received_at, detail, number)

    def _turn_away(self, position: int, entry: TurnedAway) -> None:
        detail = {"reason": entry.reason, "size": entry.size, "position": position}
        self._tallies.add(entry.device_id, "rejected", "turned away", entry.received_at, detail)

    # edits

    def _edit(self, position: int, edit: Edit, steps: int) -> None:
        """Put an edit in force; `steps` is how much history there was before it."""
        moved = self.changes.history[steps:]
        before, after = self._expectations.carry_out(position, edit, self.changes)
        self.changes.audit.append(audit.of_edit(position, edit, before, after, len(moved)))
        if isinstance(edit, GroupPut | LayerPut) and edit.mend is not None and edit.mend.action == "allow":
            self._tell_of_mend(position, edit, edit.mend.alert_id, steps)

    def _tell_of_mend(self, position: int, edit: GroupPut | LayerPut, alert_id: str, steps: int) -> None:
        """Let the history of the alert from which a list was mended say so, whether that moved it or not."""
        history = self.changes.history
        comment = edit.reason or None
        for place in range(steps, len(history)):
            if history[place].alert_id == alert_id:
                history[place] = structs.replace(history[place], comment=comment)
                return
        alert = self._known.get(alert_id)
        if alert is not None:
            judged = Judged(position, edit, [])
            self._step(alert, alert.state, "allow", judged, edit.at, reason=None, comment=comment)

    def _assign(self, position: int, edit: DeviceAssigned, moved: int) -> None:
        before = self._tags.get(edit.device_id, UNSET)
        self._tags[edit.device_id] = edit.tag
        known = None if before is UNSET else {"SecurityGroup": before}
        self.changes.audit.append(audit.of_device(position, edit, known, moved))


def time_of(entry: Entry) -> datetime:
    """Return when an entry was said."""
    return entry.received_at if isinstance(entry, Received | TurnedAway) else entry.at


def _concerns_alerts(outcome: Outcome) -> bool:
    return _identity_in(outcome) is not None or isinstance(
        outcome, Reassigned | GroupReplaced | LayerReplaced
    )


def _alert_in(entry: Entry) -> str | None:
    """Return the alert that a person names with what they do."""
    match entry:
        case AlertActed() | AlertAssigned() | AlertCommented():
            return entry.alert_id
        case GroupPut() | LayerPut():
            return entry.mend.alert_id if entry.mend is not None else None
        case _:
            return None


def not_there(alert_id: str) -> OperatorError:
    return OperatorError([Problem(alert_id, "there is no such alert")])


def _identity_in(outcome: Outcome) -> Identity | None:
    match outcome:
        case Finding():
            return identity_of(outcome)
        case Recovered() | Cleared():
            return outcome.device_id, outcome.rule_type, None
        case _:
            return None


def _step(before: Alert | None, after: Alert) -> Step:
    """Return how the engine came to move an alert."""
    if before is None:
        return "open"
    if after.merged_into is not None and before.merged_into is None:
        return "merge"
    if after.state != "Resolved":
        return "reopen"
    return "repair" if after.reason == REPAIRED else after.ended_by or "recover"
