"""The query language: what is understood, and what is said of all else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.web.azure.iothub.query import QueryError, parse
from fencepost.web.azure.iothub.query.parser import DEEPEST
from fencepost.web.azure.iothub.query.tree import (
    Among,
    Both,
    Called,
    Column,
    Compared,
    Constant,
    Either,
    Expression,
    Negated,
    Path,
    Query,
)

ASKED = "SELECT * FROM devices WHERE "


def where(condition: str) -> Expression | None:
    return parse(ASKED + condition).condition


TAG = Path(("tags", "a"))
SMALL = Compared("=", TAG, Constant(1))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("SELECT * FROM devices", Query(collection="devices")),
        ("select\t*\r\nfrom Devices", Query(collection="devices")),
        ("SELECT * FROM devices.modules", Query(collection="modules")),
        ("SELECT COUNT() AS n FROM devices", Query(collection="devices", counted="n")),
        ("SELECT count(*) n FROM devices", Query(collection="devices", counted="n")),
        ("SELECT COUNT() FROM devices.modules", Query(collection="modules", counted="$1")),
        (
            "SELECT deviceId, tags.a.b AS x, tags['c d'] y FROM devices",
            Query(
                collection="devices",
                columns=(
                    Column(Path(("deviceId",)), "deviceId"),
                    Column(Path(("tags", "a", "b")), "x"),
                    Column(Path(("tags", "c d")), "y"),
                ),
            ),
        ),
        (
            "SELECT tags.a.b FROM devices",
            Query(collection="devices", columns=(Column(Path(("tags", "a", "b")), "b"),)),
        ),
        ("SELECT * FROM devices WHERE tags.a = 1", Query(collection="devices", condition=SMALL)),
    ],
)
def test_queries_are_understood(text: str, query: Query) -> None:
    assert parse(text) == query


@pytest.mark.parametrize(
    ("condition", "expression"),
    [
        ("tags.a <> 'x'", Compared("!=", TAG, Constant("x"))),
        ('tags.a!="x"', Compared("!=", TAG, Constant("x"))),
        ("1<=tags.a", Compared("<=", Constant(1), TAG)),
        ("tags.a = -1.5e3", Compared("=", TAG, Constant(-1500.0))),
        ("tags.a = TRUE", Compared("=", TAG, Constant(True))),
        ("tags.a = null", Compared("=", TAG, Constant(None))),
        ("tags.a", TAG),
        ("tags.a IN ['x', 2]", Among(TAG, (Constant("x"), Constant(2)), negated=False)),
        ("tags.a NIN ['x']", Among(TAG, (Constant("x"),), negated=True)),
        ("tags.a not in ('x')", Among(TAG, (Constant("x"),), negated=True)),
        ("tags.a IN []", Among(TAG, (), negated=False)),
        ("IS_DEFINED(tags.a)", Called("is_defined", (TAG,))),
        ("is_defined(tags.a) = false", Compared("=", Called("is_defined", (TAG,)), Constant(False))),
        ("is_null(tags.a)", Called("is_null", (TAG,))),
        ("startswith(tags.a, 'x')", Called("startswith", (TAG, Constant("x")))),
        ("ENDS_WITH(tags.a, 'x')", Called("endswith", (TAG, Constant("x")))),
        ("contains(tags.a, 'x')", Called("contains", (TAG, Constant("x")))),
        ("NOT tags.a = 1", Negated(SMALL)),
        ("(((tags.a = 1)))", SMALL),
    ],
)
def test_conditions_are_understood(condition: str, expression: Expression) -> None:
    assert where(condition) == expression


def test_not_binds_before_and_before_or() -> None:
    other = Compared("=", Path(("tags", "b")), Constant(2))
    assert where("tags.a = 1 OR NOT tags.a = 1 AND tags.b = 2") == Either(
        (SMALL, Both((Negated(SMALL), other)))
    )
    assert where("(tags.a = 1 OR tags.b = 2) AND tags.a = 1") == Both((Either((SMALL, other)), SMALL))


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("properties.reported['y']", ("properties", "reported", "y")),
        ('properties.reported["y"].z', ("properties", "reported", "y", "z")),
        ("properties.desired['ms_iotn:urn_x'].a", ("properties", "desired", "ms_iotn:urn_x", "a")),
        ("tags.[[select]].b", ("tags", "select", "b")),
        ("tags[[Group]]", ("tags", "Group")),
        ("tags.Group", ("tags", "Group")),
        ("tags.a[0].b[12]", ("tags", "a", 0, "b", 12)),
        ("tags.$version", ("tags", "$version")),
    ],
)
def test_paths_are_understood(text: str, steps: tuple[str | int, ...]) -> None:
    assert where(text) == Path(steps)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'it''s'", "it's"),
        ('"say ""x"""', 'say "x"'),
        ('"it\'s"', "it's"),
        (r"'a\'b\\c\"d'", "a'b\\c\"d"),
        (r"'\u00fc\n\/'", "ü\n/"),
        ("''", ""),
        ("'Prädikat 計'", "Prädikat 計"),
        ("'-- ; /*'", "-- ; /*"),
    ],
)
def test_texts_are_understood(written: str, meant: str) -> None:
    assert where(f"tags.a = {written}") == Compared("=", TAG, Constant(meant))


