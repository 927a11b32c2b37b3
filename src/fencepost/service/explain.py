"""
Why each event of a device did or did not count for a rule.

The real engine judges beside the explanations: numbers, flags and alerts are its own.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from fencepost.engine.clock import HORIZON
from fencepost.model.alert import Alert, Flag
from fencepost.model.event import Event, SecurityMessage
from fencepost.model.layer import EffectiveRule, effective_rules
from fencepost.model.outcome import Duplicate, Finding, Late, Outcome, Skewed
from fencepost.model.rule import Rule, SecurityGroup, TimeWindowRule
from fencepost.service.reasons import Reason, Reasons, reasons_for
from fencepost.service.replay import Replay

_WATCHED = {"connection": ("ConnectionCreate", "NetworkActivity")}
_HOURS = HORIZON // 3_600_000_000


class Change(Struct, frozen=True):
    """An alert that an event opened or changed."""

    alert_id: str
    change: str
    state: str
    count: int


class Explanation(Struct, frozen=True, kw_only=True):
    """
    One payload of one event: whether it counted for the rule, and why.

    `hits` is the number of occurrences for which the payload stands. `entry` is the list entry that matched, `nearest_entry` the one that came nearest. `certain` and
    `possible` are the numbers of a range rule's window that ends at the event.
    """

    origin: str
    event_id: str
    event_name: str
    occurred_at: datetime
    judged_at: datetime
    received_at: datetime
    value: str | None
    counted: bool
    why: str
    hits: int = 1
    entry: str | None = None
    nearest_entry: str | None = None
    certain: int | None = None
    possible: int | None = None
    min: int | None = None
    max: int | None = None
    window: timedelta | None = None
    flags: tuple[Flag, ...] = ()
    alerts: tuple[Change, ...] = ()


class Explainer:
    """Explains the messages of one device while the replay judges those of all."""

    def __init__(self, replay: Replay, device_id: str, rule: Rule, group: SecurityGroup) -> None:
        self.others = 0
        self._replay = replay
        self._device_id = device_id
        effective = _effective(replay, device_id, rule, group)
        self._rule = rule = effective.rule
        self._reasons: Reasons = reasons_for(effective, group)
        self._names = _WATCHED.get(rule.row.subject, (rule.row.event,))
        self._known: set[str] = set()

    def receive(
        self, device_id: str, body: bytes, received_at: datetime | None, origin: str
    ) -> list[Explanation]:
        """Judge a message; return what is to be said of each of its events that the rule watches."""
        message = self._replay.understand(body, origin)
        if message is None:
            return []
        arrived = self._replay.arrival(message, received_at, origin)
        outcomes, alerts = self._replay.judge(device_id, message, arrived)
        if device_id != self._device_id:
            return []
        return list(self._explain(message, arrived, origin, outcomes, self._changes(alerts)))

    def alerts(self) -> list[Alert]:
        """Return the alerts of the device for this rule."""
        return [alert for alert in self._replay.alerts() if self._concerns(alert)]

    def _concerns(self, alert: Alert) -> bool:
        return alert.device_id == self._device_id and alert.rule_type == self._rule.type

    def _changes(self, alerts: Sequence[Alert]) -> dict[str, Change]:
        changes: dict[str, Change] = {}
        for alert in filter(self._concerns, alerts):
            opened = alert.alert_id not in self._known or (
                alert.alert_id in changes and changes[alert.alert_id].change == "opened"
            )
            self._known.add(alert.alert_id)
            change = "merged" if alert.merged_into else "opened" if opened else "updated"
            changes[alert.alert_id] = Change(alert.alert_id, change, alert.state, alert.count)
        return changes

    def _explain(
        self,
        message: SecurityMessage,
        arrived: datetime,
        origin: str,
        outcomes: list[Outcome],
        changes: dict[str, Change],
    ) -> Iterator[Explanation]:
        again = any(isinstance(outcome, Duplicate) and outcome.event_id is None for outcome in outcomes)
        watched = [event for event in message.events if _name(event) in self._names]
        self.others += len(message.events) - len(watched)
        untold = dict(changes)
        for event in watched:
            told: tuple[Change, ...] = ()
            if event is watched[-1] or any(self._stands_on(outcome, event) for outcome in outcomes):
                told, untold = tuple(untold.values()), {}
            *verdicts, last = self._verdicts(event, outcomes, again)
            for reason in verdicts:
                yield self._explanation(event, reason, outcomes, (arrived, origin), ())
            yield self._explanation(event, last, outcomes, (arrived, origin), told)

    def _stands_on(self, finding: Outcome, event: Event) -> bool:
        return (
            isinstance(finding, Finding)
            and finding.rule.type == self._rule.type
            and finding.evidence is not None
            and finding.evidence.event_id == event.id
        )

    def _verdicts(self, event: Event, outcomes: list[Outcome], again: bool) -> list[Reason]:
        if again:
            return [Reason(None, counted=False, why="the message has been received before")]
        for outcome in outcomes:
            match outcome:
                case Duplicate(event_id=event.id):
                    return [Reason(None, counted=False, why="the event has been counted before")]
                case Late(event_id=event.id, judged=False):
                    why = f"older than {_HOURS} h when it came: kept, but judged no more"
                    return [Reason(None, counted=False, why=why)]
        findings = [one for one in outcomes if isinstance(one, Finding) and self._stands_on(one, event)]
        return self._reasons(event, findings, _judged_at(event, outcomes)) or [
            Reason(None, counted=False, why="the event has no payload")
        ]

    def _explanation(
        self,
        event: Event,
        reason: Reason,
        outcomes: list[Outcome],
        came: tuple[datetime, str],
        changes: tuple[Change, ...],
    ) -> Explanation:
        flags: list[Flag] = []
        judged_at = _judged_at(event, outcomes)
        for outcome in outcomes:
            match outcome:
                case Skewed(event_id=event.id):
                    flags.append("clock_skew")
                case Late(event_id=event.id):
                    flags.append("late")
        rule = self._rule
        number = self._replay.detector.count(self._device_id, rule.type, judged_at)
        return Explanation(
            origin=came[1],
            event_id=event.id,
            event_name=_name(event),
            occurred_at=event.occurred_at,
            judged_at=judged_at,
            received_at=came[0],
            value=reason.value,
            counted=reason.counted,
            why=reason.why,
            hits=reason.hits,
            entry=reason.entry,
            nearest_entry=reason.nearest,
            certain=number[0] if number is not None else None,
            possible=number[1] if number is not None else None,
            min=getattr(rule, "min", None),
            max=getattr(rule, "max", None),
            window=rule.window if isinstance(rule, TimeWindowRule) else None,
            flags=tuple(dict.fromkeys(flags)),
            alerts=changes,
        )


def _effective(replay: Replay, device_id: str, rule: Rule, group: SecurityGroup) -> EffectiveRule:
    """Return a rule of a group as it is for a device (S27)."""
    layers = replay.detector.layers()
    rules = effective_rules(group, layers.fleet, layers.devices.get(device_id))
    return next(one for one in rules if one.rule.type == rule.type)


def _judged_at(event: Event, outcomes: Sequence[Outcome]) -> datetime:
    skewed = (one for one in outcomes if isinstance(one, Skewed) and one.event_id == event.id)
    return next((one.judged_at for one in skewed), event.occurred_at)


def _name(event: Event) -> str:
    return str(type(event).__struct_config__.tag)
