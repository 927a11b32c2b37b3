"""What a provider's claims mean here."""

from typing import Any

import pytest

from fencepost.model.access import Grant
from fencepost.web.pages.provider import Provider

VIEWER, ADMINISTRATOR, ANALYST = Grant("viewer"), Grant("administrator"), Grant("analyst", "floor-2")


def provider(*grants: tuple[str, Grant]) -> Provider:
    return Provider(
        issuer="https://login.example",
        client_id="fencepost",
        client_secret="hidden",
        scopes=("openid",),
        button="Sign in",
        username_claim="email",
        groups_claim="roles",
        grants=grants,
    )


GRANTS = (("admins", ADMINISTRATOR), ("ops", ANALYST), ("operators", ANALYST))


@pytest.mark.parametrize(
    ("said", "grants"),
    [
        (["admins"], (ADMINISTRATOR,)),
        (["ops", "operators", "else"], (ANALYST,)),
        ("admins", (ADMINISTRATOR,)),
        (["Admins"], ()),
        (["admin", "admins2"], ()),
        ([], ()),
        (None, ()),
        ({"admins": True}, ()),
        ([["admins"]], ()),
        ([1, "admins"], ()),
    ],
)
def test_only_the_very_values_give_grants(said: Any, grants: tuple[Grant, ...]) -> None:
    claims = {"sub": "1", "email": "anna@example.com", "roles": said}
    assert provider(*GRANTS).subject_of(claims).grants == grants


def test_what_is_anybodys_is_anybodys_and_an_asterisk_among_the_values_is_no_more() -> None:
    one = provider(("*", VIEWER), *GRANTS)
    assert one.subject_of({"sub": "1"}).grants == (VIEWER,)
    assert one.subject_of({"sub": "1", "roles": ["*", "admins"]}).grants == (VIEWER, ADMINISTRATOR)


def test_a_person_is_known_by_issuer_and_subject_and_named_by_the_claim() -> None:
    who = provider().subject_of({"sub": "1", "email": "anna@example.com"})
    assert (who.subject, who.name) == ("https://login.example 1", "anna@example.com")
    assert provider().subject_of({"sub": "1", "email": ["anna"]}).name == "1"


def test_no_secret_is_shown_by_accident() -> None:
    assert "hidden" not in repr(provider())
