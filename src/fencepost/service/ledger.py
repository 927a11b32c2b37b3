"""
From judged entries to one commit of the control store: decide, then commit, then notify (S30).

The ledger asks the store for the alerts that the outcomes may concern, lets the lifecycle move them, and
writes nothing itself.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from fencepost.engine.book import AlertBook
from fencepost.engine.lifecycle import REPAIRED, Identity, identity_of
from fencepost.model.alert import Alert
from fencepost.model.entry import (
    AlertActed,
    DeviceAssigned,
    Entry,
    GatewayOpened,
    GroupDeleted,
    GroupPut,
    Operated,
    Received,
    Ticked,
    TurnedAway,
    TwinServed,
)
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.outcome import Cleared, Finding, GroupReplaced, Outcome, Reassigned, Recovered
from fencepost.model.record import ENGINE, AlertChange, AuditRecord, Changes, Notice, Step
from fencepost.model.rule import SecurityGroup
from fencepost.service.device_records import records_of
from fencepost.service.judge import Judged
from fencepost.service.ports import AlertStore
from fencepost.service.tallies import Tallies, refusals_of

SHOWN = 100
"""Entries of a list that the audit shows."""
FEW = 50
"""So many moved devices are asked for one by one; for more, all standing alerts are read once."""


class Known(Struct, frozen=True):
    """What the store knows before a commit: alerts, and the tags of devices that are assigned anew."""

    book: AlertBook
    tags: dict[str, str | None]


class Ledger:
    """
    Turns what the detector concluded into commits, in the order of the journal.

    `groups` are those in force after the latest commit, by name without case.
    """

    def __init__(self, store: AlertStore) -> None:
        self._store = store
        self.groups = {group.name.casefold(): group for group in store.groups()}

    def changes(
        self, after: int, batch: Sequence[Judged], known: Known
    ) -> tuple[Changes, dict[int, OperatorError]]:
        """
        Return all that a batch of judged entries leads to, and why actions of it are not allowed.

        `after` is the position that the store stands at, `known` what `known_to` said of the same batch.
        """
        commit = _Commit(known, self.groups, after, batch[-1].position)
        for judged in batch:
            commit.take(judged)
        commit.changes.devices = records_of(batch, batch[-1].position)
        return commit.finish(), commit.refused

    def known_to(self, batch: Sequence[Judged]) -> Known:
        """Return what the store knows of all that a batch may concern; raises StoreUnavailable."""
        outcomes = [outcome for judged in batch for outcome in judged.outcomes]
        identities = {identity for outcome in outcomes if (identity := _identity_in(outcome)) is not None}
        standing = [
            *self._standing_of_groups(outcomes),
            *self._standing_of_moved(outcomes),
            *self._acted(batch),
        ]
        identities.update(map(identity_of, standing))
        recent = self._store.histories(identities) if identities else []
        alerts = {alert.alert_id: alert for alert in (*standing, *recent)}
        assigned = {one.entry.device_id for one in batch if isinstance(one.entry, DeviceAssigned)}
        states = self._store.tags([*assigned]) if assigned else []
        tags = {state.device_id: state.tag for state in states if state.is_known}
        return Known(AlertBook(alerts.values()), tags)

    def _standing_of_groups(self, outcomes: Iterable[Outcome]) -> list[Alert]:
        names = {outcome.group.name for outcome in outcomes if isinstance(outcome, GroupReplaced)}
        return [alert for name in names for alert in self._store.standing(group=name)]

    def _standing_of_moved(self, outcomes: Iterable[Outcome]) -> list[Alert]:
        moved = {outcome.device_id for outcome in outcomes if isinstance(outcome, Reassigned)}
        if len(moved) > FEW:
            return [alert for alert in self._store.standing() if alert.device_id in moved]
        return [alert for device_id in moved for alert in self._store.standing(device_id=device_id)]

    def _acted(self, batch: Sequence[Judged]) -> list[Alert]:
        ids = [one.entry.alert_id for one in batch if isinstance(one.entry, AlertActed)]
        return [alert for alert_id in ids if (alert := self._store.alert(alert_id)) is not None]


class _Commit:
    """One commit in the making."""

    def __init__(self, known: Known, groups: dict[str, SecurityGroup], after: int, position: int) -> None:
        self.changes = Changes(after=after, position=position)
        self.refused: dict[int, OperatorError] = {}
        self._book = known.book
        self._tags = known.tags
        self._groups = groups
        self._known = {alert.alert_id: alert for alert in known.book.alerts()}
        self._changed: dict[str, tuple[Alert, int]] = {}
        self._tallies = Tallies()

    def take(self, judged: Judged) -> None:
        at = time_of(judged.entry)
        moved = len(self.changes.history)
        for outcome in judged.outcomes:
            if _identity_in(outcome) is not None or isinstance(outcome, Reassigned | GroupReplaced):
                for alert in self._book.apply(outcome):
                    self._put(alert, judged, at)
            else:
                self._tallies.take(outcome, at)
        match judged.entry:
            case Received():
                self._refuse(judged, judged.entry)
            case TurnedAway():
                self._turn_away(judged.position, judged.entry)
            case Operated():
                self._tallies.take_operation(judged.entry)
            case AlertActed():
                self._act(judged, judged.entry)
            case GroupPut() | GroupDeleted() | DeviceAssigned():
                self._audit(judged.position, judged.entry, len(self.changes.history) - moved)
            case Ticked() | TwinServed() | GatewayOpened():
                pass

    def finish(self) -> Changes:
        # a reader of the stream goes on behind the last position that it has heard of
        self.changes.alerts = sorted(self._changed.values(), key=lambda change: change[1])
        self.changes.tallies = self._tallies.all()
        return self.changes

    def _put(self, alert: Alert, judged: Judged, at: datetime) -> None:
        before = self._known.get(alert.alert_id)
        self._known[alert.alert_id] = alert
        self._changed[alert.alert_id] = alert, judged.position
        if before is not None and before.state == alert.state and before.merged_into == alert.merged_into:
            return
        by_hand = judged.entry if isinstance(judged.entry, AlertActed) else None
        self.changes.history.append(
            AlertChange(
                alert_id=alert.alert_id,
                position=judged.position,
                at=at,
                actor=getattr(judged.entry, "actor", ENGINE),
                action=by_hand.action if by_hand is not None else _step(before, alert),
                before=before.state if before is not None else None,
                after=alert.state,
                reason=alert.reason,
                comment=by_hand.comment if by_hand is not None else None,
            )
        )
        self.changes.notices.append(
            Notice(
                alert_id=alert.alert_id,
                position=judged.position,
                at=at,
                state=alert.state,
                previous=before.state if before is not None else None,
            )
        )

    def _act(self, judged: Judged, entry: AlertActed) -> None:
        alert = self._known.get(entry.alert_id)
        if alert is None:
            self.refused[judged.position] = not_there(entry.alert_id)
            return
        try:
            self._refuse_twins(alert, entry)
            moved = self._book.act(alert, entry.action)
        except OperatorError as error:
            self.refused[judged.position] = error
            return
        self._put(moved, judged, entry.at)
        self.changes.audit.append(
            AuditRecord(
                position=judged.position,
                at=entry.at,
                actor=entry.actor,
                action=entry.action,
                subject=f"alert/{entry.alert_id}",
                before={"state": alert.state},
                after={"state": moved.state},
                effect=entry.comment or "",
            )
        )

    def _refuse_twins(self, alert: Alert, entry: AlertActed) -> None:
        """One alert of an identity is open at a time (S20)."""
        if entry.action != "activate":
            return
        identity = identity_of(alert)
        for other in self._known.values():
            if other.ordinal > alert.ordinal and other.state != "Resolved" and identity_of(other) == identity:
                reason = f"a later alert of the same is {other.state}: act on {other.alert_id}"
                raise OperatorError([Problem(alert.alert_id, reason)])

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

    def _audit(self, position: int, entry: GroupPut | GroupDeleted | DeviceAssigned, moved: int) -> None:
        before, after = self._edit(position, entry)
        self.changes.audit.append(
            AuditRecord(
                position=position,
                at=entry.at,
                actor=entry.actor,
                action="delete" if isinstance(entry, GroupDeleted) else "put",
                subject=_subject_of(entry),
                before=before,
                after=after,
                effect=f"{moved} alerts changed their state" if moved != 1 else "1 alert changed its state",
            )
        )

    def _edit(
        self, position: int, entry: GroupPut | GroupDeleted | DeviceAssigned
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        match entry:
            case GroupPut():
                before = self._groups.get(entry.group.name.casefold())
                self._groups[entry.group.name.casefold()] = entry.group
                self.changes.groups_put.append((entry.group, position))
                return _plain(before), _plain(entry.group)
            case GroupDeleted():
                before = self._groups.pop(entry.name.casefold(), None)
                self.changes.groups_put = [
                    put for put in self.changes.groups_put if put[0].name.casefold() != entry.name.casefold()
                ]
                self.changes.groups_deleted.append(entry.name)
                return _plain(before), None
            case DeviceAssigned():
                before_tag = self._tags.get(entry.device_id, UNSET)
                self._tags[entry.device_id] = entry.tag
                known_before = None if before_tag is UNSET else {"SecurityGroup": before_tag}
                return known_before, {"SecurityGroup": entry.tag}


def time_of(entry: Entry) -> datetime:
    """Return when an entry was said."""
    return entry.received_at if isinstance(entry, Received | TurnedAway) else entry.at


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


def _subject_of(entry: GroupPut | GroupDeleted | DeviceAssigned) -> str:
    match entry:
        case GroupPut():
            return f"group/{entry.group.name}"
        case GroupDeleted():
            return f"group/{entry.name}"
        case DeviceAssigned():
            return f"device/{entry.device_id}"


def _plain(group: SecurityGroup | None) -> dict[str, Any] | None:
    """Return a group as the audit keeps it: of a very long list the beginning, the rest is in its version."""
    plain: dict[str, Any] | None = msgspec.to_builtins(group)
    for rule in plain["rules"] if plain is not None else ():
        for name in ("allow", "deny"):
            if len(rule.get(name, ())) > SHOWN:
                rule[name] = [*rule[name][:SHOWN], f"... {len(rule[name]) - SHOWN} more"]
    return plain