@pytest.mark.parametrize(
    ("text", "reason", "place"),
    [
        ("", "SELECT is expected, not the end", 1),
        ("SELECT", "a name or a value is expected, not the end", 7),
        ("DELETE FROM devices", "SELECT is expected, not 'DELETE'", 1),
        ("SELECT * FROM jobs", "there are the collections devices and devices.modules", 15),
        ("SELECT * FROM devices.jobs", "there are the collections", 15),
        ("SELECT * FROM devices WHERE", "a name or a value is expected, not the end", 28),
        ("SELECT * FROM devices WHERE a = 1 b", "the end is expected, not 'b'", 35),
        ("SELECT * FROM devices; DROP", "';' has no meaning here", 22),
        ("SELECT * FROM devices WHERE a == 1", "a name or a value is expected, not '='", 32),
        ("SELECT * FROM devices WHERE a < b < c", "the end is expected, not '<'", 35),
        ("SELECT * FROM devices WHERE a = 'x", "a text is not closed", 33),
        (r"SELECT * FROM devices WHERE a = 'x\q'", "is no escape", 35),
        (r"SELECT * FROM devices WHERE a = '\u12'", "is no escape", 34),
        ("SELECT * FROM devices WHERE a = 1e999", "the number is too large", 33),
        ("SELECT * FROM devices WHERE a = " + "9" * 50, "the number is too large", 33),
        ("SELECT * FROM devices WHERE a-b = 1", "'-' has no meaning here", 30),
        ("SELECT * FROM devices WHERE f(a)", "there is no function f; there are is_defined", 29),
        ("SELECT * FROM devices WHERE startswith(a)", "startswith takes 2 arguments", 29),
        ("SELECT * FROM devices WHERE is_defined()", "is_defined takes 1 argument", 29),
        ("SELECT * FROM devices WHERE a IN 'x'", "'[' is expected, not 'x'", 34),
        ("SELECT * FROM devices WHERE a IN ['x'", "']' is expected, not the end", 38),
        ("SELECT * FROM devices WHERE a[-1]", "a member's name in quotes or a number", 31),
        ("SELECT * FROM devices WHERE a[1.5]", "a member's name in quotes or a number", 31),
        ("SELECT * FROM devices WHERE (a = 1", "')' is expected, not the end", 35),
        ("SELECT tags.a[0] FROM devices", "an element of a list needs a name: AS x", 8),
        ("SELECT a, COUNT() AS n FROM devices", "a name or a value is expected, not 'COUNT'", 11),
        ("SELECT * FROM devices GROUP BY a", "GROUP BY is not supported", 23),
        ("SELECT * FROM devices ORDER BY a", "ORDER BY is not supported", 23),
        ("SELECT TOP 5 * FROM devices", "TOP is not supported", 8),
    ],
)
def test_what_is_not_understood_is_said_with_its_place(text: str, reason: str, place: int) -> None:
    with pytest.raises(QueryError) as raised:
        parse(text)
    assert raised.value.reason.startswith(reason) or reason in raised.value.reason
    assert raised.value.place == place


@pytest.mark.parametrize("opening", ["(", "NOT ", "is_null("])
def test_nesting_is_bounded(opening: str) -> None:
    closing = ")" if "(" in opening else ""
    assert where(opening * DEEPEST + "a" + closing * DEEPEST) is not None or opening == "is_null("
    with pytest.raises(QueryError, match="nested more than 50 deep"):
        where(opening * (DEEPEST + 1) + "a" + closing * (DEEPEST + 1))


def test_a_query_has_at_most_eight_kilobytes() -> None:
    full = f"{ASKED}a = '".ljust(8191, "x") + "'"
    assert parse(full)
    with pytest.raises(QueryError, match="at most 8192 characters"):
        parse(full + " ")


def test_many_alternatives_are_no_nesting() -> None:
    found = where(" OR ".join(f"tags.a = {number}" for number in range(400)))
    assert isinstance(found, Either)
    assert len(found.parts) == 400


WORDS = st.sampled_from(
    [
        *(
            "SELECT",
            "*",
            "FROM",
            "devices",
            ".",
            "modules",
            "WHERE",
            "AND",
            "OR",
            "NOT",
            "IN",
            "NIN",
            "(",
            ")",
        ),
        *("[", "]", ",", "=", "<", "<>", "'x'", '"y"', "'", '"', "1", "-2.5", "true", "null", "tags", "a"),
        *(
            "is_defined",
            "startswith",
            "AS",
            "COUNT",
            "GROUP",
            "BY",
            "TOP",
            "\\",
            "\ud800",
            "\x00",
            "ü",
            "9" * 60,
        ),
    ]
)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join)))
def test_whatever_is_asked_only_a_query_error_is_raised(text: str) -> None:
    for query in (text, ASKED + text):
        try:
            parse(query)
        except QueryError as error:
            assert 1 <= error.place <= len(query) + 1  # noqa: PT017 - it need not be raised
            str(error).encode()
