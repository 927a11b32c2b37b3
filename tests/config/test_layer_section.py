"""A groups file that says more: entries with their notes, the fleet, and single devices (S27, S28)."""

from datetime import UTC, datetime

import pytest
from tests.config.test_schema import complaints

from fencepost.config.group_section import UNSAID
from fencepost.config.groups import GroupsFile, parse_groups
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import NO_LAYERS
from fencepost.model.rule import AllowlistRule, DenylistRule, EntryNote, TimeWindowRule

TO = "ConnectionToIpNotAllowed"
WHOLE = """
groups:
  cameras:
    rules:
      - type: ConnectionToIpNotAllowed
        allow:
          - 10.0.0.0/8
          - {entry: 203.0.113.7, reason: "update, ticket 4711", until: "2026-12-24T00:00:00Z"}
          - entry: "198.51.100.7:443"
            by: user/anna
            at: "2026-03-02T10:00:00+01:00"
            alert_id: 0f3a
      - {type: ProcessDenied, deny: [nc, {entry: "sh", until: "2026-03-03T00:00:00Z"}]}
fleet:
  rules:
    - {type: ConnectionToIpNotAllowed, allow: [192.0.2.0/24, {entry: 192.0.3.1, reason: ours}]}
devices:
  cam-0001:
    rules:
      - {type: LocalUserNotAllowed, allow: [technician]}
      - {type: ActiveConnectionsNotInAllowedRange, min: 0, max: 99, window: PT5M}
  "cam 2":
"""


def read(text: str) -> GroupsFile:
    return parse_groups(text, "f.yaml")


def problems(text: str) -> list[Problem]:
    with pytest.raises(OperatorError) as caught:
        read(text)
    return list(caught.value.problems)


def test_S28_an_entry_can_say_who_put_it_there_why_and_until_when() -> None:
    """Who is left out is the one who applies the file."""
    listed, denied = read(WHOLE).groups[0].rules
    assert isinstance(listed, AllowlistRule)
    assert listed.allow == ("10.0.0.0/8", "203.0.113.7", "198.51.100.7:443")
    christmas = datetime(2026, 12, 24, tzinfo=UTC)
    assert listed.notes == (
        EntryNote(entry="203.0.113.7", by="", at=UNSAID, reason="update, ticket 4711", until=christmas),
        EntryNote(
            entry="198.51.100.7:443",
            by="user/anna",
            at=datetime(2026, 3, 2, 9, tzinfo=UTC),
            alert_id="0f3a",
        ),
    )
    assert isinstance(denied, DenylistRule)
    assert denied.notes == (EntryNote(entry="sh", by="", at=UNSAID, until=datetime(2026, 3, 3, tzinfo=UTC)),)


def test_S28_an_entry_that_says_nothing_of_itself_has_no_note() -> None:
    file = read("groups: {g: {rules: [{type: ProcessNotAllowed, allow: [{entry: sh}, nc]}]}}")
    rule = file.groups[0].rules[0]
    assert isinstance(rule, AllowlistRule)
    assert (rule.allow, rule.notes) == (("sh", "nc"), ())


def test_S27_the_fleet_and_devices_stand_beside_the_groups() -> None:
    """A device that says nothing is none."""
    layers = read(WHOLE).layers
    (of_fleet,) = layers.fleet.rules
    assert isinstance(of_fleet, AllowlistRule)
    assert (of_fleet.allow, of_fleet.notes[0].reason) == (("192.0.2.0/24", "192.0.3.1"), "ours")
    assert list(layers.devices) == ["cam-0001"]
    users, connections = layers.of("cam-0001").rules
    assert isinstance(connections, TimeWindowRule)
    assert (users.type, connections.max, layers.of("cam-0001").version) == ("LocalUserNotAllowed", 99, 0)


@pytest.mark.parametrize(
    "text", ["", "fleet: \ndevices: ", "fleet: {rules: []}\ndevices: {cam: {rules: []}}"]
)
def test_S27_a_file_need_not_speak_of_layers(text: str) -> None:
    assert read(f"groups: {{g: {{}}}}\n{text}").layers == NO_LAYERS


def test_the_schema_knows_layers_and_notes() -> None:
    assert complaints(WHOLE) == []


def listed(item: str) -> str:
    return f"groups: {{g: {{rules: [{{type: {TO}, allow: [10.0.0.1, {item}]}}]}}}}"


