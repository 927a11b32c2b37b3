"""What is wrong with a rule or a group, all of it, each with its place."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from fencepost.model.catalog import CATALOG
from fencepost.model.rule import (
    FAMILIES,
    HASHES,
    LONGEST_ENTRY,
    LONGEST_REASON,
    MAXIMUM_ENTRIES,
    MAXIMUM_WILDCARDS,
    AllowlistRule,
    DenylistRule,
    EntryNote,
    Members,
    Rule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
    problems_of,
    problems_of_group,
)

CONNECTIONS = "ActiveConnectionsNotInAllowedRange"


def in_range(low: int = 0, high: int = 3, window: timedelta = timedelta(minutes=5)) -> TimeWindowRule:
    return TimeWindowRule(type=CONNECTIONS, min=low, max=high, window=window)


def told(rule: Rule, path: str = "rule") -> list[tuple[str, str]]:
    return [(problem.path, problem.reason) for problem in problems_of(rule, path)]


@pytest.mark.parametrize("name", CATALOG)
def test_a_plain_rule_of_every_type_is_right(name: str) -> None:
    """The smallest that can be written."""
    row = CATALOG[name]
    rule: Rule
    match row.family:
        case "timeWindow":
            rule = TimeWindowRule(type=name, min=0, max=0, window=timedelta(seconds=1))
        case "threshold":
            rule = ThresholdRule(type=name, min=0, max=0)
        case "allowlist":
            rule = AllowlistRule(type=name)
        case _:
            rule = DenylistRule(type=name)
    assert told(rule) == []
    assert rule.row is row
    assert FAMILIES[row.family] is type(rule)


def test_a_type_that_does_not_exist_is_the_only_thing_told() -> None:
    """Nothing else can be asked about it."""
    assert told(AllowlistRule(type="Nonsense", allow=("",))) == [
        ("rule.type", "unknown rule type 'Nonsense'")
    ]
    with pytest.raises(KeyError):
        _ = AllowlistRule(type="Nonsense").row


def test_a_rule_of_another_family_is_told() -> None:
    """A range is no list."""
    assert told(AllowlistRule(type=CONNECTIONS)) == [("rule.type", f"{CONNECTIONS} is a timeWindow rule")]


def test_everything_that_is_wrong_with_a_range_is_told_at_once() -> None:
    """Bounds and window."""
    assert [path for path, _ in told(in_range(-1, -2, timedelta()))] == [
        "rule.min",
        "rule.max",
        "rule.window",
    ]


@pytest.mark.parametrize(
    ("window", "right"),
    [
        (timedelta(microseconds=999_999), False),
        (timedelta(seconds=1), True),
        (timedelta(days=2), True),
        (timedelta(days=2, microseconds=1), False),
        (timedelta(seconds=-1), False),
    ],
)
def test_a_window_is_between_a_second_and_two_days(window: timedelta, right: bool) -> None:
    """A longer one could not be judged within the horizon (S07)."""
    assert (told(in_range(window=window)) == []) is right


@pytest.mark.parametrize(
    ("rule_type", "entry", "reason"),
    [
        ("ConnectionToIpNotAllowed", "10.0.0.256", "is not an IP address"),
        ("ConnectionToIpNotAllowed", "  ", "an entry is not empty"),
        ("LocalUserNotAllowed", "", "an entry is not empty"),
        ("ProcessNotAllowed", "sha1:123", "a sha1 hash has 40 hexadecimal digits"),
        ("ProcessNotAllowed", "SHA256:" + "g" * 64, "a sha256 hash has 64 hexadecimal digits"),
    ],
)
def test_a_wrong_entry_is_told_with_its_place(rule_type: str, entry: str, reason: str) -> None:
    """In an allow-list and in its mirror."""
    mirror = rule_type.replace("NotAllowed", "Denied")
    ((path, said),) = told(AllowlistRule(type=rule_type, allow=("10.0.0.1", entry)))
    assert (path, reason in said) == ("rule.allow[1]", True)
    ((path, said),) = told(DenylistRule(type=mirror, deny=(entry,)))
    assert (path, reason in said) == ("rule.deny[0]", True)


@pytest.mark.parametrize("algorithm", HASHES)
def test_a_hash_entry_has_all_its_digits(algorithm: str) -> None:
    """In upper or lower case; a drive letter is no algorithm."""
    digest = "0123456789abcdef" * 4
    entries = (
        f"{algorithm}:{digest[: HASHES[algorithm]]}",
        f"{algorithm.upper()}:{digest.upper()[: HASHES[algorithm]]}",
    )
    assert told(AllowlistRule(type="ProcessNotAllowed", allow=(*entries, "c:\\a.exe", "md5:12"))) == []


@pytest.mark.parametrize("rule_type", ["LocalUserNotAllowed", "ProcessNotAllowed"])
def test_a_name_may_be_anything_else(rule_type: str) -> None:
    """Blanks, colons, letters of any script."""
    assert told(AllowlistRule(type=rule_type, allow=("a b", "DOMAIN\\ü", "x:y", "日本"))) == []


# ---------------------------------------------------------------------------------------------- groups


def test_everything_that_is_wrong_with_a_group_is_told_at_once() -> None:
    """Its own members, and those of its rules, each below its path."""
    group = SecurityGroup(
        name=" ",
        allowed_lateness=timedelta(days=3),
        server_addresses=("192.0.2.1", "x"),
        rules=(in_range(high=-1), in_range(), AllowlistRule(type="ProcessNotAllowed", allow=("",))),
    )
    assert [problem.path for problem in problems_of_group(group, "groups.x")] == [
        "groups.x",
        "groups.x.allowed_lateness",
        "groups.x.server_addresses[1]",
        "groups.x.rules[0].max",
        "groups.x.rules[1].type",
        "groups.x.rules[2].allow[0]",
    ]


@pytest.mark.parametrize(
    ("lateness", "right"),
    [
        (timedelta(), True),
        (timedelta(days=2), True),
        (timedelta(microseconds=-1), False),
        (timedelta(days=2, microseconds=1), False),
    ],
)
def test_lateness_is_allowed_up_to_the_horizon(lateness: timedelta, right: bool) -> None:
    """None at all is allowed, too."""
    assert (list(problems_of_group(SecurityGroup(name="g", allowed_lateness=lateness))) == []) is right


def test_rules_and_groups_are_values() -> None:
    """Frozen, equal by content, and the same after a way through JSON."""
    rules: tuple[Rule, ...] = (in_range(), AllowlistRule(type="ProcessNotAllowed", allow=("sh",)))
    group = SecurityGroup(name="cameras", members=Members(ids=("a",), globs=("b*",)), rules=rules, version=3)
    assert msgspec.json.decode(msgspec.json.encode(group), type=SecurityGroup) == group
    with pytest.raises(AttributeError):
        group.version = 4  # type: ignore[misc]
    assert hash(rules[0]) == hash(in_range())


@pytest.mark.parametrize(
    ("low", "alert_on", "needs"), [(0, "certain", False), (1, "certain", True), (0, "possible", True)]
)
def test_only_a_maximum_of_certain_numbers_needs_no_order(low: int, alert_on: str, needs: bool) -> None:
    """It is back in range a whole window after its last violation."""
    rule = msgspec.convert(
        {
            "family": "timeWindow",
            "type": CONNECTIONS,
            "min": low,
            "max": 3,
            "window": "PT5M",
            "alert_on": alert_on,
        },
        TimeWindowRule,
    )
    assert rule.needs_order is needs


# --------------------------------------------------------------------------------- notes, bounds, bad input

AT = datetime(2026, 3, 2, tzinfo=UTC)


def noted(*notes: EntryNote, entries: tuple[str, ...] = ("bob", "ann")) -> AllowlistRule:
    return AllowlistRule(type="LocalUserNotAllowed", allow=entries, notes=notes)


def note(entry: str = "ann", **members: Any) -> EntryNote:
    said: dict[str, Any] = {"entry": entry, "by": "user/anna", "at": AT} | members
    return EntryNote(**said)


def test_S28_what_is_wrong_with_a_note_is_told_at_its_entry() -> None:
    """In an allow-list and in its mirror."""
    wrong = note(
        by="a\u202eb",
        reason="x" * (LONGEST_REASON + 1),
        alert_id="\0",
        at=datetime(2026, 3, 2),
        until=datetime(2026, 3, 2),
    )
    names = ["reason", "by", "alert_id", "at", "until"]
    assert [path for path, _ in told(noted(wrong))] == [f"rule.allow[1].{name}" for name in names]
    mirror = DenylistRule(type="LocalUserDenied", deny=("ann",), notes=(wrong,))
    assert [path for path, _ in told(mirror)] == [f"rule.deny[0].{name}" for name in names]
    assert told(noted(note(reason="first line\nsecond line", until=AT))) == []


def test_S28_an_entry_of_the_list_has_one_note() -> None:
    assert told(noted(note(), note(), note("eve"))) == [
        ("rule.allow[1]", "two notes of the entry 'ann': keep one of them"),
        ("rule.notes[2]", "the list has no entry 'eve'"),
    ]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("fe80::1%eth0", "leave the zone behind % out"),
        ("fe80::1%eth0/64", "leave the zone behind % out"),
        ("[fe80::1%1]:443", "leave the zone behind % out"),
        ("10.0.0.1\0", "U+0000"),
        ("\u202e10.0.0.1", "U+202E"),
        ("1" * (LONGEST_ENTRY + 1), "at most 4096 characters"),
    ],
    ids=["zone", "zone of a block", "zone with a port", "NUL", "bidi", "long"],
)
def test_S15_an_address_that_could_mislead_is_told(entry: str, reason: str) -> None:
    ((path, said),) = told(AllowlistRule(type="ConnectionToIpNotAllowed", allow=(entry,)))
    assert (path, reason in said) == ("rule.allow[0]", True)


def test_S15_blocks_may_overlap_and_have_host_bits() -> None:
    """They mean what a person means."""
    entries = ("10.0.0.5/8", "10.0.0.0/24", "10.0.0.0/8", "10.0.0.1", "2001:db8::1/32")
    assert told(AllowlistRule(type="ConnectionToIpNotAllowed", allow=entries)) == []


@pytest.mark.parametrize("rule_type", ["LocalUserNotAllowed", "ProcessNotAllowed"])
@pytest.mark.parametrize(
    "entry", ["a\0", "\u2066bob\u2069", "a\nb", "\u200fx"], ids=["NUL", "isolate", "line", "mark"]
)
def test_a_name_that_could_mislead_is_told(rule_type: str, entry: str) -> None:
    assert [path for path, _ in told(AllowlistRule(type=rule_type, allow=("ok", entry)))] == ["rule.allow[1]"]


def test_a_list_has_at_most_100_000_entries() -> None:
    """And not too many wildcards among them."""
    entries = tuple(map(str, range(MAXIMUM_ENTRIES + 1)))
    whole = AllowlistRule(type="ProcessNotAllowed", allow=entries[:-1])
    assert told(whole) == []
    assert told(AllowlistRule(type="ProcessNotAllowed", allow=entries)) == [
        ("rule.allow", "a list has at most 100000 entries, not 100001")
    ]
    wild = tuple(f"{n}*" for n in range(MAXIMUM_WILDCARDS + 1))
    assert told(AllowlistRule(type="ProcessNotAllowed", allow=wild)) == [
        ("rule.allow", "a list has at most 5000 entries with * or ?, not 5001")
    ]


@pytest.mark.parametrize("bound", [2**31, 2**40])
def test_a_bound_fits_into_every_clients_integers(bound: int) -> None:
    assert told(in_range(high=2**31 - 1)) == []
    assert told(in_range(high=bound)) == [("rule.max", "max is at most 2147483647 (2^31 - 1)")]
    gauge = ThresholdRule(type="LocalUsersNotInAllowedRange", min=bound, max=bound)
    assert [path for path, _ in told(gauge)] == ["rule.min", "rule.max"]


def test_texts_of_a_group_that_could_mislead_are_told() -> None:
    """Its name, which is a key in a file and a field elsewhere, its words, and its members."""
    group = SecurityGroup(
        name="cam\u202eeras",
        description="a\0",
        members=Members(ids=("ok", "a\u2068"), globs=("\u200e*",)),
        rules=(AllowlistRule(type="ProcessNotAllowed", allow=("sh",), description="\u202a"),),
    )
    paths = ["description", "members.ids[1]", "members.globs[0]", "rules[0].description"]
    assert [p.path for p in problems_of_group(group)] == ["name", *(f".{path}" for path in paths)]
    assert [p.path for p in problems_of_group(group, "g")] == ["g", *(f"g.{path}" for path in paths)]
    assert list(problems_of_group(SecurityGroup(name="a", description="two\nlines"))) == []
