"""The groups file: what it says, and everything that is wrong with it at once."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from fencepost.config.groups import load_groups, parse_groups
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.membership import Membership
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    Members,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)

EXAMPLES = Path(__file__).parents[2] / "examples"

WHOLE = """
server_addresses: [203.0.113.1]
groups:
  cameras:
    description: fixed cameras, plant 7
    members: {ids: [cam-0001], globs: ["cam-*"]}
    allowed_lateness: PT15M
    implicit_entries: [loopback, server]
    rules:
      - {type: ActiveConnectionsNotInAllowedRange, min: 1, max: 30, window: PT5M, severity: Medium, alert_on: possible}
      - {type: FailedLocalLoginsNotInAllowedRange, min: 0, max: 3, window: PT10M, count: records}
      - {type: ConnectionToIpNotAllowed, allow: [10.0.0.0/8, "2001:db8::/32", "203.0.113.7:443/tcp"]}
      - {type: ConnectionToIpDenied, deny: [198.51.100.0/24]}
      - {type: LocalUserNotAllowed, allow: [service]}
      - {type: ProcessNotAllowed, allow: [/usr/bin/streamd, sh, "/opt/vendor/*"], enabled: false, description: "our own words"}
      - {type: LocalUsersNotInAllowedRange, min: 1, max: 4}