def layered(text: str) -> str:
    return f"groups: {{g: {{rules: [{{type: {TO}, allow: [10.0.0.1]}}]}}}}\n{text}"


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        (listed("{reason: x}"), "groups.g.rules[0].allow[1]", "the key 'entry' is missing"),
        (listed("{entry: 10.0.0.2, untill: x}"), "groups.g.rules[0].allow[1].untill", "did you mean 'until'"),
        (listed("{entry: 10.0.0.2, until: soon}"), "groups.g.rules[0].allow[1].until", "such as 2026-12-24T00"),
        (listed("{entry: 10.0.0.2, until: 2026-12-24}"), "groups.g.rules[0].allow[1].until", "time zone"),
        (listed("{entry: 10.0.0.2, at: 2026-12-24T00:00:00}"), "groups.g.rules[0].allow[1].at", "time zone"),
        (listed("{entry: [x]}"), "groups.g.rules[0].allow[1].entry", "expected a text"),
        (listed("[x]"), "groups.g.rules[0].allow[1]", "expected a text, got a list"),
        (listed("{entry: 10.0.0.256, reason: x}"), "groups.g.rules[0].allow[1]", "is not an IP address"),
        (listed('{entry: 10.0.0.2, reason: "a\\u202eb"}'), "groups.g.rules[0].allow[1].reason", "U+202E"),
        (listed("{entry: 10.0.0.1, reason: x}, {entry: 10.0.0.1, reason: y}"), "groups.g.rules[0].allow[0]", "two notes"),
        (layered("fleet: [x]"), "fleet", "expected a mapping"),
        (layered("fleet: {allow: [x]}"), "fleet.allow", "unknown key"),
        (
            layered("fleet: {rules: [{type: ActiveConnectionsNotInAllowedRange, min: 0, max: 1, window: PT5M}]}"),
            "fleet.rules[0]",
            "has no list",
        ),
        (layered("devices: [cam]"), "devices", "expected a mapping"),
        (layered(f"devices: {{cam: {{rules: [{{type: {TO}, allow: [x]}}]}}}}"), "devices.cam.rules[0].allow[0]", "not an IP"),
        (layered('devices: {"a\\u2066": {rules: []}}'), 'devices."a\u2066"', "U+2066"),
        (layered(f"devices: {{cam: {{rules: {[{'type': TO, 'allow': []}] * 2}}}}}"), "devices.cam.rules[1]", "twice"),
    ],
)  # fmt: skip
def test_a_fault_of_a_note_or_a_layer_says_where_it_is(text: str, path: str, reason: str) -> None:
    found = [problem for problem in problems(text) if problem.path == path]
    assert found, problems(text)
    assert reason in found[0].reason
    assert found[0].line


def test_2_to_the_40_is_too_great_for_a_bound() -> None:
    text = "groups: {g: {rules: [{type: LocalUsersNotInAllowedRange, min: 0, max: 1099511627776}]}}"
    assert [(p.path, "at most 2147483647" in p.reason) for p in problems(text)] == [
        ("groups.g.rules[0].max", True)
    ]


def test_a_name_that_turns_the_direction_of_writing_is_told() -> None:
    assert [(p.line, "U+202E" in p.reason) for p in problems('groups:\n  "cam\\u202eeras": {}')] == [
        (2, True)
    ]


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("fleet: {rules: [{type: ProcessNotAllowed, allow: [sh]}]}", "fleet.rules[0].type", "no group judges by"),
        (f"devices: {{cam: {{rules: [{{type: {TO}, allow: [10.0.0.1], severity: High}}]}}}}", "devices.cam.rules[0]", "say nothing"),
        (f"fleet: {{rules: [{{type: {TO}, allow: [10.0.0.1, 10.0.0.0/8]}}]}}", "fleet.rules[0].allow[0]", "adds nothing"),
    ],
)  # fmt: skip
def test_what_may_not_be_meant_in_a_layer_is_a_warning(text: str, path: str, reason: str) -> None:
    (warning,) = read(layered(text)).warnings
    assert (warning.path, reason in warning.reason) == (path, True)


def test_S28_an_entry_that_ends_covers_no_other() -> None:
    """When it has ended, the narrower one is needed."""
    assert read(listed("{entry: 10.0.0.0/8, until: 2026-12-24T00:00:00Z}")).warnings == ()
