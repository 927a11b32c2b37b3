"""
Which alerts are dismissed as soon as they open, because their owner knows (alertsSuppressionRules).

A rule is Azure's: an alert type, and conditions on the alert's facts that must all hold.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fencepost.model.alert import Alert
from fencepost.model.catalog import CATALOG, Subject
from fencepost.model.errors import Problem

SuppressionState = Literal["Enabled", "Disabled", "Expired"]


class Condition(Struct, frozen=True, kw_only=True):
    """A fact of an alert, by its field's name, and the values of which it is one, or contains one, without case."""

    field: str
    among: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()


class SuppressionRule(Struct, frozen=True, kw_only=True):
    """`alert_type` is `*` for all; what the rule does ends at `expires_at`. `name` is compared without case."""

    name: str
    alert_type: str
    enabled: bool = True
    reason: str
    comment: str = ""
    expires_at: datetime | None = None
    conditions: tuple[Condition, ...] = ()
    changed_at: datetime

    def state_at(self, moment: datetime) -> SuppressionState:
        """Return whether it has an effect at a moment, and if not why."""
        if self.expires_at is not None and moment >= self.expires_at:
            return "Expired"
        return "Enabled" if self.enabled else "Disabled"


def suppressing(rules: Iterable[SuppressionRule], alert: Alert, at: datetime) -> SuppressionRule | None:
    """Return the first rule by which an alert that opens is dismissed, None where there is none."""
    return next((rule for rule in rules if rule.state_at(at) == "Enabled" and _matches(rule, alert)), None)


def _matches(rule: SuppressionRule, alert: Alert) -> bool:
    if rule.alert_type != "*" and rule.alert_type.casefold() != alert.alert_type.casefold():
        return False
    return all(_holds(one, alert) for one in rule.conditions)


def _holds(condition: Condition, alert: Alert) -> bool:
    value = _fact(alert, condition.field.casefold())
    if value is None:
        return False
    is_among = any(one.casefold() == value for one in condition.among)
    return is_among or any(one.casefold() in value for one in condition.contains)


FIELDS = {
    "alert.deviceid": "device_id",
    "alert.compromisedentity": "device_id",
    "alert.severity": "severity",
    "alert.ruletype": "rule_type",
    "alert.securitygroup": "group",
    "alert.value": "value",
    "entities.host.hostname": "device_id",
    "entities.ip.address": "value",
    "entities.process.commandline": "value",
    "entities.file.name": "value",
    "entities.account.name": "value",
}
"""The fields that conditions may name, without case, and the members of an alert that they mean."""
_SUBJECTS: dict[str, Subject] = {
    "entities.ip.address": "connection",
    "entities.process.commandline": "process",
    "entities.file.name": "process",
    "entities.account.name": "sign-in",
}
"""What an alert's value has to be for a field to mean it: an account is no path that holds its name."""


def _fact(alert: Alert, field: str) -> str | None:
    """Return what a field means of an alert, without case; None where the alert has no such."""
    subject, row = _SUBJECTS.get(field), CATALOG.get(alert.rule_type)
    if field not in FIELDS or (subject is not None and (row is None or row.subject != subject)):
        return None
    value: str | None = getattr(alert, FIELDS[field])
    return value.casefold() if value is not None else None


def problems_of_suppression(rule: SuppressionRule) -> Iterator[Problem]:
    """Yield everything about a rule that an operator must mend."""
    if not rule.alert_type.strip():
        yield Problem("alertType", "an alert type, or * for all")
    for index, condition in enumerate(rule.conditions):
        path = f"suppressionAlertsScope.allOf[{index}]"
        if condition.field.casefold() not in FIELDS:
            yield Problem(f"{path}.field", f"unknown field {condition.field!r}")
        if not condition.among and not condition.contains:
            yield Problem(path, "a condition has `in` or `contains` with at least one value")
        for name, values in (("in", condition.among), ("contains", condition.contains)):
            if not all(value.strip() for value in values):
                yield Problem(f"{path}.{name}", "a value is not empty: it would fit every alert")