"""


def problems(text: str) -> list[Problem]:
    with pytest.raises(OperatorError) as caught:
        parse_groups(text, "f.yaml")
    return list(caught.value.problems)


def rules(*lines: str) -> str:
    return "groups:\n  g:\n    rules:\n" + "".join(f"      - {line}\n" for line in lines)


def test_a_whole_file_becomes_the_groups_that_it_states() -> None:
    file = parse_groups(WHOLE, "f.yaml")
    assert file.server_addresses == ("203.0.113.1",)
    assert file.groups[0] == SecurityGroup(
        name="cameras",
        description="fixed cameras, plant 7",
        members=Members(ids=("cam-0001",), globs=("cam-*",)),
        allowed_lateness=timedelta(minutes=15),
        implicit_entries=("loopback", "server"),
        server_addresses=("203.0.113.1",),
        rules=(
            TimeWindowRule(
                type="ActiveConnectionsNotInAllowedRange",
                min=1,
                max=30,
                window=timedelta(minutes=5),
                severity="Medium",
                alert_on="possible",
            ),
            TimeWindowRule(
                type="FailedLocalLoginsNotInAllowedRange",
                min=0,
                max=3,
                window=timedelta(minutes=10),
                count="records",
            ),
            AllowlistRule(
                type="ConnectionToIpNotAllowed", allow=("10.0.0.0/8", "2001:db8::/32", "203.0.113.7:443/tcp")
            ),
            DenylistRule(type="ConnectionToIpDenied", deny=("198.51.100.0/24",)),
            AllowlistRule(type="LocalUserNotAllowed", allow=("service",)),
            AllowlistRule(
                type="ProcessNotAllowed",
                allow=("/usr/bin/streamd", "sh", "/opt/vendor/*"),
                enabled=False,
                description="our own words",
            ),
            ThresholdRule(type="LocalUsersNotInAllowedRange", min=1, max=4),
        ),
    )
    assert file.warnings == ()


def test_a_file_without_a_default_group_gets_an_empty_one() -> None:
    groups = parse_groups("server_addresses: [192.0.2.1]\ngroups: {cameras: }", "f").groups
    assert [group.name for group in groups] == ["cameras", "default"]
    assert groups[1].rules == ()
    assert groups[1].implicit_addresses()[-1] == "192.0.2.1"


def test_a_default_group_that_is_written_is_kept_whatever_its_case() -> None:
    assert [group.name for group in parse_groups("groups: {Default: }", "f").groups] == ["Default"]


def test_S16_implicit_entries_are_all_three_unless_taken_off() -> None:
    groups = parse_groups("groups: {a: {}, b: {implicit_entries: []}}", "f").groups
    assert groups[0].implicit_entries == ("loopback", "link_local", "server")
    assert groups[1].implicit_entries == ()


def test_words_that_yaml_takes_for_something_else_stay_the_words_that_were_written() -> None:
    text = rules("{type: LocalUserNotAllowed, allow: [0123, on, no, 22:30, 2026-01-01, 1e3, true, 1000]}")
    rule = parse_groups(text, "f").groups[0].rules[0]
    assert isinstance(rule, AllowlistRule)
    assert rule.allow == ("0123", "on", "no", "22:30", "2026-01-01", "1e3", "true", "1000")


def test_group_names_and_ids_are_texts() -> None:
    file = parse_groups("groups: {007: {members: {ids: [0815, no]}}, on: {}}", "f")
    assert [group.name for group in file.groups] == ["007", "on", "default"]
    assert file.groups[0].members.ids == ("0815", "no")


def test_yes_and_no_are_flags_where_a_flag_is_asked() -> None:
    rule = parse_groups(rules("{type: LocalUserNotAllowed, allow: [a], enabled: no}"), "f").groups[0].rules[0]
    assert rule.enabled is False


@pytest.mark.parametrize(
    ("line", "path", "reason"),
    [
        (
            "{type: ActiveConnectionsNotInAllowedRange, min: 0, max: 1, windw: PT5M}",
            ".windw",
            "did you mean 'window'?",
        ),
        ("{type: ActiveConnectionsNotInAllowedRange, min: 0, max: 1}", "", "the key 'window' is missing"),
        ("{type: ActiveConnectionsNotInAllowedRange, min: 0, window: PT5M}", "", "the key 'max' is missing"),
        ("{type: ActiveConnectionsNotInAllowedRange, min: 9, max: 1}", ".max", "less than min"),
        ("{type: ActiveConnectionsNotInAllowedRange, min: -1, max: 1, window: PT5M}", ".min", "not negative"),
        (
            "{type: ActiveConnectionsNotInAllowedRange, min: 0, max: 1, window: 5m}",
            ".window",
            "such as PT30S, PT5M",
        ),
        (
            "{type: ActiveConnectionsNotInAllowedRange, min: 0, max: 1, window: 300}",
            ".window",
            "such as PT5M",
        ),
        (
            "{type: ActiveConnectionsNotInAllowedRange, min: 0, max: 1, window: P9D}",
            ".window",
            "between PT1S and P2D",
        ),
        (
            "{type: ActiveConnectionsNotInAllowedRange, min: '0', max: 1, window: PT5M}",
            ".min",
            "without quotes",
        ),
        (
            "{type: ActiveConnectionsNotInAllowedRange, min: yes, max: 1, window: PT5M}",
            ".min",
            "a whole number",
        ),
        ("{type: ActiveConnectionsNotInAllowedRange, min: 1.5, max: 2, window: PT5M}", ".min", "got '1.5'"),
        (
            "{type: ActiveConnectionsNotInAllowedRange, min: 0, max: 022, window: PT5M}",
            ".max",
            "a whole number",
        ),
        (
            "{type: ActiveConnectionsNotInAllowedRange, min: 0, max: 1, window: PT5M, alert_on: maybe}",
            ".alert_on",
            "certain",
        ),
        (
            "{type: LocalUsersNotInAllowedRange, min: 0, max: 1, window: PT5M}",
            ".window",
            "unknown key 'window'",
        ),
        ("{type: LocalUserNotAllowed}", "", "the key 'allow' is missing"),
        ("{type: LocalUserNotAllowed, allow: }", ".allow", "write [] for an empty one"),
        ("{type: LocalUserNotAllowed, allow: service}", ".allow", "expected a list"),
        ("{type: LocalUserNotAllowed, allow: [[a]]}", ".allow[0]", "expected a text, got a list"),
        ("{type: LocalUserNotAllowed, allow: ['']}", ".allow[0]", "not empty"),
        ("{type: LocalUserNotAllowed, allow: [a], severity: medium}", ".severity", "did you mean 'Medium'?"),
        ("{type: LocalUserNotAllowed, allow: [a], enabled: 1}", ".enabled", "expected true or false"),
        ("{type: LocalUserDenied, allow: [a]}", ".allow", "unknown key 'allow'"),
        ("{type: ConnectionToIpNotAllowed, allow: [10.0.0.0/33]}", ".allow[0]", "not a CIDR block"),
        ("{type: ConnectionToIpDenied, deny: [a, 192.0.2.1]}", ".deny[0]", "not an IP address"),
        ("{type: ProcessNotAllowed, allow: ['sha256:00']}", ".allow[0]", "64 hexadecimal digits"),
        ("{type: LocalUserNotAlowed, allow: [a]}", ".type", "did you mean 'LocalUserNotAllowed'?"),
        ("{type: [a]}", ".type", "expected a text"),
        ("{allow: [a]}", "", "the key 'type' is missing"),
        ("LocalUserNotAllowed", "", "expected a mapping"),
    ],
)
def test_a_fault_of_a_rule_says_where_and_how_to_mend_it(line: str, path: str, reason: str) -> None:
    found = [p for p in problems(rules(line)) if p.path == f"groups.g.rules[0]{path}"]
    assert found
    assert reason in found[0].reason
    assert (found[0].file, found[0].line) == ("f.yaml", 4)


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("", "", "the file is empty"),
        ("# a word\n", "", "the file is empty"),
        ("[]", "", "expected a mapping"),
        ("tests: []", "", "the key 'groups' is missing"),
        ("group: {}", "group", "did you mean 'groups'?"),
        ("groups: {}", "groups", "there are no groups"),
        ("groups:", "groups", "expected a mapping"),
        ("groups: [a]", "groups", "expected a mapping"),
        ("groups: {a: 5}", "groups.a", "expected a mapping"),
        ("groups: {' ': {}}", 'groups." "', "a group has a name"),
        ("groups: {a: {}, A: {}}", "groups.A", "names are compared without case"),
        ("groups: {a: {rule: []}}", "groups.a.rule", "did you mean 'rules'?"),
        ("groups: {a: {rules: {}}}", "groups.a.rules", "expected a list"),
        ("groups: {a: {members: [x]}}", "groups.a.members", "expected a mapping"),
        ("groups: {a: {members: {id: [x]}}}", "groups.a.members.id", "did you mean 'ids'?"),
        ("groups: {a: {members: {ids: ['']}}}", "groups.a.members.ids", "not empty"),
        ("groups: {a: {members: {globs: [" + "x" * 300 + "]}}}", "groups.a.members.globs", "at most 256"),
        ("groups: {a: {members: {ids: [x]}}, b: {members: {ids: [x]}}}", "groups.b.members.ids", "'a' too"),
        ("groups: {a: {allowed_lateness: -PT5M}}", "groups.a.allowed_lateness", "not negative"),
        ("groups: {a: {allowed_lateness: P3D}}", "groups.a.allowed_lateness", "between PT0S and P2D"),
        (
            "groups: {a: {implicit_entries: [lopback]}}",
            "groups.a.implicit_entries[0]",
            "did you mean 'loopback'?",
        ),
        ("groups: {a: {}}\nserver_addresses: [x]", "server_addresses[0]", "not an IP address"),
        ("groups: {a: {}}\nserver_addresses: x", "server_addresses", "expected a list"),
        ("groups: {a: {description: [x]}}", "groups.a.description", "expected a text"),
    ],
)
def test_a_fault_of_a_file_says_where_and_how_to_mend_it(text: str, path: str, reason: str) -> None:
    found = [p for p in problems(text) if p.path == path]
    assert found
    assert reason in found[0].reason


def test_a_rule_type_stands_once_in_a_group() -> None:
    found = problems(rules(*["{type: LocalUserNotAllowed, allow: [a]}"] * 2))
    assert [(p.path, p.line) for p in found] == [("groups.g.rules[1]", 5)]
    assert "stands twice" in found[0].reason


def test_all_problems_are_said_at_once_in_the_order_of_their_lines() -> None:
    text = """
