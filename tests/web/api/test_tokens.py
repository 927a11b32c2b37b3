"""Tokens over the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.serving import Serving, until
from tests.web.people import grant, signed_in, token, user


def test_a_token_is_made_used_and_revoked(serving: Serving) -> None:
    ends = datetime(2036, 1, 1, tzinfo=UTC)
    body = {"name": "nightly", "grants": [grant("viewer")], "expires_at": ends.isoformat()}
    answer = serving.admin.post("/v1/tokens", json=body)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert made["token"].startswith(f"fpt_{made['token_id']}_")
    assert made["expires_at"] == "2036-01-01T00:00:00Z"
    assert (made["user"], made["state"], made["used_at"]) == (None, "active", None)
    with serving.client(made["token"]) as program:
        assert program.get("/v1/me").json()["actor"] == "token/nightly"
        answer = serving.admin.get(f"/v1/tokens/{made['token_id']}")
        shown = answer.json()
        assert answer.headers["etag"] == '"1"'
        assert shown["used_at"] is not None
        assert "token" not in shown
        stale = serving.admin.delete(f"/v1/tokens/{made['token_id']}", headers={"If-Match": '"7"'})
        assert stale.status_code == 412
        assert serving.admin.delete(f"/v1/tokens/{made['token_id']}").status_code == 204
        assert program.get("/v1/me").status_code == 401
    assert serving.admin.get(f"/v1/tokens/{made['token_id']}").json()["state"] == "revoked"


def test_users_make_and_see_their_own_and_no_more_than_they_may(serving: Serving) -> None:
    user(serving, "anna", "analyst:floor-2")
    user(serving, "bert", "viewer")
    other = token(serving, "of-nobody", "viewer")
    with (
        serving.client(signed_in(serving, "anna")) as anna,
        serving.client(signed_in(serving, "bert")) as bert,
    ):
        body = {"name": "of-anna", "grants": [grant("viewer:Floor-2")]}
        made = anna.post("/v1/tokens", json=body).json()
        assert made["user"] == "anna"
        assert [one["name"] for one in anna.get("/v1/tokens").json()["items"]] == ["of-anna"]
        assert bert.get("/v1/tokens").json()["items"] == []
        for one in (made, other):
            assert bert.get(f"/v1/tokens/{one['token_id']}").status_code == 404
            assert bert.delete(f"/v1/tokens/{one['token_id']}").status_code == 404
        greedy = {"name": "greedy", "grants": [grant("viewer"), grant("administrator:floor-2")]}
        answer = anna.post("/v1/tokens", json=greedy)
        assert answer.status_code == 400
        assert [one["path"] for one in answer.json()["problems"]] == ["grants[0]", "grants[1]"]
        assert anna.delete(f"/v1/tokens/{made['token_id']}").status_code == 204


def test_a_program_makes_no_others_and_sees_itself_only(serving: Serving) -> None:
    made = token(serving, "alone", "viewer")
    with serving.client(made["token"]) as program:
        assert program.post("/v1/tokens", json={"name": "x", "grants": [grant("viewer")]}).status_code == 403
        assert [one["name"] for one in program.get("/v1/tokens").json()["items"]] == ["alone"]
    for client in (serving.ingest, serving.metrics):
        assert client.post("/v1/tokens", json={"name": "x", "grants": [grant("viewer")]}).status_code == 403
        assert client.get("/v1/tokens").json()["items"] == []


def test_two_tokens_have_two_names(serving: Serving) -> None:
    token(serving, "twice", "viewer")
    answer = serving.admin.post("/v1/tokens", json={"name": "TWICE", "grants": [grant("viewer")]})
    assert answer.status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "grants": []},
        {"name": "x"},
        {"name": "ingest", "grants": [{"role": "viewer"}]},
        {"name": "x", "grants": [{"role": "viewer"}], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "grants": [{"role": "viewer"}], "expires_at": "2036-01-01T00:00:00"},
        {"name": "x", "grants": [{"role": "viewer"}], "expires_at": "tomorrow"},
        {"name": "x", "grants": [{"role": "viewer"}], "user": "root"},
    ],
)
def test_what_is_no_token_is_a_problem(serving: Serving, body: dict[str, object]) -> None:
    answer = serving.admin.post("/v1/tokens", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_that_ends_soon_ends_then(serving: Serving) -> None:
    made = next(filter(None, (short_lived(serving, seconds) for seconds in (1, 5, 25))))
    with serving.client(made["token"]) as program:
        until(lambda: program.get("/v1/me").status_code == 401, 60)
    assert serving.admin.get(f"/v1/tokens/{made['token_id']}").json()["state"] == "expired"


def short_lived(serving: Serving, seconds: int) -> dict[str, Any] | None:
    """Return a token that ends in so many seconds, None where the machine is so slow that it is over already."""
    soon = datetime.now(UTC) + timedelta(seconds=seconds)
    body = {"name": f"short-lived-{seconds}", "grants": [grant("viewer")], "expires_at": soon.isoformat()}
    answer = serving.admin.post("/v1/tokens", json=body)
    return answer.json() if answer.status_code == 201 else None
