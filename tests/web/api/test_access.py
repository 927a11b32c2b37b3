"""What guards let in, whatever is asked."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.serving import Serving, until
from tests.web.people import PASSWORD, asked, sign_in, signed_in, token, user

COOKIE = "__Host-fencepost-session"
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
ONCE = {"Connection": "close"}
"""Who is refused before their body is read has a connection that is closed: the next request takes another one."""
OWN = {"signIn", "signOut", "putPassword", "createToken", "revokeToken"}
"""What everybody may do with what is theirs; each has tests of its own."""


def document_of(serving: Serving) -> dict[str, Any]:
    document: dict[str, Any] = serving.stranger.get("/openapi/openapi.json").json()
    return document


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of every operation, with ids filled in."""
    return [
        (method.upper(), filled(path), operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def filled(path: str) -> str:
    named = {
        "name": "default",
        "device_id": "dev-1",
        "action": "resolve",
        "position": "1",
        "rule_type": "ProcessNotAllowed",
    }
    for name, value in {**named, "alert_id": "no-such-alert", "token_id": "no-such-token"}.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, path
    return path


def state_of(serving: Serving) -> list[Any]:
    """Return all that somebody could have changed, but not how often they came."""
    paths = ("/v1/groups", "/v1/users", "/v1/tokens", "/v1/alerts", "/v1/devices")
    answers = [serving.admin.get(path).raise_for_status().json()["items"] for path in paths]
    for one in [*answers[1], *answers[2]]:
        one.pop("used_at", None)
        one.pop("last_sign_in_at", None)
    return answers


@pytest.mark.parametrize(
    "who",
    ["viewer", "viewer:default", "analyst:elsewhere", "administrator:elsewhere", "", "ingest", "metrics"],
)
def test_who_may_not_change_anything_changes_nothing(serving: Serving, who: str) -> None:
    """Every operation that changes something, asked with a body that would do if they were an administrator."""
    with reader(serving, who) as client:
        check_changes_nothing(serving, client, who)


def reader(serving: Serving, who: str) -> httpx2.Client:
    """Return a client with the token of a machine, or with the session of a user with one grant, or none."""
    if who in ("ingest", "metrics"):
        tokens = json.loads((serving.folder / "tokens.json").read_text())
        return serving.client(tokens[who])
    name = f"reader-{who.replace(':', '-')}"
    user(serving, name, *([who] if who else []))
    return serving.client(signed_in(serving, name))


def check_changes_nothing(serving: Serving, client: httpx2.Client, who: str) -> None:
    before, document = state_of(serving), document_of(serving)
    tried = 0
    for method, path, operation in operations(document):
        if method not in CHANGES or operation["operationId"] in OWN:
            continue
        if who == "ingest" and operation["operationId"] == "sendMessages":
            continue
        for body in bodies(document, operation):
            answer = client.request(method, path, json=body, headers=ONCE)
            tried += 1
            assert is_refused(answer, body), (method, path, answer.status_code, answer.text)
    assert tried > 15
    assert state_of(serving) == before


def is_refused(answer: httpx2.Response, body: Any) -> bool:
    """Whether nothing was done; a body that is none may be told so, and of many things each for itself."""
    if answer.status_code == 200:
        results = answer.json().get("results", [{}])
        return all(one.get("reason") is not None and one.get("state") is None for one in results)
    return answer.status_code in ((403, 404) if body else (400, 403, 404))


def bodies(document: dict[str, Any], operation: dict[str, Any]) -> list[Any]:
    """Return bodies for an operation: the examples that the document gives, and an empty one."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    given = [one["value"] for one in content.get("examples", {}).values() if "value" in one]
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return [*given, *document["components"]["schemas"].get(name, {}).get("examples", []), {}]


def test_an_administrator_may_all_that_others_may_not(serving: Serving) -> None:
    """So that what is tested above is not refused for another reason."""
    for method, path, operation in operations(document_of(serving)):
        if method in CHANGES and operation["operationId"] not in OWN | {"deleteUser", "deleteGroup"}:
            answer = serving.admin.request(method, path, json={}, headers=ONCE)
            assert answer.status_code not in (401, 403), (method, path, answer.text)


def test_without_a_secret_nothing_is_there(serving: Serving) -> None:
    opened = {"signIn", "getHealth", "getReadiness"}
    for method, path, operation in operations(document_of(serving)):
        if operation["operationId"] not in opened:
            answer = serving.stranger.request(method, path, json={}, headers=ONCE)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "shown",
    [
        "Bearer",
        "Bearer fpt__",
        "Bearer fpt_x_y",
        "Basic fpt_x_y",
        "Bearer " + "x" * 5000,
        "bearer fps_0123456789abcdef_" + "x" * 43,
    ],
)
def test_what_is_no_secret_of_ours_lets_nobody_in(serving: Serving, shown: str) -> None:
    assert serving.stranger.get("/v1/me", headers={"Authorization": shown}).status_code == 401


# the cookie


@pytest.fixture(scope="module")
def cookie(serving: Serving) -> str:
    user(serving, "browsing", "administrator")
    return f"{COOKIE}={signed_in(serving, 'browsing')}"


def put(serving: Serving, cookie: str, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return serving.stranger.put("/v1/groups/by-cookie", json={}, headers={"Cookie": cookie, **named})


def test_a_cookie_reads_whatever_asks(serving: Serving, cookie: str) -> None:
    assert serving.stranger.get("/v1/me", headers={"Cookie": cookie}).json()["actor"] == "user/browsing"


def test_a_cookie_changes_something_from_our_own_pages_only(serving: Serving, cookie: str) -> None:
    for said in ("cross-site", "same-site"):
        assert put(serving, cookie, Sec_Fetch_Site=said, Origin=serving.url).status_code == 403
    for origin in ("https://evil.example", "null", serving.url + ".evil.example", "https://localhost"):
        assert put(serving, cookie, Origin=origin).status_code == 403
    answer = put(serving, cookie)
    assert answer.status_code == 403
    assert "own pages" in answer.json()["detail"]
    assert serving.admin.get("/v1/groups/by-cookie").status_code == 404
    assert put(serving, cookie, Origin=serving.url).status_code == 201
    assert put(serving, cookie, Sec_Fetch_Site="same-origin").status_code == 200


def test_a_bearer_token_goes_before_a_cookie(serving: Serving, cookie: str) -> None:
    headers = {"Cookie": cookie, "Authorization": "Bearer nothing"}
    assert serving.stranger.get("/v1/me", headers=headers).status_code == 401
    made = token(serving, "before-the-cookie", "viewer")
    headers = {"Cookie": cookie, "Authorization": f"Bearer {made['token']}"}
    assert serving.stranger.get("/v1/me", headers=headers).json()["actor"] == "token/before-the-cookie"
    assert serving.stranger.put("/v1/groups/x", json={}, headers=headers).status_code == 403


# after the fact


def test_what_was_handed_out_is_good_after_a_restart_and_after_a_crash(tmp_path: Any) -> None:
    serving = Serving(tmp_path / "data")
    user(serving, "anna", "viewer")
    session, made = signed_in(serving, "anna"), token(serving, "nightly", "viewer")
    revoked = token(serving, "revoked", "viewer")
    assert serving.admin.delete(f"/v1/tokens/{revoked['token_id']}").status_code == 204
    serving.kill()
    serving.start()
    assert asked(serving, session).json()["actor"] == "user/anna"
    assert asked(serving, made["token"]).json()["actor"] == "token/nightly"
    assert asked(serving, revoked["token"]).status_code == 401
    assert serving.welcome_url is None
    assert serving.stop() == 0
    serving.start()
    [shown] = [one for one in serving.admin.get("/v1/tokens").json()["items"] if one["name"] == "nightly"]
    assert shown["used_at"] is not None
    assert serving.stop() == 0


def test_no_secret_is_in_the_log_and_none_in_the_store(tmp_path: Any) -> None:
    serving = Serving(tmp_path / "data", log_level="debug")
    code = str(serving.welcome_url).partition("code=")[2]
    assert len(code) > 20
    serving.stranger.get(f"/welcome?code={code}")
    user(serving, "anna", "viewer")
    session, made = signed_in(serving, "anna"), token(serving, "nightly", "viewer")
    sign_in(serving, {"name": "anna", "password": "a wrong password"})
    serving.stranger.get("/v1/me", headers={"Authorization": "Bearer fpt_0_nearly-a-secret"})
    new = {"password": "another-long-password", "old_password": PASSWORD}
    assert asked(serving, session, "/v1/users/anna/password", "PUT", json=new).status_code == 204
    form = {"grant_type": "client_credentials", "client_id": made["token_id"], "client_secret": made["token"]}
    granted = serving.stranger.post("/common/oauth2/v2.0/token", data=form).json()["access_token"]
    assert asked(serving, granted).status_code == 200
    assert serving.stop() == 0
    secrets = [
        code,
        *(whole[len("fpt_0123456789abcdef_") :] for whole in (session, made["token"], granted)),
        *(PASSWORD, "another-long-password", "a wrong password", "nearly-a-secret"),
    ]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    for secret in secrets:
        assert secret not in serving.log()
        assert secret.encode() not in kept


def test_who_is_out_before_their_body_has_come_changes_nothing(serving: Serving) -> None:
    user(serving, "stays", "administrator")
    user(serving, "leaver", "administrator")
    body = {"name": "tool-of-leaver", "grants": [{"role": "administrator"}]}
    made = asked(serving, signed_in(serving, "leaver"), "/v1/tokens", "POST", json=body).json()
    calls = {
        "POST /v1/tokens": b'{"name": "for-ever", "grants": [{"role": "administrator"}]}',
        "POST /v1/users": b'{"name": "for-ever", "password": "correct horse battery", "grants": []}',
        "PUT /v1/groups/for-ever": b"{}",
    }
    before = state_of(serving)[0]
    for call, content in calls.items():
        serving.admin.put("/v1/users/leaver", json={"grants": [{"role": "administrator"}]}).raise_for_status()
        used_at = serving.admin.get(f"/v1/tokens/{made['token_id']}").json()["used_at"]

        def parts(content: bytes = content, used_at: Any = used_at) -> Iterator[bytes]:
            yield content[:1]
            token = f"/v1/tokens/{made['token_id']}"
            until(lambda: serving.admin.get(token).json()["used_at"] != used_at, 20)  # they have been let in
            disabled = {"grants": [], "disabled": True}
            serving.admin.put("/v1/users/leaver", json=disabled).raise_for_status()
            yield content[1:]

        method, path = call.split()
        headers = {"Content-Type": "application/json", **ONCE}
        answer = asked(serving, made["token"], path, method, content=parts(), headers=headers)
        assert answer.status_code == 401, call
    after = state_of(serving)
    assert after[0] == before
    assert "for-ever" not in json.dumps(after)
