"""
The life of alerts: how findings open, join, move and end them (S20-S24).

`apply`, `recover`, `clear` and `act` are pure: they take the alerts of one identity (device, rule, value)
and return those that changed. Edits of rules are in `rejudge`, alerts kept in memory in `book`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

from msgspec import structs

from fencepost.engine.ranges import SHORTFALLS
from fencepost.engine.rejudge import SUBJECTS
from fencepost.engine.texts import described
from fencepost.model.alert import TRANSITIONS, Action, Alert, Evidence, Extent, Facts, State
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.outcome import Cleared, Finding, Recovered
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    Rule,
    ThresholdRule,
    TimeWindowRule,
)

EVIDENCE = 10
"""Events that an alert keeps from its beginning, and as many from its end (S20)."""
QUIET = timedelta(hours=24)
"""How long a dismissed alert must be quiet before a recurrence is news (S21)."""
REPAIRED = "late data repaired the minimum"
BY_HAND = "resolved by hand"
JOINED = "late data joined this alert to an earlier one"

Identity = tuple[str, str, str | None]


def identity_of(alert: Alert | Finding) -> Identity:
    """Return what makes two findings the same alert (S20)."""
    rule_type = alert.rule_type if isinstance(alert, Alert) else alert.rule.type
    return alert.device_id, rule_type, alert.value


def alert_id(identity: Identity, ordinal: int) -> str:
    """Return the id of the n-th alert of an identity: the same in every replay (S23)."""
    named = "\x1f".join(
        (identity[0], identity[1], "" if identity[2] is None else f"={identity[2]}", str(ordinal))
    )
    return str(
        UUID(bytes=blake2b(named.encode("utf-8", "surrogatepass"), digest_size=16).digest(), version=4)
    )


def apply(history: Sequence[Alert], finding: Finding) -> list[Alert]:
    """
    Return the alerts that a finding opens or changes.

    `history` holds the latest alerts of the finding's identity, oldest ordinal first.
    """
    standing = [alert for alert in history if _stands(alert)]
    joined = [alert for alert in standing if _takes(alert, finding)]
    if not isinstance(finding.rule, TimeWindowRule):
        joined = joined[:1]  # only ranges have an extent that can be joined to another
    if not joined:
        if (repaired := _repaired(history, finding)) is not None:
            return [_extended(repaired, finding, standing)]
        ended = _ended_by(standing, finding)
        return [*ended, _opened(history, finding)]
    first, *others = joined
    for other in others:
        first = _united(first, other)
    merged = [
        structs.replace(
            other, merged_into=first.alert_id, state="Resolved", reason=JOINED, ended_at=other.last_seen_at
        )
        for other in others
    ]
    others_left = [alert for alert in standing if alert not in joined]
    return [_extended(first, finding, others_left), *merged]


def recover(history: Sequence[Alert], outcome: Recovered) -> list[Alert]:
    """Return the alerts that are over because the device is back in its range (S21)."""
    return [
        moved(alert, "recover", "a whole window is back in the allowed range", ended_at=outcome.at)
        for alert in history
        if alert.merged_into is None
        and alert.last_seen_at < outcome.at
        and alert.ended_at is None
        and (alert.state, "recover") in TRANSITIONS
    ] + [
        structs.replace(alert, ended_at=outcome.at)  # so that it is over, should somebody activate it again
        for alert in history
        if alert.state == "Dismissed" and alert.ended_at is None and alert.last_seen_at < outcome.at
    ]


def clear(history: Sequence[Alert], outcome: Cleared) -> list[Alert]:
    """Return the alerts that late data takes a missed minimum away from (S07)."""
    changed = []
    for alert in history:
        left = tuple(one for one in alert.shortfalls if one.last_at != outcome.at)
        if alert.merged_into is not None or len(left) == len(alert.shortfalls):
            continue
        if left or alert.firm is not None:
            changed.append(_measured(structs.replace(alert, shortfalls=left)))
        else:
            changed.append(
                structs.replace(alert, shortfalls=(), state="Resolved", reason=REPAIRED, ended_at=outcome.at)
            )
    return changed


def act(alert: Alert, action: Action) -> Alert:
    """
    Return the alert after a person's action.

    Raises OperatorError where the table of transitions does not allow it.
    """
    if (alert.state, action) not in TRANSITIONS:
        raise OperatorError([Problem(alert.alert_id, f"an alert that is {alert.state} cannot {action}")])
    match TRANSITIONS[alert.state, action]:
        case "Resolved":
            return moved(alert, action, BY_HAND, ended_at=alert.ended_at or alert.last_seen_at)
        case "Active":
            return moved(alert, action, None, ended_at=None)
        case _:
            return moved(alert, action, None, ended_at=alert.ended_at)


# one alert


def suppressed(alert: Alert, rule_name: str) -> Alert:
    """Return an alert that has just opened as a rule leaves it by which its owner knows it already (S29)."""
    return moved(alert, "suppress", f"suppressed by the rule {rule_name}", ended_at=None)


def _stands(alert: Alert) -> bool:
    """Return whether there is anything left of the alert: it was neither joined to another nor repaired."""
    repaired = alert.window is not None and alert.firm is None and not alert.shortfalls
    return alert.merged_into is None and not repaired


def _takes(alert: Alert, finding: Finding) -> bool:
    """Return whether a finding is more of this alert rather than a new one."""
    if alert.state == "Dismissed":
        return finding.first_at <= alert.last_seen_at + QUIET
    if alert.ended_by == "allow":
        return False  # what is found after an edit is judged by the edited rule (S24)
    if isinstance(finding.rule, AllowlistRule | DenylistRule):
        return alert.state != "Resolved" or finding.last_at <= alert.last_seen_at
    if isinstance(finding.rule, ThresholdRule):
        return alert.ended_at is None or alert.started_at <= finding.last_at <= alert.ended_at
    return _is_near(alert, finding.last_at, finding.rule)


def _is_near(alert: Alert, at: datetime, rule: TimeWindowRule) -> bool:
    """Return whether a violation of a range belongs to the alert: no moment in its range lies between."""
    if at < alert.started_at - rule.window:
        return False
    if alert.ended_at is not None:
        return at <= alert.ended_at
    return at <= alert.last_seen_at + rule.window or rule.needs_order


def _repaired(history: Sequence[Alert], finding: Finding) -> Alert | None:
    """
    Return the alert whose minimum late data has just repaired, if the next one is missed at once.

    It is still the same device that is behind: it must not be told of again and again (S20).
    """
    latest = history[-1] if history else None
    if latest is None or not finding.below or latest.reason != REPAIRED or latest.ended_at is None:
        return None
    if (
        not isinstance(finding.rule, TimeWindowRule)
        or finding.last_at > latest.ended_at + finding.rule.window
    ):
        return None
    state: State = TRANSITIONS["Resolved", "reopen"]
    return structs.replace(latest, state=state, reason=None, ended_at=None)


def _ended_by(standing: Sequence[Alert], finding: Finding) -> list[Alert]:
    """
    A range alert that a new one follows had come to its end before.

    Of a rule that needs order only the engine can tell when that was, and it has told.
    """
    if not isinstance(finding.rule, TimeWindowRule) or finding.rule.needs_order:
        return []
    return [
        moved(alert, "recover", "a whole window is back in the allowed range", ended_at=end)
        for alert in standing
        if alert.ended_at is None
        and (alert.state, "recover") in TRANSITIONS
        and (end := alert.last_seen_at + finding.rule.window) < finding.last_at
    ]


def _opened(history: Sequence[Alert], finding: Finding) -> Alert:
    rule, identity = finding.rule, identity_of(finding)
    ordinal = max((alert.ordinal for alert in history), default=0) + 1
    older = max(filter(_stands, history), key=lambda one: one.ordinal, default=None)
    alert = Alert(
        alert_id=alert_id(identity, ordinal),
        alert_type=rule.row.alert_type,
        rule_type=rule.type,
        device_id=finding.device_id,
        state="Active",
        title=rule.row.alert_name,
        description="",
        remediation=rule.row.remediation,
        data_source=finding.source,
        value=finding.value,
        count=finding.count,
        started_at=finding.first_at,
        last_seen_at=finding.last_at,
        received_at=finding.received_at,
        certainty=finding.certainty,
        flags=finding.flags,
        evidence=() if finding.evidence is None else (finding.evidence,),
        ordinal=ordinal,
        previous_id=older.alert_id if older is not None else None,
        nearest_entry=finding.nearest_entry,
        allowing_entry=finding.allowing_entry,
        subjects=() if finding.subject is None else (finding.subject,),
        **_terms(finding),
    )
    if not isinstance(rule, AllowlistRule | DenylistRule):
        alert = _measured(_with_violation(alert, finding))
    alert = _overtaken(alert, history, finding)
    return structs.replace(alert, description=described(alert, rule))


def _terms(finding: Finding) -> dict[str, Any]:
    """Return what a finding was judged by: after an edit the newest word holds (S24)."""
    rule = finding.rule
    return {
        "group": finding.group.name,
        "group_version": finding.group.version,
        "severity": rule.severity or rule.row.severity,
        "min": getattr(rule, "min", None),
        "max": getattr(rule, "max", None),
        "window": getattr(rule, "window", None),
    }


def _overtaken(alert: Alert, history: Sequence[Alert], finding: Finding) -> Alert:
    """A range alert that late data opens before a later one is over already."""
    if not isinstance(finding.rule, TimeWindowRule):
        return alert
    end = finding.last_at + finding.rule.window
    if any(other.merged_into is None and other.started_at > end for other in history):
        return structs.replace(alert, state="Resolved", ended_at=end, reason="over when the data came")
    return alert


def _extended(alert: Alert, finding: Finding, others: Sequence[Alert]) -> Alert:
    """Return the alert with one more finding; the order of findings does not matter (S02)."""
    is_list = isinstance(finding.rule, AllowlistRule | DenylistRule)
    changed = structs.replace(
        alert,
        certainty="certain" if "certain" in (alert.certainty, finding.certainty) else "possible",
        flags=tuple(sorted({*alert.flags, *finding.flags})),
        evidence=_kept((*alert.evidence, *((finding.evidence,) if finding.evidence else ()))),
        subjects=_with_subject(alert.subjects, finding.subject),
        **_terms(finding),
    )
    if is_list:
        changed = structs.replace(
            changed,
            count=alert.count + finding.count,
            started_at=min(alert.started_at, finding.first_at),
            last_seen_at=max(alert.last_seen_at, finding.last_at),
        )
    else:
        changed = _measured(_with_violation(changed, finding))
        if changed.ended_at is not None and changed.last_seen_at > alert.last_seen_at:
            changed = _reopened(changed, finding.rule, others)
    return structs.replace(changed, description=described(changed, finding.rule))


def _with_violation(alert: Alert, finding: Finding) -> Alert:
    """Add one violation of a range to what the alert is made of."""
    one = Extent(finding.first_at, finding.last_at, finding.count, over=not finding.below)
    if one.over:
        return structs.replace(alert, firm=_joined(alert.firm, one))
    shortfalls = sorted({*alert.shortfalls, one}, key=lambda known: known.last_at)
    firm = alert.firm
    for settled in shortfalls[:-SHORTFALLS]:
        firm = _joined(firm, settled)
    return structs.replace(alert, firm=firm, shortfalls=tuple(shortfalls[-SHORTFALLS:]))


def _measured(alert: Alert) -> Alert:
    """Return the alert with the count and the times of all its violations."""
    whole = alert.firm
    for shortfall in alert.shortfalls:
        whole = _joined(whole, shortfall)
    assert whole is not None  # noqa: S101 - an alert stands on a violation
    return structs.replace(alert, count=whole.count, started_at=whole.first_at, last_seen_at=whole.last_at)


def _joined(one: Extent | None, other: Extent) -> Extent:
    """Return both as one: a passed maximum counts before a missed minimum, the worse number of a kind."""
    if one is None:
        return other
    over = [part.count for part in (one, other) if part.over]
    return Extent(
        min(one.first_at, other.first_at),
        max(one.last_at, other.last_at),
        max(over) if over else min(one.count, other.count),
        over=bool(over),
    )


def _reopened(alert: Alert, rule: Rule, others: Sequence[Alert]) -> Alert:
    """A recovery that late data refutes came later, or not at all yet."""
    if isinstance(rule, TimeWindowRule):
        end = alert.last_seen_at + rule.window
        if any(other.started_at > end for other in others):
            return structs.replace(alert, ended_at=end)
    state: State = TRANSITIONS.get((alert.state, "reopen"), alert.state)
    return structs.replace(alert, state=state, ended_at=None, reason="late data refuted the recovery")


def _united(first: Alert, other: Alert) -> Alert:
    """Return the earlier alert with all that the later one had (S02)."""
    united = structs.replace(
        first,
        certainty="certain" if "certain" in (first.certainty, other.certainty) else "possible",
        flags=tuple(sorted({*first.flags, *other.flags})),
        evidence=_kept((*first.evidence, *other.evidence)),
        firm=first.firm if other.firm is None else _joined(first.firm, other.firm),
        shortfalls=tuple(sorted({*first.shortfalls, *other.shortfalls}, key=lambda one: one.last_at)),
    )
    united = _measured(united)
    if first.ended_at is not None and other.ended_at is not None:
        return structs.replace(united, ended_at=max(first.ended_at, other.ended_at))
    state = other.state if first.ended_at is not None else first.state
    return structs.replace(united, ended_at=None, state=state, reason=None)


def _kept(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return the first and the latest ten of the evidence, in the order of the device's time."""
    ordered: list[Evidence] = []
    for one in sorted(evidence, key=lambda one: (one.occurred_at, one.event_id)):
        if one not in ordered[-EVIDENCE:]:
            ordered.append(one)
    if len(ordered) <= 2 * EVIDENCE:
        return tuple(ordered)
    return (*ordered[:EVIDENCE], *ordered[-EVIDENCE:])


def _with_subject(known: tuple[Facts, ...], subject: Facts | None) -> tuple[Facts, ...]:
    if subject is None or subject in known:
        return known
    return tuple(sorted((*known, subject), key=repr))[:SUBJECTS]


def moved(alert: Alert, action: Action, reason: str | None, *, ended_at: datetime | None) -> Alert:
    """Return the alert after an action that its state allows; KeyError for one that it does not."""
    return structs.replace(
        alert, state=TRANSITIONS[alert.state, action], reason=reason, ended_at=ended_at, ended_by=action
    )
