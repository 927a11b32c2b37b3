"""Warnings: lawful, but perhaps not meant."""

import pytest

from fencepost.config.advice import covered_addresses, covered_texts, may_overlap
from fencepost.config.groups import parse_groups
from fencepost.model.address import parse_entry


def warnings(*rules: str) -> list[tuple[str, str]]:
    text = "groups:\n  g:\n    rules:\n" + "".join(f"      - {line}\n" for line in rules)
    found = parse_groups(text, "f.yaml").warnings
    assert all(warning.file == "f.yaml" and warning.line for warning in found)
    return [(warning.path.removeprefix("groups.g.rules"), warning.reason) for warning in found]


@pytest.mark.parametrize(
    ("rule", "path", "reason"),
    [
        ("{type: LocalUserNotAllowed, allow: []}", "[0].allow", "everything alerts"),
        ("{type: ConnectionToIpNotAllowed, allow: [10.1.0.0/16, 10.0.0.0/8]}", "[0].allow[0]", "covers it"),
        ("{type: ConnectionToIpDenied, deny: ['192.0.2.1:53/udp']}", "[0].deny[0]", "connection as tcp"),
        ("{type: ProcessNotAllowed, allow: [sh, /bin/sh]}", "[0].allow[1]", "'sh' covers it"),
        ("{type: LocalUserDenied, deny: [a, a]}", "[0].deny[1]", "'a' covers it"),
        (
            "{type: FileUploadsNotInAllowedRange, min: 0, max: 1, window: PT1H}",
            "[0].type",
            "never measurable",
        ),
        (
            "{type: FailedLocalLoginsNotInAllowedRange, min: 1, max: 3, window: PT1H}",
            "[0].min",
            "nobody fails",
        ),
        (
            "{type: ActiveConnectionsNotInAllowedRange, min: 1, max: 3, window: PT1H, count: records}",
            "[0].count",
            "changes nothing",
        ),
    ],
)
def test_an_owner_is_asked_about_what_may_be_a_slip(rule: str, path: str, reason: str) -> None:
    found = warnings(rule)
    assert [where for where, _ in found] == [path]
    assert reason in found[0][1]


@pytest.mark.parametrize(
    "rule",
    [
        "{type: LocalUserNotAllowed, allow: [], enabled: false}",
        "{type: LocalUserDenied, deny: []}",
        "{type: ActiveConnectionsNotInAllowedRange, min: 1, max: 3, window: PT24H}",
    ],
)
def test_what_is_usual_gives_no_warning(rule: str) -> None:
    assert warnings(rule) == []


@pytest.mark.parametrize(
    ("entries", "covered"),
    [
        (["10.0.0.0/8", "10.1.2.3"], {1: 0}),
        (["10.1.2.3", "10.0.0.0/8"], {0: 1}),
        (["10.0.0.0/8", "10.0.0.0/8"], {1: 0}),
        (["10.0.0.0/8:443", "10.0.0.0/8"], {0: 1}),
        (["10.0.0.0/8:443/tcp", "10.0.0.0/8:443"], {0: 1}),
        (["10.0.0.0/8:443/tcp", "10.0.0.0/8:443/udp", "10.0.0.0/8:80"], {}),
        (["10.0.0.1-10.0.0.9", "10.0.0.5-10.0.0.20"], {}),
        (["::/0", "10.0.0.1"], {}),
        (["::/0", "2001:db8::1"], {1: 0}),
        (["::ffff:10.0.0.1", "10.0.0.1"], {1: 0}),
        (["10.0.0.0/24", "10.0.0.0/9", "10.0.0.128/25"], {0: 1, 2: 1}),
    ],
)
def test_an_address_entry_inside_another_is_named_with_it(
    entries: list[str], covered: dict[int, int]
) -> None:
    assert covered_addresses([parse_entry(entry) for entry in entries]) == covered


@pytest.mark.parametrize(
    ("entries", "covered"),
    [
        (["/opt/vendor/*", "/opt/vendor/bin/x"], {1: 0}),
        (["/opt/*/x", "x"], {0: 1}),
        (["py*", "/usr/bin/python3"], {1: 0}),
        (["cmd.exe", "C:\\Windows\\cmd.exe"], {1: 0}),
        (["/opt/?", "/opt/*"], {}),
        (["[a]", "a"], {}),
        (["sha1:" + "0" * 40, "x"], {}),
    ],
)
def test_a_process_entry_that_another_covers_is_named_with_it(
    entries: list[str], covered: dict[int, int]
) -> None:
    assert covered_texts(entries, wild=True) == covered


def test_in_user_entries_a_star_is_a_star() -> None:
    assert covered_texts(["*", "alice"], wild=False) == {}


@pytest.mark.parametrize(
    ("mine", "yours", "overlap"),
    [
        ("cam-*", "cam-gw-*", True),
        ("cam-*", "gw-*", False),
        ("*-a", "b-*", True),
        ("a?", "ab", True),
        ("a?", "abc", False),
        ("*", "x", True),
        ("a*b", "a*c", False),
        ("**a", "a", True),
        ("[ab]x", "bx", True),
        ("[!a]x", "?y", False),
        ("a*b*c", "*bb*", True),
    ],
)
def test_two_globs_overlap_if_some_id_matches_both(mine: str, yours: str, *, overlap: bool) -> None:
    assert may_overlap(mine, yours) is overlap
    assert may_overlap(yours, mine) is overlap


def test_members_that_two_groups_claim_are_named() -> None:
    text = """
groups:
  a: {members: {globs: ["cam-*"]}}
  b: {members: {ids: [cam-1, cam-2, "x-*"], globs: ["*-9"]}}
"""
    found = parse_groups(text, "f").warnings
    assert [(warning.path, warning.line) for warning in found] == [
        ("groups.a.members.globs[0]", 3),
        ("groups.b.members.ids[2]", 4),
        ("groups.b.members.globs[0]", 4),
    ]
    assert "cam-1' and 1 more" in found[0].reason
    assert "belongs under globs" in found[1].reason
    assert "stands first in the file" in found[2].reason


def test_a_check_that_would_take_too_long_says_that_it_was_left_out() -> None:
    globs = ", ".join(f"{letter}{'x' * 200}*" for letter in "abcdefghijklmnopqrstuvwxyz")
    text = f"groups:\n  a: {{members: {{globs: [{globs}]}}}}\n"
    assert "too many globs" in parse_groups(text, "f").warnings[0].reason
