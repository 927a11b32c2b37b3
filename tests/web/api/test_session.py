"""Signing in and out over the API, and who one is."""

import pytest
from tests.serving import Serving
from tests.web.people import PASSWORD, asked, sign_in, signed_in, token, user

COOKIE = "__Host-fencepost-session"


def test_who_signs_in_gets_a_token_and_a_cookie_for_this_host_only(serving: Serving) -> None:
    user(serving, "anna", "analyst:floor-2")
    answer = sign_in(serving, {"name": "ANNA", "password": PASSWORD})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["actor"] == "user/anna"
    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *attributes = rest.split("; ")
    assert (name, value) == (COOKIE, body["token"])
    assert {one.lower() for one in attributes} >= {"secure", "httponly", "samesite=lax", "path=/"}
    assert not any(one.lower().startswith("domain") for one in attributes)
    me = asked(serving, body["token"]).json()
    assert me == {
        "actor": "user/anna",
        "user": "anna",
        "token_id": body["token"].split("_")[1],
        "grants": [{"role": "analyst", "group": "floor-2"}],
        "machine": None,
        "expires_at": body["expires_at"],
    }


def test_everybody_learns_who_they_are(serving: Serving) -> None:
    made = token(serving, "who-am-i", "viewer")
    assert asked(serving, made["token"]).json()["actor"] == "token/who-am-i"
    assert serving.ingest.get("/v1/me").json()["machine"] == "ingest"
    assert serving.admin.get("/v1/me").json()["grants"] == [{"role": "administrator", "group": None}]
    assert serving.stranger.get("/v1/me").status_code == 401


@pytest.mark.parametrize("name", ["known", "unknown", "no-password"])
def test_a_wrong_password_and_an_unknown_name_have_one_answer(serving: Serving, name: str) -> None:
    if name == "known":
        user(serving, name)
    if name == "no-password":
        user(serving, name, password=None)
    answer = sign_in(serving, {"name": name, "password": "a wrong password"})
    assert answer.status_code == 401
    assert answer.json()["detail"] == "name or password is wrong"
    assert "set-cookie" not in answer.headers


def test_after_some_failures_one_has_to_wait_and_is_told_how_long(serving: Serving) -> None:
    user(serving, "guessed")
    before = serving.figure('fencepost_access_attempts_total{result="throttled"}')
    failed = serving.figure('fencepost_access_attempts_total{result="failed"}')
    statuses = [
        sign_in(serving, {"name": "guessed", "password": "a wrong one"}).status_code for _ in range(5)
    ]
    assert statuses == [401] * 5
    waiting = None
    for _ in range(20):
        answer = sign_in(serving, {"name": "guessed", "password": "a wrong one"})
        if answer.status_code == 429:
            waiting = answer
    assert waiting is not None
    assert int(waiting.headers["retry-after"]) >= 1
    assert serving.figure('fencepost_access_attempts_total{result="throttled"}') > before
    assert serving.figure('fencepost_access_attempts_total{result="failed"}') >= failed + 5


@pytest.mark.parametrize(
    "body", [{}, {"name": "anna"}, {"name": 1, "password": []}, {"name": "a", "password": "b", "c": 1}, []]
)
def test_what_is_no_sign_in_is_a_problem(serving: Serving, body: object) -> None:
    answer = sign_in(serving, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_who_signs_out_is_out_at_once(serving: Serving) -> None:
    user(serving, "leaving", "viewer")
    with serving.client(signed_in(serving, "leaving")) as client:
        assert client.get("/v1/me").status_code == 200
        answer = client.delete("/v1/session")
        assert answer.status_code == 204
        assert f"{COOKIE}=" in answer.headers["set-cookie"]
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert client.get("/v1/me").status_code == 401


def test_a_token_is_no_session(serving: Serving) -> None:
    answer = serving.admin.delete("/v1/session")
    assert answer.status_code == 409
    assert "revoke" in answer.json()["detail"]
    assert serving.admin.get("/v1/me").status_code == 200


def test_another_site_signs_nobody_in(serving: Serving) -> None:
    user(serving, "lured")
    body = {"name": "lured", "password": PASSWORD}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        answer = sign_in(serving, body, headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    own = {"Sec-Fetch-Site": "same-origin", "Origin": serving.url}
    assert sign_in(serving, body, own).status_code == 201


def test_a_session_that_was_there_before_is_not_the_one_that_signs_in(serving: Serving) -> None:
    """Whoever plants a cookie in somebody's browser does not share their session."""
    user(serving, "victim", "viewer")
    planted = signed_in(serving, "victim")
    answer = sign_in(
        serving,
        {"name": "victim", "password": PASSWORD},
        {"Cookie": f"{COOKIE}={planted}"},
    )
    assert answer.json()["token"] != planted
