"""Alerts in memory, for those who have no store: the command line, tests, and what an edit would change."""

from collections.abc import Iterable

from msgspec import structs

from fencepost.engine.lifecycle import Identity, act, apply, clear, identity_of, moved, recover
from fencepost.engine.rejudge import judge_again
from fencepost.model.alert import TRANSITIONS, Action, Alert
from fencepost.model.outcome import (
    Cleared,
    Finding,
    GroupReplaced,
    LayerReplaced,
    Outcome,
    Reassigned,
    Recovered,
)

Edit = GroupReplaced | LayerReplaced | Reassigned
"""What lets open alerts be judged again."""

RECENT = 32
"""The latest alerts of one identity that a finding may still be part of."""


class AlertBook:
    """Alerts in memory, by identity: what the outcomes of one detector have led to so far."""

    def __init__(self, alerts: Iterable[Alert] = ()) -> None:
        self._by_identity: dict[Identity, list[Alert]] = {}
        self._by_device: dict[str, list[Identity]] = {}
        self._by_group: dict[str, dict[Identity, None]] = {}
        for alert in sorted(alerts, key=lambda one: one.ordinal):
            self._history(identity_of(alert)).append(alert)
            self._note_group(alert)

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
            case Reassigned() | GroupReplaced() | LayerReplaced():
                return self._judge_again(outcome)
            case _:
                return []

    def act(self, alert: Alert, action: Action) -> Alert:
        """Move an alert by hand; raises OperatorError where its state does not allow it."""
        return self._put([act(alert, action)])[0]

    def replace(self, alert: Alert) -> None:
        """Take over an alert that was changed by what the engine has no part in."""
        self._put([alert])

    def alerts(self) -> list[Alert]:
        """Return all alerts in the order of their first violation."""
        every = (alert for alerts in self._by_identity.values() for alert in alerts)
        return sorted(every, key=lambda one: (one.started_at, one.device_id, one.rule_type, one.value or ""))

    def _of_range(self, outcome: Recovered | Cleared) -> list[Alert]:
        return self._by_identity.get((outcome.device_id, outcome.rule_type, None), [])[-RECENT:]

    def _judge_again(self, edit: Edit) -> list[Alert]:
        concerned = (alert for identity in self._concerned(edit) for alert in self._by_identity[identity])
        name = edit.group.name.casefold()
        if isinstance(edit, GroupReplaced):
            concerned = (alert for alert in concerned if alert.group.casefold() == name)
        return self._put([moved for alert in concerned if (moved := _moved_by(alert, edit)) is not None])

    def _concerned(self, edit: Edit) -> Iterable[Identity]:
        if isinstance(edit, GroupReplaced):  # an edit of the fleet brings one for each group (S27)
            return self._by_group.get(edit.group.name.casefold(), ())
        return self._by_device.get(edit.device_id, ())

    def _note_group(self, alert: Alert) -> None:
        """Take note of whose alert it is; the identity stays with the groups that it had before, too."""
        self._by_group.setdefault(alert.group.casefold(), {})[identity_of(alert)] = None

    def _history(self, identity: Identity) -> list[Alert]:
        history = self._by_identity.get(identity)
        if history is None:
            history = self._by_identity[identity] = []
            self._by_device.setdefault(identity[0], []).append(identity)
        return history

    def _put(self, changed: list[Alert]) -> list[Alert]:
        for alert in changed:
            alerts = self._history(identity_of(alert))
            self._note_group(alert)
            places = range(len(alerts) - 1, -1, -1)
            place = next((place for place in places if alerts[place].ordinal == alert.ordinal), None)
            if place is None:
                alerts.append(alert)
            else:
                alerts[place] = alert
        return changed


def _moved_by(alert: Alert, edit: Edit) -> Alert | None:
    """A range alert ends with the windows of the group that the device has left, others go along (S25)."""
    if not isinstance(edit, Reassigned) or (alert.state, "allow") not in TRANSITIONS:
        return judge_again(alert, edit.group, edit.at, edit.layers)
    if alert.window is not None:
        reason = f"the device moved to the group {edit.group.name}"
        return moved(alert, "allow", reason, ended_at=edit.at)
    stays = judge_again(alert, edit.group, edit.at, edit.layers) or alert
    return structs.replace(stays, group=edit.group.name, group_version=edit.group.version)
