"""
Which alerts are dismissed as soon as they open, because their owner knows (alertsSuppressionRules).

A rule is Azure's: an alert type, and conditions on the alert's facts that must all hold.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fencepost.model.alert import Alert
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
    if rule.alert_type not in ("*", alert.alert_type):
        return False
    facts = facts_of(alert)
    return all(_holds(one, facts) for one in rule.conditions)


def _holds(condition: Condition, facts: dict[str, tuple[str, ...]]) -> bool:
    known = [value.casefold() for value in facts.get(condition.field.casefold(), ())]
    if any(one.casefold() in known for one in condition.among):
        return True
    return any(one.casefold() in value for one in condition.contains for value in known)


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


def facts_of(alert: Alert) -> dict[str, tuple[str, ...]]:
    """Return the facts of an alert that conditions ask about, by field."""
    return {
        field: (str(value),) if (value := getattr(alert, name)) is not None else ()
        for field, name in FIELDS.items()
    }


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
