"""Sections of twins: a merge patch as RFC 7396 has it, and when each member was changed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.model.identity import Section
from fencepost.service.registry.sections import (
    MOST_PROBLEMS,
    difference,
    first,
    merged,
    patched,
    problems_of,
    replaced,
)

names = st.sampled_from(["a", "b", "c", "dd"])
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x"])
values = st.recursive(
    scalars | st.lists(scalars, max_size=2), lambda inner: st.dictionaries(names, inner), max_leaves=12
)
objects = st.dictionaries(names, values)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars | st.floats() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=40,
)


def rfc_7396(target: Any, patch: Any) -> Any:
    """Apply a merge patch, as the RFC writes it down."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = rfc_7396(target.get(name), value)
    return target


def outline(value: Any) -> Any:
    """Return the names of the objects in a value."""
    return {name: outline(inner) for name, inner in value.items()} if isinstance(value, dict) else {}


def named(updated: dict[str, Any]) -> Any:
    """Return the same of what says when members were changed; every member says it."""
    assert {"$lastUpdated", "$lastUpdatedVersion"} <= set(updated)
    return {name: named(inner) for name, inner in updated.items() if not name.startswith("$")}


@given(objects, st.lists(objects, max_size=4))
def test_patches_are_merged_and_each_member_knows_its_last_change(
    begin: dict[str, Any], patches: list[dict[str, Any]]
) -> None:
    section = first(begin, "t1")
    expected = rfc_7396({}, begin)
    for number, patch in enumerate(patches, 2):
        section = merged(section, patch, f"t{number}")
        expected = rfc_7396(expected, patch)
        assert section.updated["$lastUpdated"] == f"t{number}"
        for name in patch.keys() & section.values.keys():
            assert section.updated[name]["$lastUpdatedVersion"] == number
    assert section.values == expected
    assert section.version == 1 + len(patches)
    assert named(section.updated) == outline(section.values)


@given(objects, objects)
def test_a_merge_changes_neither_what_was_nor_the_patch(begin: dict[str, Any], patch: dict[str, Any]) -> None:
    section, before, sent = first(begin, "t1"), repr(first(begin, "t1")), repr(patch)
    merged(section, patch, "t2")
    assert (repr(section), repr(patch)) == (before, sent)


@given(objects, objects)
def test_the_difference_of_two_sections_makes_one_of_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    before, after = rfc_7396({}, before), rfc_7396({}, after)
    assert patched(before, difference(before, after)) == after


@given(objects)
def test_what_is_replaced_is_all_new(begin: dict[str, Any]) -> None:
    after = replaced(first(begin, "t1"), {"new": {"x": 1}}, "t2")
    assert after == Section(
        {"new": {"x": 1}},
        {
            "$lastUpdated": "t2",
            "$lastUpdatedVersion": 2,
            "new": {
                "$lastUpdated": "t2",
                "$lastUpdatedVersion": 2,
                "x": {"$lastUpdated": "t2", "$lastUpdatedVersion": 2},
            },
        },
        2,
    )


@given(st.dictionaries(st.text(), anything))
def test_whatever_stands_in_a_section_is_judged_and_never_raises(section: dict[str, Any]) -> None:
    for problem in problems_of(section, "tags"):
        assert problem.path.startswith("tags.")
        assert len(problem.path) < 2000


def test_so_many_problems_are_told_and_no_more() -> None:
    assert len(problems_of({f"a.{number}": 1 for number in range(10_000)}, "tags")) == MOST_PROBLEMS


@pytest.mark.parametrize("nest", [lambda value: {"a": value}, lambda value: [value]])
def test_no_depth_is_walked_to_its_end(nest: Any) -> None:
    value: Any = 1
    for _ in range(100_000):
        value = nest(value)
    (problem,) = problems_of({"top": value}, "tags")
    assert problem.reason == "nested deeper than 10 levels"
    while isinstance(value, dict | list):  # else it is freed recursively
        value = value["a"] if isinstance(value, dict) else value[0]
