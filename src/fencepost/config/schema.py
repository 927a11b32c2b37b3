"""
The JSON Schema of the groups file, derived from the model, the catalogue and the readers' own tables.

`python -m fencepost.config.schema` prints it; the shipped `groups.schema.json` is that text. Editors use
it to complete and to check; the loader says the same with lines, and more.
"""

import json
import sys
from importlib.resources import files
from typing import Any, get_args

from fencepost.config.durations import PATTERN
from fencepost.config.group_section import (
    ENTRY_KEYS,
    GROUP_KEYS,
    MEMBER_KEYS,
    REQUIRED_RULE_KEYS,
    RULE_KEYS,
)
from fencepost.config.groups import FILE_KEYS
from fencepost.config.layer_section import LAYER_KEYS
from fencepost.config.rule_tests import Expected
from fencepost.config.test_section import RESULTS, STEP_KINDS, TEST_KEYS, step_keys
from fencepost.model.address import PORTS, PROTOCOLS
from fencepost.model.alert import Certainty, State
from fencepost.model.catalog import CATALOG, Severity
from fencepost.model.identity import Operation
from fencepost.model.rule import ImplicitEntry

Schema = dict[str, Any]

_TEXT: Schema = {"$ref": "#/$defs/text"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_ENTRIES: Schema = {"type": "array", "items": {"anyOf": [_TEXT, {"$ref": "#/$defs/entry"}]}}
_DURATION: Schema = {"$ref": "#/$defs/duration"}
_OFFSET: Schema = {"$ref": "#/$defs/offset"}
_WHOLE: Schema = {"type": "integer", "minimum": 0}


def _said(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


_RULE: dict[str, Schema] = {
    "type": {},
    "enabled": _said({"type": "boolean", "default": True}, "false keeps the rule, but does not judge by it"),
    "severity": _said(
        {"enum": list(get_args(Severity))}, "The severity of its alerts; Low where none is stated"
    ),
    "description": _said(_TEXT, "Your own words, shown with its alerts"),
    "min": _said(_WHOLE, "The lowest number that is in order"),
    "max": _said(_WHOLE, "The highest number that is in order"),
    "window": _said(_DURATION, "The length of the sliding window, PT1S to P2D"),
    "count": _said(
        {"enum": ["attempts", "records"], "default": "attempts"}, "Count sign-in attempts, or raw records"
    ),
    "alert_on": _said(
        {"enum": ["certain", "possible"], "default": "certain"},
        "Whether a number that aggregated events make only possible may alert",
    ),
    "allow": _said(_ENTRIES, "Whatever is not listed here alerts; [] lets everything alert"),
    "deny": _said(_ENTRIES, "Whatever is listed here alerts, even if an allow-list has it"),
}

_MOMENT: Schema = {"type": "string", "format": "date-time", "examples": ["2026-12-24T00:00:00Z"]}

_ENTRY: dict[str, Schema] = {
    "entry": _said(_TEXT, "The entry"),
    "by": _said(_TEXT, "Who put it on the list; the one who applies the file where it is not stated"),
    "at": _said(_MOMENT, "When it was put on the list"),
    "reason": _said(_TEXT, "Why it is on the list"),
    "until": _said(_MOMENT, "It counts for what happens before this moment"),
    "alert_id": _said(_TEXT, "The alert from which the list was mended"),
}

_LAYER: dict[str, Schema] = {
    "rules": _said(
        {"type": "array", "items": {"$ref": "#/$defs/rule"}},
        "Entries that lists get beside those of the group, and for a device ranges in the place of the group's",
    ),
}

_GROUP: dict[str, Schema] = {
    "description": _said(_TEXT, "Your own words"),
    "members": _said({"$ref": "#/$defs/members"}, "Devices that belong to the group, besides their twin tag"),
    "allowed_lateness": _said(_DURATION, "How late events may come, in place of what is known of the agents"),
    "implicit_entries": _said(
        {
            "type": "array",
            "items": {"enum": list(get_args(ImplicitEntry))},
            "default": list(get_args(ImplicitEntry)),
        },
        "Addresses that are on every allow-list of the group; [] removes them",
    ),
    "rules": _said({"type": "array", "items": {"$ref": "#/$defs/rule"}}, "At most one rule of each type"),
}

_MEMBERS: dict[str, Schema] = {
    "ids": _said(_TEXTS, "Device ids, with case"),
    "globs": _said(_TEXTS, "Patterns of device ids: * any text, ? one character, [ab] one of these"),
}

_STEP: dict[str, Schema] = {
    "at": _said(_OFFSET, "When it happens"),
    "received": _said(_OFFSET, "When its message arrives; at once where this is not stated"),
    "repeat": _said({"type": "integer", "minimum": 1, "default": 1}, "How often it happens"),
    "every": _said({**_OFFSET, "default": "PT1S"}, "The time from one repetition to the next"),
    "connect": _said(_TEXT, "An outbound connection to this address"),
    "accept": _said(_TEXT, "An inbound connection from this address"),
    "login": _said(_TEXT, "A sign-in of this user"),
    "process": _said(_TEXT, "The start of this executable"),
    "local_users": _said(_TEXTS, "The device reports these accounts"),
    "dropped_events": _said(_WHOLE, "The agent reports that it dropped so many events"),
    "hub": _said({"enum": list(get_args(Operation))}, "The gateway sees this operation"),
    "port": _said({"type": "integer", "minimum": 0, "maximum": PORTS - 1}, "The remote port"),
    "local_port": _said({"type": "integer", "minimum": 0, "maximum": PORTS - 1}, "The device's own port"),
    "protocol": _said({"enum": list(PROTOCOLS), "default": "tcp"}, "The protocol"),
    "executable": _said(_TEXT, "The program that made or took the connection"),
    "hits": _said({"type": "integer", "minimum": 1}, "The event is an aggregate of so many"),
    "over": _said(_OFFSET, "The time that the aggregate covers, up to `at`"),
    "result": _said({"enum": list(RESULTS), "default": "Success"}, "How the sign-in ended"),
    "operation": _said({**_TEXT, "default": "login"}, "The agent's word for the kind of record"),
    "user_id": _said(_TEXT, "The number of the user"),
    "user_name": _said(_TEXT, "The name of the user"),
    "process_id": _said(_TEXT, "The number of the process"),
    "remote_address": _said(_TEXT, "Where the sign-in came from"),
    "command_line": _said(_TEXT, "The command line"),
    "hash": _said(_TEXT, "The hash of the executable, as the agent sends it"),
}

_EXPECTED: dict[str, Schema] = {
    "type": _said({"enum": list(CATALOG)}, "The rule type"),
    "value": _said(_TEXT, "The offending address, user or process"),
    "count": _said(_WHOLE, "The alert's count"),
    "min_count": _said(_WHOLE, "The least count"),
    "severity": _said({"enum": list(get_args(Severity))}, "The alert's severity"),
    "state": _said({"enum": list(get_args(State))}, "The alert's state at the end"),
    "certainty": _said({"enum": list(get_args(Certainty))}, "Whether the alert is certain"),
}

_TEST: dict[str, Schema] = {
    "name": _said(_TEXT, "A sentence that says what is tested"),
    "group": _said(_TEXT, "The group whose rules are tested"),
    "device": _said(_TEXT, "The device whose membership decides the group"),
    "events": _said({"type": "array", "items": {"$ref": "#/$defs/event"}}, "What happens, in any order"),
    "until": _said(_OFFSET, "Move the clock on to here, so that minimums fall due"),
    "expect": _said({"type": "array", "items": {"$ref": "#/$defs/expected"}}, "All alerts that must come"),
}

_FILE: dict[str, Schema] = {
    "server_addresses": _said(_TEXTS, "This server's own addresses: the implicit entry `server`"),
    "groups": _said(
        {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/group"}},
        "Security groups by their name",
    ),
    "fleet": _said({"$ref": "#/$defs/layer"}, "What is on the lists of all groups that have the rule"),
    "devices": _said(
        {"type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/layer"}},
        "What is expected of single devices beyond their groups, by the device's id",
    ),
    "tests": _said({"type": "array", "items": {"$ref": "#/$defs/test"}}, "What `fencepost rules test` runs"),
}


def _closed(texts: dict[str, Schema], known: tuple[str, ...], required: tuple[str, ...] = ()) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {key: texts[key] for key in known},
        "additionalProperties": False,
    }
    return {**schema, "required": list(required)} if required else schema


def _rule_of(family: str) -> Schema:
    schema = _closed(_RULE, RULE_KEYS[family], REQUIRED_RULE_KEYS[family])
    types = [row.name for row in CATALOG.values() if row.family == family]
    schema["properties"]["type"] = _said({"enum": types}, f"A rule type of the family {family}")
    return schema


def _step_of(kind: str) -> Schema:
    return _closed(_STEP, step_keys(kind), ("at", kind))


def _definitions() -> dict[str, Schema]:
    test = _closed(_TEST, TEST_KEYS, ("name", "events", "expect"))
    expected = _closed(_EXPECTED, Expected.__struct_fields__, ("type",))
    return {
        "text": _said(
            {"type": ["string", "number", "boolean"]}, "A text; without quotes it is read as written"
        ),
        "duration": {"type": "string", "pattern": PATTERN, "examples": ["PT30S", "PT5M", "PT6H15M", "P1D"]},
        "offset": {"anyOf": [_DURATION, _said({"type": "number", "minimum": 0}, "Seconds")]},
        "group": {**_closed(_GROUP, GROUP_KEYS), "type": ["object", "null"]},
        "members": _closed(_MEMBERS, MEMBER_KEYS),
        "layer": {**_closed(_LAYER, LAYER_KEYS), "type": ["object", "null"]},
        "entry": _closed(_ENTRY, ENTRY_KEYS, ("entry",)),
        "rule": {"oneOf": [_rule_of(family) for family in RULE_KEYS]},
        "event": {"oneOf": [_step_of(kind) for kind in STEP_KINDS]},
        "expected": expected,
        "test": {**test, "oneOf": [{"required": ["group"]}, {"required": ["device"]}]},
    }


def groups_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of the groups file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fencepost groups file",
        "description": "Security groups, their rules and members, and tests of them (docs/groups.md).",
        **_closed(_FILE, FILE_KEYS, ("groups",)),
        "$defs": _definitions(),
    }


def schema_text() -> str:
    """Return the text of the shipped schema file."""
    return json.dumps(groups_schema(), indent=2, ensure_ascii=False) + "\n"


def shipped_schema() -> Schema:
    """Return the schema as the package ships it."""
    text = files("fencepost.config").joinpath("groups.schema.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


if __name__ == "__main__":
    sys.stdout.write(schema_text())
