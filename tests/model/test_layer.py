"""What a device is expected to do when its group, the fleet and its own layer are taken together (S27, S28)."""

from datetime import UTC, datetime, timedelta

import pytest

from fencepost.model.layer import (
    EffectiveEntry,
    EffectiveRule,
    Layer,
    Layers,
    counts_at,
    effective_rules,
    entries_of,
    problems_of_layer,
)
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    EntryNote,
    Rule,
    SecurityGroup,
    TimeWindowRule,
)

TO = "ConnectionToIpNotAllowed"
CONNECTIONS, LOGINS = "ActiveConnectionsNotInAllowedRange", "FailedLocalLoginsNotInAllowedRange"
AT = datetime(2026, 3, 2, tzinfo=UTC)


def allow(*entries: str, **members: object) -> AllowlistRule:
    return AllowlistRule(type=TO, allow=entries, **members)  # type: ignore[arg-type]


def in_range(rule_type: str = CONNECTIONS, high: int = 3) -> TimeWindowRule:
    return TimeWindowRule(type=rule_type, min=0, max=high, window=timedelta(minutes=5))


def test_S27_the_parts_of_a_list_stand_in_their_order() -> None:
    """The rule is the group's, whatever the layers say of it."""
    rule, of_fleet, own = (
        allow("10.0.0.1"),
        allow("10.0.0.2", enabled=False),
        allow("10.0.0.3", severity="High"),
    )
    group = SecurityGroup(name="g", rules=(rule,))
    found = effective_rules(group, Layer(rules=(of_fleet,)), Layer(device_id="cam", rules=(own,)))
    assert found == (EffectiveRule(rule, "group", (("group", rule), ("fleet", of_fleet), ("device", own))),)
    assert effective_rules(group, Layer()) == (EffectiveRule(rule, "group", (("group", rule),)),)


def test_S27_a_range_of_the_device_replaces_that_of_the_group_or_is_added() -> None:
    group = SecurityGroup(name="g", rules=(in_range(), allow()))
    own: tuple[Rule, ...] = (
        in_range(high=9),
        in_range(LOGINS),
        DenylistRule(type="ProcessDenied", deny=("nc",)),
    )
    found = effective_rules(group, Layer(), Layer(device_id="cam", rules=own))
    assert [(one.rule, one.origin) for one in found] == [
        (own[0], "device"),
        (group.rules[1], "group"),
        (own[1], "device"),
    ]


def test_S27_each_entry_says_where_it_comes_from() -> None:
    """With what is known of it; what is implicit stands behind."""
    note = EntryNote(entry="10.0.0.3", by="user/anna", at=AT, until=AT)
    own = allow("10.0.0.3", notes=(note,))
    group = SecurityGroup(name="g", rules=(allow("10.0.0.1"),), implicit_entries=("loopback",))
    (effective,) = effective_rules(
        group, Layer(rules=(allow("10.0.0.2"),)), Layer(device_id="cam", rules=(own,))
    )
    assert list(entries_of(effective, group)) == [
        EffectiveEntry("10.0.0.1", "group"),
        EffectiveEntry("10.0.0.2", "fleet"),
        EffectiveEntry("10.0.0.3", "device", note),
        EffectiveEntry("127.0.0.0/8", "implicit"),
        EffectiveEntry("::1", "implicit"),
    ]


@pytest.mark.parametrize(
    ("until", "counts"),
    [(None, True), (AT + timedelta.resolution, True), (AT, False)],
    ids=["none", "later", "then"],
)
def test_S28_an_entry_counts_before_its_end(until: datetime | None, counts: bool) -> None:
    assert counts_at(EntryNote(entry="a", by="b", at=AT, until=until), AT) is counts
    assert counts_at(None, AT)


def test_S27_what_is_wrong_with_a_layer_is_told_at_once() -> None:
    """A range belongs to a group or a device; a type stands once."""
    rules = (in_range(), allow("x"), allow())
    assert [(p.path, p.reason) for p in problems_of_layer(Layer(rules=rules))] == [
        (".rules[0].type", f"{CONNECTIONS} has no list: a range is set per group or device"),
        (".rules[1].allow[0]", "'x' is not an IP address"),
        (".rules[2].type", f"{TO} stands twice here"),
    ]
    own = Layer(device_id="a\u202e", rules=rules[:1])
    assert [problem.path for problem in problems_of_layer(own, "layer")] == ["layer.device_id"]


def test_S27_a_device_without_a_layer_has_an_empty_one() -> None:
    own = Layer(device_id="cam", rules=(allow("10.0.0.1"),), version=3)
    layers = Layers(devices={"cam": own})
    assert (layers.of("cam"), layers.of("gate")) == (own, Layer(device_id="gate"))
    assert (own.rule(TO), own.rule(LOGINS)) == (own.rules[0], None)
