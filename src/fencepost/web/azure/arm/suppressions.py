"""`alertsSuppressionRules`: which alerts are dismissed as soon as they open."""

from datetime import datetime
from typing import Any

from litestar import Response
from msgspec import structs

from fencepost.model.errors import OperatorError
from fencepost.model.suppression import Condition, SuppressionRule
from fencepost.web.azure.arm.alert_bodies import seven_digits
from fencepost.web.azure.arm.calls import Call, answered, done, listed
from fencepost.web.azure.arm.errors import not_found
from fencepost.web.azure.arm.reading import Node, read
from fencepost.web.azure.arm.service import Place

TYPE = "Microsoft.Security/alertsSuppressionRules"
STATES = ("Enabled", "Disabled", "Expired")
OPERATORS = ("in", "contains")
MOST_CONDITIONS, MOST_VALUES = 100, 1000


async def list_rules(call: Call) -> Response[bytes]:
    """Return the rules, perhaps only those for one alert type."""
    call.take_role("viewer")
    wanted, now = call.query("AlertType"), call.service.clock()
    return listed(
        [
            _shown(rule, call.place, now)
            for rule in call.service.commands.suppressions()
            if wanted is None or rule.alert_type.casefold() == wanted.casefold()
        ]
    )


async def get_rule(call: Call) -> Response[bytes]:
    """Return one rule."""
    call.take_role("viewer")
    return answered(_shown(_named(call), call.place, call.service.clock()))


async def put_rule(call: Call) -> Response[bytes]:
    """Make or replace a rule; it is for alerts that open from now on."""
    call.take_role("administrator")
    now = call.service.clock()
    draft = sent_rule(read(call.body), call.names["rule"], now)
    try:
        rule, _ = await call.service.commands.put_suppression(draft, call.actor)
    except OperatorError as error:
        raise _in_properties(error) from None
    return answered(_shown(rule, call.place, now))


async def delete_rule(call: Call) -> Response[bytes]:
    """Take a rule away; one that is not there is as good as deleted. What it dismissed stays so."""
    call.take_role("administrator")
    await call.service.commands.delete_suppression(call.names["rule"], call.actor)
    return done(204)


def _named(call: Call) -> SuppressionRule:
    name = call.names["rule"]
    for rule in call.service.commands.suppressions():
        if rule.name.casefold() == name.casefold():
            return rule
    raise not_found(TYPE, name)


def _shown(rule: SuppressionRule, place: Place, now: datetime) -> dict[str, Any]:
    expires_at = seven_digits(rule.expires_at) if rule.expires_at is not None else None
    properties = {
        "alertType": rule.alert_type,
        "lastModifiedUtc": seven_digits(rule.changed_at),
        "expirationDateUtc": expires_at,
        "reason": rule.reason,
        "state": rule.state_at(now),
        "comment": rule.comment,
        "suppressionAlertsScope": {"allOf": [_condition_shown(one) for one in rule.conditions]}
        if rule.conditions
        else None,
    }
    return {
        "id": f"{place.subscription}/providers/{TYPE}/{rule.name}",
        "name": rule.name,
        "type": TYPE,
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def _condition_shown(condition: Condition) -> dict[str, Any]:
    shown: dict[str, Any] = {"field": condition.field}
    if condition.among:
        shown["in"] = list(condition.among)
    if condition.contains:
        one = condition.contains
        shown["contains"] = one[0] if len(one) == 1 else list(one)
    return shown


def sent_rule(root: Node, name: str, now: datetime) -> SuppressionRule:
    """Return the rule that a body wants; raises ArmError with all that is wrong."""
    properties = root.member("properties", required=True)
    alert_type = properties.text("alertType", required=True)
    reason = properties.text("reason", required=True)
    state = properties.choice("state", STATES, required=True)
    expires_at = properties.moment("expirationDateUtc")
    if state == "Expired" and root.problems == [] and (expires_at is None or expires_at > now):
        properties.member("state").fault("a rule expires by its expirationDateUtc: send Enabled or Disabled")
    scope = properties.member("suppressionAlertsScope")
    every = scope.member("allOf", required=scope.value is not None)  # or the rule were for all alerts
    conditions = [_condition(node) for node in every.items(MOST_CONDITIONS)]
    comment = properties.text("comment")
    root.check()
    return SuppressionRule(
        name=name,
        alert_type=alert_type or "",
        enabled=state != "Disabled",
        reason=reason or "",
        comment=comment or "",
        expires_at=expires_at,
        conditions=tuple(conditions),
        changed_at=now,
    )


def _condition(node: Node) -> Condition:
    field = node.text("field", required=True)
    values = {name: _values(node.member(name)) for name in OPERATORS}
    unknown = [
        name for name in (node.value if isinstance(node.value, dict) else ()) if name.lower() not in _KNOWN
    ]
    if unknown:
        node.fault(f"unknown operator {unknown[0]!r}: a condition has {' or '.join(OPERATORS)}")
    return Condition(field=field or "", among=values["in"], contains=values["contains"])


_KNOWN = {"field", *OPERATORS}


def _values(node: Node) -> tuple[str, ...]:
    """Return one value, or several."""
    return (node.value,) if isinstance(node.value, str) else node.texts(MOST_VALUES)


def _in_properties(error: OperatorError) -> OperatorError:
    """Return problems of the rule with the paths that they have in a body; the name stands in none."""
    return OperatorError(
        structs.replace(one, path=one.path if one.path == "name" else f"properties.{one.path}")
        for one in error.problems
    )
