"""What is wrong with a rule or a group, all of it, each with its place."""

from datetime import timedelta

import msgspec
import pytest

from fencepost.model.catalog import CATALOG
from fencepost.model.rule import (
    FAMILIES,
    HASHES,
    AllowlistRule,
    DenylistRule,
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
