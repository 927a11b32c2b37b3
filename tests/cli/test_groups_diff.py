"""What two states of the expectations do not share."""

from datetime import UTC, datetime, timedelta

from msgspec import structs

from fencepost.cli.groups_apply import MOST_ENTRIES, lines_of
from fencepost.cli.groups_diff import Difference, differences_of_groups, differences_of_layers
from fencepost.cli.groups_plan import Step
from fencepost.model.layer import Layer
from fencepost.model.rule import AllowlistRule, EntryNote, Members, SecurityGroup, TimeWindowRule

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(days=30), NOW - timedelta(days=1)
RANGE = TimeWindowRule(type="FailedLocalLoginsNotInAllowedRange", min=0, max=3, window=timedelta(minutes=10))


def users(*entries: str, **notes: EntryNote) -> AllowlistRule:
    return AllowlistRule(type="LocalUserNotAllowed", allow=entries, notes=tuple(notes.values()))


def note(entry: str, until: datetime | None = None, reason: str = "") -> EntryNote:
    return EntryNote(entry=entry, by="user/anna", at=EARLIER, until=until, reason=reason)


def group(*rules: AllowlistRule | TimeWindowRule, **fields: object) -> SecurityGroup:
    return structs.replace(SecurityGroup(name="cameras", rules=rules), **fields)


def entries(differences: tuple[Difference, ...]) -> list[tuple[str, str]]:
    return [(one.sign, (one.after or one.before)["entry"]) for one in differences if one.key == "entry"]


def test_equal_groups_differ_in_nothing_whatever_their_order_and_version() -> None:
    one = group(RANGE, users("a", "b"), members=Members(globs=("x", "y")))
    other = group(users("b", "a"), RANGE, members=Members(globs=("y", "x")), version=7)
    assert differences_of_groups(one, other, NOW) == ()


def test_each_entry_that_comes_or_goes_is_a_difference() -> None:
    found = differences_of_groups(group(users("a", "b")), group(users("b", "c")), NOW)
    assert entries(found) == [("-", "a"), ("+", "c")]


def test_an_entry_without_a_note_is_no_change_of_the_note_that_it_has() -> None:
    noted = group(users("a", a=note("a", LATER, "why")))
    assert differences_of_groups(noted, group(users("a")), NOW) == ()


def test_another_end_or_reason_of_an_entry_is_a_change() -> None:
    noted = group(users("a", a=note("a", LATER, "why")))
    for other in (
        note("a", LATER, "because"),
        note("a", None, "why"),
        note("a", LATER + timedelta(1), "why"),
    ):
        assert entries(differences_of_groups(noted, group(users("a", a=other)), NOW)) == [("~", "a")]
    assert differences_of_groups(noted, group(users("a", a=note("a", LATER, "why"))), NOW) == ()


def test_an_entry_that_has_ended_is_not_there() -> None:
    ended = group(users("a", "b", a=note("a", EARLIER)))
    assert differences_of_groups(ended, group(users("b")), NOW) == ()
    assert entries(differences_of_groups(ended, group(users("a", "b")), NOW)) == [("+", "a")]
    assert differences_of_groups(group(users("b")), ended, NOW) == ()


def test_a_key_that_takes_its_usual_value_again_is_named_with_both() -> None:
    found = differences_of_groups(group(structs.replace(RANGE, enabled=False)), group(RANGE), NOW)
    assert [(one.key, one.before, one.after) for one in found] == [("enabled", False, True)]


def test_rules_that_come_and_go_are_named_with_their_keys() -> None:
    found = differences_of_groups(group(RANGE), group(users("a")), NOW)
    assert [(one.sign, one.rule, one.key) for one in found] == [
        ("+", "LocalUserNotAllowed", "rule"),
        ("+", "LocalUserNotAllowed", "entry"),
        ("-", "FailedLocalLoginsNotInAllowedRange", "rule"),
    ]
    assert found[2].before == {"min": 0, "max": 3, "window": "PT10M"}


def test_of_a_layers_list_only_the_entries_count() -> None:
    before = Layer(rules=(users("a"),))
    after = Layer(rules=(structs.replace(users("a"), severity="High", enabled=False),))
    assert differences_of_layers(before, after, NOW) == ()
    assert entries(differences_of_layers(before, Layer(rules=(users("b"),)), NOW)) == [("-", "a"), ("+", "b")]


def test_a_long_list_is_cut_short_for_people_and_says_so() -> None:
    long = group(users(*(f"user-{number}" for number in range(MOST_ENTRIES + 50))))
    differences = differences_of_groups(group(users()), long, NOW)
    step = Step(
        what="update", subject="", name="group cameras", before=None, after=long, differences=differences
    )
    lines = [line.plain for line in lines_of([step])]
    assert sum("user-" in line for line in lines) == MOST_ENTRIES
    assert lines[-1] == "    ~ and 50 more entries: --json names all"