groups:
  a:
    membrs: 1
    rules:
      - {type: ActiveConnectionsNotInAllowedRange, min: 5, max: 2, windw: PT5M}
  a:
    x: 1
  b:
    rules:
      - {type: Nothing}
tests:
  - {name: t, group: c, events: [], expect: []}
"""
    assert [(p.line, p.path) for p in problems(text)] == [
        (4, "groups.a.membrs"),
        (6, "groups.a.rules[0].windw"),
        (6, "groups.a.rules[0]"),
        (6, "groups.a.rules[0].max"),
        (7, "groups.a"),
        (11, "groups.b.rules[0].type"),
        (13, "tests[0].group"),
    ]


def test_a_file_is_read_from_disk_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_bytes(b"\xef\xbb\xbfgroups: {a: {}}\r\n")
    assert load_groups(path).groups[0].name == "a"


@pytest.mark.parametrize(
    ("content", "reason", "line"),
    [
        (b"groups:\n  a: {description: \xff}\n", "not UTF-8", 2),
        (b"#" * 1_000_001, "larger than", 0),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, reason: str, line: int) -> None:
    path = tmp_path / "g.yaml"
    path.write_bytes(content)
    with pytest.raises(OperatorError, match=reason) as caught:
        load_groups(path)
    assert (caught.value.problems[0].file, caught.value.problems[0].line) == (str(path), line)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (lambda folder: folder / "none.yaml", "there is no such file"),
        (lambda folder: folder, "this is a folder"),
        (lambda folder: Path("a\0b"), "cannot be read"),
        (lambda folder: Path("x" * 5000), "cannot be read"),
    ],
)
def test_a_path_that_is_no_file_says_so(tmp_path: Path, place: Callable[[Path], Path], reason: str) -> None:
    with pytest.raises(OperatorError, match=reason):
        load_groups(place(tmp_path))


def test_the_example_is_in_order_and_tests_each_agent_rule_type() -> None:
    file = load_groups(EXAMPLES / "groups.yaml")
    assert [group.name for group in file.groups] == ["cameras", "gateways", "plcs", "default"]
    assert file.warnings == ()
    assert {wish.type for test in file.tests for wish in test.expect} >= {
        "ActiveConnectionsNotInAllowedRange",
        "FailedLocalLoginsNotInAllowedRange",
        "ConnectionToIpNotAllowed",
        "LocalUserNotAllowed",
        "ProcessNotAllowed",
    }
    membership = Membership(file.groups)
    ids = ("cam-0001", "gw-7", "hall-2-spare", "plc-0042", "x")
    names = [membership.group_of(device_id)[0].name for device_id in ids]
    assert names == ["cameras", "gateways", "gateways", "plcs", "default"]
