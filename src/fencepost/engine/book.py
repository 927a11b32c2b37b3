"""Alerts in memory, for those who have no store: the command line, tests, and what an edit would change."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import structs

from fencepost.engine.lifecycle import Identity, act, apply, clear, identity_of, moved, recover
from fencepost.engine.rejudge import judge_again
from fencepost.model.alert import TRANSITIONS, Action, Alert
from fencepost.model.outcome import Cleared, Finding, GroupReplaced, Outcome, Reassigned, Recovered
from fencepost.model.rule import SecurityGroup

RECENT = 32
"""The latest alerts of one identity that a finding may still be part of."""


class AlertBook:
    """Alerts in memory, by identity: what the outcomes of one detector have led to so far."""

    def __init__(self, alerts: Iterable[Alert] = ()) -> None:
        self._by_identity: dict[Identity, list[Alert]] = {}
        self._by_device: dict[str, list[Identity]] = {}
        for alert in sorted(alerts, key=lambda one: one.ordinal):
            self._history(identity_of(alert)).append(alert)

    def apply(self, outcome: Outcome) -> list[Alert]:
        """Return the alerts that an outcome opened or changed; most outcomes change none."""
        match outcome:
            case Finding():
                history = self._by_identity.get(identity_of(outcome), [])
                return self._put(apply(history[-RECENT:], outcome))
            case Recovered():
                return self._put(recover(self._of_range(outcome), outcome))
            case Cleared():
                return self._put(clear(self._of_range(outcome), outcome))
            case Reassigned():
                return self._judge_again(outcome.group, outcome.at, device_id=outcome.device_id)
            case GroupReplaced():
                return self._judge_again(outcome.group, outcome.at)
            case _:
                return []

    def act(self, alert: Alert, action: Action) -> Alert:
        """Move an alert by hand; raises OperatorError where its state does not allow it."""
        return self._put([act(alert, action)])[0]

    def alerts(self) -> list[Alert]:
        """Return all alerts in the order of their first violation."""
        every = (alert for alerts in self._by_identity.values() for alert in alerts)
        return sorted(every, key=lambda one: (one.started_at, one.device_id, one.rule_type, one.value or ""))

    def _of_range(self, outcome: Recovered | Cleared) -> list[Alert]:
        return self._by_identity.get((outcome.device_id, outcome.rule_type, None), [])[-RECENT:]

    def _judge_again(self, group: SecurityGroup, at: datetime, device_id: str | None = None) -> list[Alert]:
        identities = self._by_identity if device_id is None else self._by_device.get(device_id, ())
        name = group.name.casefold()
        changed = []
        for identity in identities:
            for alert in self._by_identity[identity]:
                of_edit = device_id is not None or alert.group.casefold() == name
                if of_edit and (moved := self._moved_by(alert, group, at, device_id)) is not None:
                    changed.append(moved)
        return self._put(changed)

    def _moved_by(
        self, alert: Alert, group: SecurityGroup, at: datetime, device_id: str | None
    ) -> Alert | None:
        """A range alert ends with the windows of the group that the device has left, others go along (S25)."""
        if device_id is None or (alert.state, "allow") not in TRANSITIONS:
            return judge_again(alert, group, at)
        if alert.window is not None:
            reason = f"the device moved to the group {group.name}"
            return moved(alert, "allow", reason, ended_at=at)
        stays = judge_again(alert, group, at) or alert
        return structs.replace(stays, group=group.name, group_version=group.version)

    def _history(self, identity: Identity) -> list[Alert]:
        history = self._by_identity.get(identity)
        if history is None:
            history = self._by_identity[identity] = []
            self._by_device.setdefault(identity[0], []).append(identity)
        return history

    def _put(self, changed: list[Alert]) -> list[Alert]:
        for alert in changed:
            alerts = self._history(identity_of(alert))
            places = range(len(alerts) - 1, -1, -1)
            place = next((place for place in places if alerts[place].ordinal == alert.ordinal), None)
            if place is None:
                alerts.append(alert)
            else:
                alerts[place] = alert
        return changed
