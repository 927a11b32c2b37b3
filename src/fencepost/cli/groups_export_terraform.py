"""Groups as resources `azurerm_iot_security_device_group` of Terraform's provider for Azure."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from fencepost.cli.groups_export_azure import azure_rules
from fencepost.cli.output import plural
from fencepost.model.duration import iso_duration
from fencepost.model.rule import AllowlistRule, SecurityGroup, TimeWindowRule

LISTS = {
    "ConnectionFromIpNotAllowed": "connection_from_ips_not_allowed",
    "ConnectionToIpNotAllowed": "connection_to_ips_not_allowed",
    "LocalUserNotAllowed": "local_users_not_allowed",
    "ProcessNotAllowed": "processes_not_allowed",
}
GREATEST = 2**31 - 1
"""The provider counts in 32 bits."""
_NETWORK = re.compile(r"([0-9]{1,3}\.){3}[0-9]{1,3}(/([0-9]|[12][0-9]|3[0-2]))?", re.ASCII)
"""The only addresses that the provider takes."""
_HEAD = """\
variable "iothub_id" {
  type        = string
  description = "The resource id of the IoT Hub."
}
"""
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
MOST_NAMED = 3


def terraform_file(groups: Sequence[SecurityGroup], now: datetime) -> tuple[str, list[str]]:
    """Return the text of a .tf file with a resource for each group, and what it cannot say of them."""
    warnings: list[str] = []
    parts, labels = [_HEAD], set[str]()
    for group in groups:
        label = _label(group.name, labels)
        labels.add(label)
        parts.append("\n".join(_resource(group, label, now, warnings)) + "\n")
    return "\n".join(parts), warnings


def _resource(group: SecurityGroup, label: str, now: datetime, warnings: list[str]) -> Iterator[str]:
    rules = azure_rules(group, now, warnings)
    place = f"group {group.name}"
    lists: dict[str, list[str]] = {}
    ranges: list[TimeWindowRule] = []
    for rule in rules:
        if not rule.enabled:
            warnings.append(f"{place}: {rule.type}: it is not enabled, which cannot be said: it is left out")
        elif isinstance(rule, AllowlistRule):
            if entries := _sayable(rule, f"{place}: {rule.type}", warnings):
                lists[LISTS[rule.type]] = entries
        elif rule.max > GREATEST:
            warnings.append(f"{place}: {rule.type}: max is more than {GREATEST:,}: it is left out")
        else:
            ranges.append(rule)
    yield f'resource "azurerm_iot_security_device_group" {quoted(label)} {{'
    yield f"  name      = {quoted(group.name)}"
    yield "  iothub_id = var.iothub_id"
    if lists:
        yield from ("", *_allow_rule(lists))
    for rule in ranges:
        yield from ("", *_range_rule(rule))
    yield "}"


def _sayable(rule: AllowlistRule, place: str, warnings: list[str]) -> list[str]:
    """Return the entries that the provider takes; one that is left out alerts, which is seen."""
    is_address = rule.row.value_type == "IpCidr"
    entries = [entry for entry in rule.allow if not is_address or _NETWORK.fullmatch(entry)]
    lost = [entry for entry in rule.allow if entry not in set(entries)]
    if lost:
        said = ", ".join(lost[:MOST_NAMED]) + (", ..." if len(lost) > MOST_NAMED else "")
        what = plural(len(lost), "entry is no IPv4 network", "entries are no IPv4 networks")
        warnings.append(f"{place}: {what}, and the provider takes no others: left out: {said}")
    if not entries:
        warnings.append(f"{place}: an empty list, of which everything alerts, cannot be said: it is left out")
    return entries


def _allow_rule(lists: dict[str, list[str]]) -> Iterator[str]:
    yield "  allow_rule {"
    for name, entries in lists.items():
        yield f"    {name} = ["
        yield from (f"      {quoted(entry)}," for entry in entries)
        yield "    ]"
    yield "  }"


def _range_rule(rule: TimeWindowRule) -> Iterator[str]:
    yield "  range_rule {"
    yield f"    type     = {quoted(rule.type)}"
    yield f"    min      = {rule.min}"
    yield f"    max      = {rule.max}"
    yield f"    duration = {quoted(iso_duration(rule.window))}"
    yield "  }"


def quoted(text: str) -> str:
    """Return a text as HCL writes it, in which nothing is taken for a template."""
    plain = "".join(_ESCAPES.get(one) or (one if one.isprintable() else _code(one)) for one in text)
    return '"' + plain.replace("${", "$${").replace("%{", "%%{") + '"'


def _code(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


def _label(name: str, taken: set[str]) -> str:
    """Return a name that Terraform takes for a resource, and that no other group has."""
    plain = re.sub(r"[^0-9A-Za-z_-]", "_", name)
    plain = plain if plain[:1].isalpha() or plain.startswith("_") else f"_{plain}"
    number, label = 1, plain
    while label in taken:
        number += 1
        label = f"{plain}_{number}"
    return label
