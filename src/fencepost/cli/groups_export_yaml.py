"""Groups and layers as a groups file that reads back to the same."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from fencepost.client.management_shapes import live_entries, live_notes
from fencepost.model.duration import iso_duration
from fencepost.model.layer import Layer
from fencepost.model.rule import AllowlistRule, DenylistRule, EntryNote, Rule, SecurityGroup

USUAL_RULE = {
    "enabled": True,
    "severity": None,
    "description": None,
    "count": "attempts",
    "alert_on": "certain",
}
USUAL_IMPLICIT = SecurityGroup(name="").implicit_entries


class _Dumper(yaml.SafeDumper):
    """Writes what stands twice twice, and lists indented below their keys."""

    def ignore_aliases(self, _: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def groups_file(groups: Sequence[SecurityGroup], layers: Iterable[Layer], now: datetime) -> str:
    """Return a groups file; entries that have ended are left out."""
    server = next((group.server_addresses for group in groups if group.server_addresses), ())
    data: dict[str, Any] = {"server_addresses": [*server]} if server else {}
    data["groups"] = {group.name: _group(group, now) for group in groups}
    devices: dict[str, Any] = {}
    for layer in layers:
        rules = [_rule(rule, now, is_layer=True) for rule in layer.rules]
        if rules and layer.device_id is None:
            data["fleet"] = {"rules": rules}
        elif rules:
            devices[str(layer.device_id)] = {"rules": rules}
    if devices:
        data["devices"] = devices
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)


def _group(group: SecurityGroup, now: datetime) -> dict[str, Any]:
    said: dict[str, Any] = {"description": group.description} if group.description else {}
    members = {key: [*getattr(group.members, key)] for key in ("ids", "globs")}
    if any(members.values()):
        said["members"] = {key: words for key, words in members.items() if words}
    if group.allowed_lateness is not None:
        said["allowed_lateness"] = iso_duration(group.allowed_lateness)
    if group.implicit_entries != USUAL_IMPLICIT:
        said["implicit_entries"] = [*group.implicit_entries]
    if group.rules:
        said["rules"] = [_rule(rule, now) for rule in group.rules]
    return said


def _rule(rule: Rule, now: datetime, *, is_layer: bool = False) -> dict[str, Any]:
    shown = {name: getattr(rule, name) for name in rule.__struct_fields__ if name != "notes"}
    said = {name: value for name, value in shown.items() if value != USUAL_RULE.get(name, ...)}
    if "window" in said:
        said["window"] = iso_duration(said["window"])
    if isinstance(rule, AllowlistRule | DenylistRule):
        key = "allow" if isinstance(rule, AllowlistRule) else "deny"
        said[key] = [*_items(rule, now)]
        if is_layer:
            said = {"type": rule.type, key: said[key]}
    return said


def _items(rule: AllowlistRule | DenylistRule, now: datetime) -> Iterator[str | dict[str, Any]]:
    notes = live_notes(rule, now)
    for entry in live_entries(rule, now):
        note = notes.get(entry)
        yield entry if note is None else _noted(note)


def _noted(note: EntryNote) -> dict[str, Any]:
    told = {
        "entry": note.entry,
        "reason": note.reason,
        "until": _moment(note.until),
        "by": note.by,
        "at": _moment(note.at),
        "alert_id": note.alert_id,
    }
    return {name: value for name, value in told.items() if value}


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment is not None else None
