"""Groups as Azure's tools know them: what of a group has a place there, and the ARM template that deploys it."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from msgspec import structs

from fencepost.cli.output import plural
from fencepost.client.management_shapes import live_entries, live_notes
from fencepost.model.duration import iso_duration
from fencepost.model.rule import AllowlistRule, Members, Rule, SecurityGroup, TimeWindowRule

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
TYPE, VERSION = "Microsoft.Security/deviceSecurityGroups", "2019-08-01"
AzureRule = TimeWindowRule | AllowlistRule


def arm_template(groups: Sequence[SecurityGroup], now: datetime) -> tuple[str, list[str]]:
    """Return a template that deploys groups to an IoT Hub, and what it cannot say of them."""
    warnings: list[str] = []
    resources = [_resource(group.name, azure_rules(group, now, warnings)) for group in groups]
    hub = {"type": "string", "metadata": {"description": "The name of the IoT Hub."}}
    template = {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {"iotHubName": hub},
        "resources": resources,
    }
    return json.dumps(template, indent=2, ensure_ascii=False) + "\n", warnings


def azure_rules(group: SecurityGroup, now: datetime, warnings: list[str]) -> list[AzureRule]:
    """Return the rules of a group that Azure's model can say, and add what it cannot to the warnings."""
    place = f"group {group.name}"
    if lost := [*_lost_of_group(group)]:
        warnings.append(f"{place}: {', '.join(lost)}: there is no place for this here")
    kept: list[AzureRule] = []
    for rule in group.rules:
        if not isinstance(rule, AzureRule):
            warnings.append(f"{place}: {rule.type}: Azure has no such rule: it is left out")
            continue
        if lost := [*_lost_of_rule(rule)]:
            warnings.append(f"{place}: {rule.type}: {', '.join(lost)}: there is no place for this here")
        kept.append(_for_good(rule, now, f"{place}: {rule.type}", warnings))
    return kept


def _for_good(rule: AzureRule, now: datetime, place: str, warnings: list[str]) -> AzureRule:
    """Return a rule with the entries that do not end: one that ends would be allowed for ever."""
    if not isinstance(rule, AllowlistRule):
        return rule
    notes = live_notes(rule, now)
    ending = [entry for entry, note in notes.items() if note.until is not None]
    if ending:
        said = ", ".join(ending[:3]) + (", ..." if len(ending) > 3 else "")  # noqa: PLR2004
        warnings.append(
            f"{place}: {plural(len(ending), 'entry ends', 'entries end')} and so is left out: {said}"
        )
    if any(note.reason for note in notes.values()):
        warnings.append(f"{place}: who put entries there, when and why: there is no place for this here")
    left = set(live_entries(rule, now)) - set(ending)
    return structs.replace(rule, allow=tuple(entry for entry in rule.allow if entry in left), notes=())


def _lost_of_group(group: SecurityGroup) -> Iterator[str]:
    usual = SecurityGroup(name=group.name)
    if group.description:
        yield "description"
    if group.members != Members():
        yield "members (devices belong to it by their twin tag SecurityGroup)"
    if group.allowed_lateness is not None:
        yield "allowed_lateness"
    if group.implicit_entries != usual.implicit_entries:
        yield "implicit_entries"


def _lost_of_rule(rule: Rule) -> Iterator[str]:
    if rule.severity is not None:
        yield "severity"
    if rule.description is not None:
        yield "description"
    if isinstance(rule, TimeWindowRule) and rule.count != "attempts":
        yield "count"
    if isinstance(rule, TimeWindowRule) and rule.alert_on != "certain":
        yield "alert_on"


def _resource(name: str, rules: list[AzureRule]) -> dict[str, Any]:
    windows = [rule for rule in rules if isinstance(rule, TimeWindowRule)]
    lists = [rule for rule in rules if isinstance(rule, AllowlistRule)]
    return {
        "type": TYPE,
        "apiVersion": VERSION,
        "scope": "[format('Microsoft.Devices/IotHubs/{0}', parameters('iotHubName'))]",
        "name": literal(name),
        "properties": {
            "timeWindowRules": [
                {
                    "ruleType": rule.type,
                    "isEnabled": rule.enabled,
                    "minThreshold": rule.min,
                    "maxThreshold": rule.max,
                    "timeWindowSize": iso_duration(rule.window),
                }
                for rule in windows
            ],
            "allowlistRules": [
                {
                    "ruleType": rule.type,
                    "isEnabled": rule.enabled,
                    "allowlistValues": [literal(entry) for entry in rule.allow],
                }
                for rule in lists
            ],
        },
    }


def literal(text: str) -> str:
    """Return a text that a template takes for itself: in brackets it would be an expression."""
    return f"[{text}" if text.startswith("[") and text.endswith("]") else text
