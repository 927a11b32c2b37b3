"""Sign-in by OpenID Connect in a real service, at a real provider: npm's oidc-provider, unmodified."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.installing import NotInstallableError
from tests.serving import Serving
from tests.web.pages.provider import CLIENT, SITE, RealProvider
from tests.web.people import PASSWORD, asked, browser, user

ACCOUNTS: dict[str, dict[str, Any]] = {
    "1": {"preferred_username": "anna", "groups": ["fleet-admins", "everybody"]},
    "2": {"preferred_username": "bert", "groups": ["everybody", "floor 2"]},
    "3": {"preferred_username": "carl", "groups": ["strangers"]},
    "4": {"preferred_username": "dora"},
    "5": {"preferred_username": "local", "groups": ["fleet-admins"]},
    "6": {"preferred_username": "a/b", "groups": ["fleet-admins"]},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[RealProvider]:
    try:
        one = RealProvider(ACCOUNTS)
    except NotInstallableError as error:
        pytest.skip(str(error))
    yield one
    one.stop()


@pytest.fixture(scope="module")
def serving(provider: RealProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    service = Serving(tmp_path_factory.mktemp("openid") / "data", **settings(provider))
    yield service
    assert service.stop() == 0
    assert "Traceback" not in service.log()
    assert CLIENT["client_secret"] not in service.log()


def settings(provider: RealProvider) -> dict[str, str]:
    return {
        "access_url": SITE,
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT["client_id"],
        "oidc_client_secret": CLIENT["client_secret"],
        "oidc_scopes": "openid,profile,groups",
        "oidc_button": "Sign in at the works",
        "oidc_grants": "fleet-admins=administrator,everybody=viewer,floor 2=analyst:floor-2",
    }


@contextmanager
def come_in(
    serving: Serving, provider: RealProvider, account: str
) -> Iterator[tuple[httpx2.Client, httpx2.Response]]:
    """Give a browser whose person comes back from the provider, and what they get."""
    with browser(serving) as person:
        yield person, person.get(way_back(person, provider, account))


def way_back(person: httpx2.Client, provider: RealProvider, account: str) -> str:
    """Return the path on which somebody comes back who went to the provider."""
    out = person.get("/sign-in/openid")
    assert out.status_code == 303
    assert out.headers["location"].startswith(f"{provider.issuer}/auth?")
    assert "code_challenge_method=S256" in out.headers["location"]
    assert "__Host-fencepost-openid=" in out.headers["set-cookie"]
    return provider.vouch(out.headers["location"], account).removeprefix(SITE)


def test_the_button_is_there(serving: Serving) -> None:
    page = serving.stranger.get("/sign-in").text
    assert '<a class="button second" href="/sign-in/openid">Sign in at the works</a>' in page


def test_who_the_provider_vouches_for_is_in_with_the_roles_of_their_groups(
    serving: Serving, provider: RealProvider
) -> None:
    for account, name, grants in (
        ("1", "anna", [("administrator", None), ("viewer", None)]),
        ("2", "bert", [("viewer", None), ("analyst", "floor-2")]),
    ):
        with come_in(serving, provider, account) as (person, answer):
            assert (answer.status_code, answer.headers["location"]) == (303, "/signed-in")
            me = person.get("/v1/me").json()
            assert me["actor"] == f"user/{name}"
            assert [(one["role"], one["group"]) for one in me["grants"]] == grants
            assert name in person.get("/signed-in").text
    shown = serving.admin.get("/v1/users/anna").json()
    assert shown["subject"] == f"{provider.issuer} 1"
    assert not shown["has_password"]


def test_who_comes_again_is_the_same_user(serving: Serving, provider: RealProvider) -> None:
    with come_in(serving, provider, "1"):
        first = serving.admin.get("/v1/users/anna").json()
    with come_in(serving, provider, "1"):
        second = serving.admin.get("/v1/users/anna").json()
    assert first["created_at"] == second["created_at"]
    assert second["last_sign_in_at"] > first["last_sign_in_at"]


@pytest.mark.parametrize("account", ["3", "4"])
def test_who_has_no_role_is_told_so(serving: Serving, provider: RealProvider, account: str) -> None:
    with come_in(serving, provider, account) as (person, answer):
        assert answer.status_code == 403
        assert "gives a role here" in answer.text
        assert person.get("/v1/me").status_code == 401
    assert serving.admin.get(f"/v1/users/{ACCOUNTS[account]['preferred_username']}").status_code == 404


def test_nobody_takes_over_a_user_with_a_password(serving: Serving, provider: RealProvider) -> None:
    user(serving, "local", "viewer")
    with come_in(serving, provider, "5") as (_, answer):
        assert answer.status_code == 403
        assert "another user &#x27;local&#x27;" in answer.text
    assert serving.admin.get("/v1/users/local").json()["subject"] is None


def test_a_name_that_cannot_be_one_here_is_told(serving: Serving, provider: RealProvider) -> None:
    with come_in(serving, provider, "6") as (_, answer):
        assert answer.status_code == 403
        assert "without a slash" in answer.text


def test_who_is_disabled_stays_out(serving: Serving, provider: RealProvider) -> None:
    with come_in(serving, provider, "2"):
        pass
    shown = serving.admin.get("/v1/users/bert").json()
    body = {"grants": shown["grants"], "disabled": True}
    assert serving.admin.put("/v1/users/bert", json=body).status_code == 200
    with come_in(serving, provider, "2") as (_, answer):
        assert answer.status_code == 403
        assert "disabled" in answer.text
    serving.admin.put("/v1/users/bert", json={**body, "disabled": False})


def test_another_browser_cannot_end_what_this_one_began(serving: Serving, provider: RealProvider) -> None:
    """Else a stranger could make somebody work in the stranger's session."""
    with browser(serving) as mallory, browser(serving) as victim:
        path = way_back(mallory, provider, "1")
        answer = victim.get(path)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert victim.get("/v1/me").status_code == 401
        victim.get("/sign-in/openid")
        assert victim.get(path).status_code == 403


