"""What names, passwords and grants may be."""

import pytest
from tests.service.access.standing import NOON

from fencepost.model.access import Grant
from fencepost.service.access.drafts import (
    LONGEST_PASSWORD,
    MOST_GRANTS,
    NewToken,
    NewUser,
    problems_of_grants,
    problems_of_name,
    problems_of_password,
    problems_of_token,
    problems_of_user,
)

GOOD = "correct horse battery"


@pytest.mark.parametrize(
    "name", ["a", "anna", "Anna Müller", "anna@example.com", "عائشة", "李", "x" * 128, "a=b:c"]
)
def test_names_are_what_people_are_called(name: str) -> None:
    assert [*problems_of_name(name)] == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 129,
        " anna",
        "anna ",
        "a/b",
        "../anna",
        "..",
        "an\0na",
        "an\nna",
        "an\u202ena",
        "an\u2066na",
        "an\u200bna",
        "an\ufeffna",
        "\ud800",
        "anna\u00a0",
        "an\u00a0na",
        "\uff41nna",
        "Mu\u0308ller",
        "\ufb01n",
    ],
)
def test_names_hide_nothing_and_have_one_spelling(name: str) -> None:
    assert [one.path for one in problems_of_name(name)] == ["name"]


@pytest.mark.parametrize(
    "password", ["x" * 12, "äöüßäöüßäöüß", "x" * LONGEST_PASSWORD, "            ", "\0" * 12]
)
def test_a_password_is_its_owners_choice(password: str) -> None:
    assert [*problems_of_password(password, "anna")] == []


@pytest.mark.parametrize(
    ("password", "name"),
    [
        ("", "anna"),
        ("x" * 11, "anna"),
        ("x" * (LONGEST_PASSWORD + 1), "anna"),
        ("ü" * (LONGEST_PASSWORD // 2 + 1), "anna"),
        ("Anna-Katharina", "anna-katharina"),
        ("\ud800" * 12, "anna"),
    ],
)
def test_a_password_is_long_enough_not_endless_and_not_the_name(password: str, name: str) -> None:
    assert [one.path for one in problems_of_password(password, name)] == ["password"]


def test_all_that_is_wrong_is_said_at_once() -> None:
    grants = (Grant("viewer"), Grant("viewer"), Grant("analyst", "a/b"))
    draft = NewUser(name="an\0na", grants=grants, password="short")
    assert [one.path for one in problems_of_user(draft)] == [
        "name",
        "grants[1]",
        "grants[2].group",
        "password",
    ]


def test_there_are_not_too_many_grants() -> None:
    grants = [Grant("viewer", f"group-{number}") for number in range(MOST_GRANTS + 1)]
    assert [*problems_of_grants(grants[:-1])] == []
    assert [one.path for one in problems_of_grants(grants)] == ["grants"]


@pytest.mark.parametrize("name", ["administrator", "Ingest", "METRICS"])
def test_no_token_has_the_name_of_one_of_the_installation(name: str) -> None:
    draft = NewToken(name=name, grants=(Grant("viewer"),))
    assert [one.path for one in problems_of_token(draft, NOON)] == ["name"]


def test_a_token_allows_something_and_is_not_over_when_it_begins() -> None:
    draft = NewToken(name="nightly", grants=(), expires_at=NOON)
    assert [one.path for one in problems_of_token(draft, NOON)] == ["grants", "expires_at"]


def test_no_password_is_shown_by_accident() -> None:
    assert GOOD not in repr(NewUser(name="anna", grants=(), password=GOOD))
