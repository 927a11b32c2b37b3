"""The query language: what a condition means for a twin, and that it agrees with a naive reading of the words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.web.azure.iothub.query import holds, parse, projected
from fencepost.web.azure.iothub.query.evaluate import UNDEFINED, value_of
from fencepost.web.azure.iothub.query.tree import (
    Among,
    Both,
    Called,
    Compared,
    Constant,
    Either,
    Expression,
    Negated,
    Path,
)

ASKED = "SELECT * FROM devices WHERE "
TWIN: dict[str, Any] = {
    "deviceId": "gw-1",
    "status": "enabled",
    "version": 7,
    "etag": "AAAA",
    "connectionState": "Connected",
    "authenticationType": "sas",
    "capabilities": {"iotEdge": True},
    "tags": {
        "site": "plant 7",
        "floor": 3,
        "empty": None,
        "list": [1, {"a": "b"}],
        "Site": "other",
        "one": True,
    },
    "properties": {"desired": {"rate": 1.5, "$version": 2}, "reported": {"rate": 1, "text": "ab"}},
}


def answers(condition: str) -> Any:
    expression = parse(ASKED + condition).condition
    assert expression is not None
    return value_of(expression, TWIN)


@pytest.mark.parametrize(
    "condition",
    [
        "deviceId = 'gw-1'",
        "DEVICEID = 'gw-1'",
        "status != 'disabled'",
        "status <> 'disabled'",
        "version >= 7 AND version < 8 AND version > 6.5",
        "capabilities.iotEdge",
        "capabilities.iotEdge = true",
        "tags.site = 'plant 7'",
        "tags.Site = 'other'",
        "tags.list[0] = 1",
        "tags.list[1].a = 'b'",
        "properties.desired.rate > properties.reported.rate",
        "properties.desired.$version = 2",
        "tags.site IN ['plant 6', 'plant 7']",
        "tags.floor IN [tags.floor]",
        "tags.site NIN ['plant 6']",
        "tags.site NOT IN ['plant 6', 5, null]",
        "tags.empty = null",
        "is_null(tags.empty)",
        "is_defined(tags.empty)",
        "NOT is_defined(tags.nothing)",
        "is_defined(tags.nothing) = false",
        "NOT is_null(tags.nothing)",
        "startswith(deviceId, 'gw')",
        "endswith(properties.reported.text, 'b')",
        "contains('plant 7', ' ')",
        "deviceId > 'gw-0'",
        "tags.one > false",
        "tags.nothing = 1 OR tags.floor = 3",
        "NOT (tags.nothing = 1 AND tags.floor = 4)",
        "tags.floor != '3'",
        "tags.site != null",
        "tags.list != tags.floor",
        "tags.list = tags.list",
        "(version = 7) = true",
    ],
)
def test_these_hold(condition: str) -> None:
    assert answers(condition) is True


@pytest.mark.parametrize(
    "condition",
    [
        "deviceId = 'GW-1'",
        "tags.one = 1",
        "tags.floor = '3'",
        "tags.site = null",
        "tags.floor IN []",
        "tags.floor IN ['3']",
        "NOT capabilities.iotEdge",
        "is_null(tags.site)",
        "tags.nothing = 1 AND tags.floor = 4",
    ],
)
def test_these_are_false(condition: str) -> None:
    assert answers(condition) is False


@pytest.mark.parametrize(
    "condition",
    [
        "tags.nothing = 1",
        "tags.nothing != 1",
        "NOT tags.nothing = 1",
        "tags.nothing = tags.nothing",
        "tags.nothing IN [1]",
        "tags.nothing NIN [1]",
        "tags.nothing = 1 AND tags.floor = 3",
        "tags.nothing = 1 OR tags.floor = 4",
        "tags.floor < 'x'",
        "tags.list < tags.list",
        "tags.empty < 1",
        "startswith(tags.floor, '3')",
        "contains(tags.nothing, '3')",
        "tags.site.deeper = 1",
        "tags.list.a = 1",
        "tags.list['a'] = 1",
        "tags.list[9] = 1",
        "tags[0] = 1",
        "NOT tags.floor",
        "NOT tags.site",
    ],
)
def test_these_are_undefined_and_do_not_hold(condition: str) -> None:
    assert answers(condition) is UNDEFINED
    assert not holds(parse(ASKED + condition), TWIN)


@pytest.mark.parametrize("condition", ["tags.floor", "'true'", "1", "null", "tags.list"])
def test_what_is_neither_true_nor_false_does_not_hold(condition: str) -> None:
    assert not holds(parse(ASKED + condition), TWIN)


def test_columns_are_shown_by_their_names_and_what_is_not_there_is_left_out() -> None:
    query = parse(
        "SELECT deviceid AS id, tags.site, tags.nothing, tags.list[1].a AS inner, tags.empty FROM devices"
    )
    assert projected(query, TWIN) == {"id": "gw-1", "site": "plant 7", "inner": "b", "empty": None}
    assert projected(parse("SELECT * FROM devices"), TWIN) == TWIN


# -------------------------------------------------------------------- against a naive reading of the words

PATHS = {
    "deviceId": ("deviceId",),
    "tags.a": ("tags", "a"),
    "tags['b']": ("tags", "b"),
    "tags.a.c": ("tags", "a", "c"),
    "properties.reported.x[0]": ("properties", "reported", "x", 0),
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, 1.0, -2.5]),
    st.text("ab'\"\\ü ", max_size=3),
)
TWINS = st.fixed_dictionaries(
    {
        "deviceId": st.sampled_from(["a", "b"]),
        "tags": st.dictionaries(
            st.sampled_from("ab"),
            st.one_of(VALUES, st.lists(VALUES, max_size=2), st.dictionaries(st.just("c"), VALUES)),
        ),
        "properties": st.fixed_dictionaries(
            {"reported": st.dictionaries(st.just("x"), st.one_of(VALUES, st.lists(VALUES, max_size=2)))}
        ),
    }
)


def expressions() -> st.SearchStrategy[Expression]:
    values: st.SearchStrategy[Expression] = st.one_of(
        st.sampled_from([Path(steps) for steps in PATHS.values()]), VALUES.map(Constant)
    )
    predicates: st.SearchStrategy[Expression] = st.one_of(
        values,
        st.builds(Compared, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), values, values),
        st.builds(Among, values, st.lists(values, max_size=3).map(tuple), st.booleans()),
        st.builds(Called, st.sampled_from(["is_defined", "is_null"]), st.tuples(values)),
        st.builds(Called, st.sampled_from(["startswith", "endswith", "contains"]), st.tuples(values, values)),
    )

    def nested(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(st.builds(Negated, inner), st.builds(Both, several), st.builds(Either, several))

    return st.recursive(predicates, nested, max_leaves=8)


def written(expression: Expression) -> str:  # noqa: PLR0911 - one for each kind
    """Return an expression in the words of the language, with parentheses around all that has parts."""
    match expression:
        case Constant(value):
            return literal(value)
        case Path(steps):
            return next(text for text, found in PATHS.items() if found == steps)
        case Compared(sign, left, right):
            return f"({written(left)} {sign} {written(right)})"
        case Among(value, choices, negated):
            return f"({written(value)} {'NOT IN' if negated else 'in'} [{', '.join(map(written, choices))}])"
        case Called(function, arguments):
            return f"{function.upper()}({', '.join(map(written, arguments))})"
        case Negated(part):
            return f"(NOT {written(part)})"
        case Both(parts):
            return f"({' and '.join(map(written, parts))})"
        case Either(parts):
            return f"({' OR '.join(map(written, parts))})"


def literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    return json.dumps(value)


NOTHING = object()


def oracle(expression: Expression, twin: dict[str, Any]) -> Any:  # noqa: C901, PLR0911, PLR0912 - naive on purpose
    match expression:
        case Constant(value):
            return value
        case Path(steps):
            found: Any = twin
            for step in steps:
                if isinstance(found, str) or not hasattr(found, "__getitem__"):
                    return NOTHING
                try:
                    found = found[step]
                except (KeyError, IndexError, TypeError):
                    return NOTHING
            return found
        case Compared(sign, left, right):
            one, two = oracle(left, twin), oracle(right, twin)
            if one is NOTHING or two is NOTHING:
                return NOTHING
            if sign == "=":
                return same(one, two)
            if sign == "!=":
                return not same(one, two)
            if sort_of(one) != sort_of(two) or sort_of(one) not in "nsb":
                return NOTHING
            return {"<": one < two, "<=": one <= two, ">": one > two, ">=": one >= two}[sign]
        case Among(value, choices, negated):
            one = oracle(value, twin)
            if one is NOTHING:
                return NOTHING
            others = [oracle(choice, twin) for choice in choices]
            return any(same(one, two) for two in others if two is not NOTHING) != negated
        case Called("is_defined", (argument,)):
            return oracle(argument, twin) is not NOTHING
        case Called("is_null", (argument,)):
            return oracle(argument, twin) is None
        case Called(function, (text, part)):
            one, two = oracle(text, twin), oracle(part, twin)
            if not isinstance(one, str) or not isinstance(two, str):
                return NOTHING
            return {"startswith": one.startswith(two), "endswith": one.endswith(two), "contains": two in one}[
                function
            ]
        case Negated(part):
            one = oracle(part, twin)
            return not one if isinstance(one, bool) else NOTHING
        case Both(parts):
            all_of = [oracle(part, twin) for part in parts]
            if any(one is False for one in all_of):
                return False
            return True if all(one is True for one in all_of) else NOTHING
        case Either(parts):
            any_of = [oracle(part, twin) for part in parts]
            if any(one is True for one in any_of):
                return True
            return False if all(one is False for one in any_of) else NOTHING
    raise AssertionError(expression)


def sort_of(value: Any) -> str:
    if value is None:
        return "0"
    if isinstance(value, bool):
        return "b"
    return {int: "n", float: "n", str: "s", list: "l", dict: "d"}[type(value)]


def same(one: Any, two: Any) -> bool:
    """Two values are the same if they are so in JSON, where 1.0 is 1."""
    return sort_of(one) == sort_of(two) and normal(one) == normal(two)


def normal(value: Any) -> Any:
    if isinstance(value, list):
        return ["list", *map(normal, value)]
    if isinstance(value, dict):
        return {name: normal(one) for name, one in value.items()}
    return (sort_of(value), value)


@given(expressions(), TWINS)
def test_what_is_written_means_what_the_words_say(expression: Expression, twin: dict[str, Any]) -> None:
    query = parse(ASKED + written(expression))
    assert query.condition is not None
    expected = oracle(expression, twin)
    found = value_of(query.condition, twin)
    assert (found is UNDEFINED) == (expected is NOTHING)
    if expected is not NOTHING:
        assert same(found, expected)
    assert holds(query, twin) is (expected is True)