def test_a_way_back_leads_in_once(serving: Serving, provider: RealProvider) -> None:
    with browser(serving) as person:
        path = way_back(person, provider, "1")
        assert person.get(path).status_code == 303
        assert person.get(path).status_code == 403


@pytest.mark.parametrize("change", ["state", "code", "iss"])
def test_a_way_back_that_was_changed_leads_nowhere(
    serving: Serving, provider: RealProvider, change: str
) -> None:
    with browser(serving) as person:
        path = way_back(person, provider, "1")
        wrong = re.sub(rf"\b{change}=[^&]*", f"{change}=something-else", path)
        assert wrong != path
        assert person.get(wrong).status_code in (403, 503)
        assert person.get("/v1/me").status_code == 401


def test_who_changes_their_mind_at_the_provider_is_not_in(serving: Serving, provider: RealProvider) -> None:
    with browser(serving) as person:
        out = person.get("/sign-in/openid").headers["location"]
        state = re.search(r"state=([^&]+)", out)
        assert state is not None
        answer = person.get(f"/sign-in/callback?error=access_denied&state={state[1]}")
        assert answer.status_code == 403
        assert "did not let you through" in answer.text


def test_other_keys_of_the_provider_are_taken_up(serving: Serving, provider: RealProvider) -> None:
    with come_in(serving, provider, "1") as (_, answer):
        assert answer.status_code == 303
    provider.stop()
    provider.start()
    with come_in(serving, provider, "1") as (_, answer):
        assert answer.status_code == 303


def test_a_provider_that_is_away_is_a_page_that_says_so_and_passwords_still_do(
    provider: RealProvider, tmp_path: Path
) -> None:
    serving = Serving(tmp_path / "data", **settings(provider))
    user(serving, "local", "viewer")
    with browser(serving) as person:
        path = way_back(person, provider, "1")
        provider.stop()
        try:
            answer = person.get(path)
            assert answer.status_code == 503
            assert "cannot be reached" in answer.text
            form = {"name": "local", "password": PASSWORD}
            assert person.post("/sign-in", data=form).status_code == 303
        finally:
            provider.start()
    assert serving.stop() == 0
    assert "nobody can sign in by OpenID" in serving.log()


def test_a_service_starts_while_its_provider_is_away(provider: RealProvider, tmp_path: Path) -> None:
    provider.stop()
    try:
        serving = Serving(tmp_path / "data", **settings(provider))
        answer = asked(serving, None, "/sign-in/openid")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    finally:
        provider.start()
    with come_in(serving, provider, "1") as (_, answer):
        assert answer.status_code == 303
    assert serving.stop() == 0
