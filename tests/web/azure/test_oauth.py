"""The OAuth 2 endpoint, as Microsoft's libraries call it."""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx2
import pytest
from tests.serving import Serving
from tests.web.people import asked, token

from fencepost.web.forms import LARGEST

SCOPE = "https://management.azure.com/.default"


@pytest.fixture(scope="module")
def tenant(serving: Serving) -> str:
    found: str = json.loads((serving.folder / "identity.json").read_text())["tenant_id"]
    return found


@pytest.fixture(scope="module")
def client(serving: Serving) -> dict[str, Any]:
    """Give an API token, as which programs come in."""
    return token(serving, "azure-client", "analyst:floor-2")


def post(serving: Serving, path: str, form: dict[str, str], **headers: str) -> httpx2.Response:
    return serving.stranger.post(path, data=form, headers=headers)


def form_of(client: dict[str, Any], **members: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": client["token_id"],
        "client_secret": client["token"],
        "scope": SCOPE,
        **members,
    }


def test_a_program_gets_a_token_that_stands_for_its_api_token(
    serving: Serving, tenant: str, client: dict[str, Any]
) -> None:
    bare = client["token"].removeprefix(f"fpt_{client['token_id']}_")
    for path in (tenant, tenant.upper(), "common", "organizations"):
        for secret in (client["token"], bare):
            answer = post(serving, f"/{path}/oauth2/v2.0/token", form_of(client, client_secret=secret))
            assert answer.status_code == 200, answer.text
            assert answer.headers["cache-control"] == "no-store"
            body = answer.json()
            assert body["token_type"] == "Bearer"
            assert 3590 <= body["expires_in"] <= 3600
            me = asked(serving, body["access_token"]).json()
            assert me["actor"] == "token/azure-client"
            assert me["grants"] == [{"role": "analyst", "group": "floor-2"}]


def test_id_and_secret_may_stand_in_the_header(serving: Serving, tenant: str, client: dict[str, Any]) -> None:
    pair = f"{quote(client['token_id'])}:{quote(client['token'])}".encode()
    headers = {"Authorization": f"Basic {b64encode(pair).decode()}"}
    answer = post(serving, f"/{tenant}/oauth2/v2.0/token", {"grant_type": "client_credentials"}, **headers)
    assert answer.status_code == 200
    answer = post(
        serving,
        f"/{tenant}/oauth2/v2.0/token",
        {"grant_type": "client_credentials"},
        Authorization="Basic %%",
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_version_1_says_numbers_as_texts_and_names_the_resource(
    serving: Serving, tenant: str, client: dict[str, Any]
) -> None:
    form = form_of(client, resource="https://management.azure.com/")
    body = post(serving, f"/{tenant}/oauth2/token", form).json()
    assert body["resource"] == "https://management.azure.com/"
    assert int(body["expires_on"]) - int(body["not_before"]) == int(body["expires_in"])
    assert asked(serving, body["access_token"]).status_code == 200


def test_the_metadata_lead_to_the_endpoint(serving: Serving, tenant: str) -> None:
    for version, suffix in (("v2.0/", "/oauth2/v2.0/token"), ("", "/oauth2/token")):
        said = serving.stranger.get(f"/{tenant}/{version}.well-known/openid-configuration").json()
        assert said["token_endpoint"] == f"{serving.url}/{tenant}{suffix}"
        assert said["authorization_endpoint"].startswith(serving.url)
        assert said["issuer"].startswith(f"{serving.url}/{tenant}")
        assert serving.stranger.get(said["jwks_uri"]).json() == {"keys": []}
    found = serving.stranger.get("/common/discovery/instance").json()
    assert serving.stranger.get(found["tenant_discovery_endpoint"]).status_code == 200


def test_behind_a_proxy_the_metadata_name_the_address_that_the_client_knows(
    serving: Serving, tenant: str
) -> None:
    proxy = {"X-Forwarded-Host": "fencepost.example.com", "X-Forwarded-Proto": "https"}
    for path in (f"/{tenant}/v2.0", f"/{tenant}"):
        said = serving.stranger.get(f"{path}/.well-known/openid-configuration", headers=proxy).json()
        for member in ("issuer", "token_endpoint", "jwks_uri"):
            assert said[member].startswith(f"https://fencepost.example.com/{tenant}/")
    found = serving.stranger.get("/common/discovery/instance", headers=proxy).json()
    assert found["tenant_discovery_endpoint"].startswith("https://fencepost.example.com/common/")
    assert found["metadata"][0]["aliases"] == ["fencepost.example.com"]


@pytest.mark.parametrize(
    ("change", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "nobody"}, 401, "invalid_client", 7000215),
        ({"client_id": ""}, 400, "invalid_request", 900144),
        ({"client_secret": ""}, 401, "invalid_client", 7000218),
        ({"grant_type": ""}, 400, "invalid_request", 900144),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type", 70003),
    ],
)
def test_what_is_refused_is_refused_in_microsofts_words(
    serving: Serving,
    tenant: str,
    client: dict[str, Any],
    change: dict[str, str],
    status: int,
    error: str,
    number: int,
) -> None:
    known = "11111111-2222-3333-4444-555555555555"
    form, header = form_of(client, **change), {"client-request-id": known}
    answer = post(serving, f"/{tenant}/oauth2/v2.0/token", form, **header)
    assert answer.status_code == status
    body = answer.json()
    assert (body["error"], body["error_codes"], body["correlation_id"]) == (error, [number], known)
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert body["timestamp"].endswith("Z")
    assert UUID(body["trace_id"])
    assert client["token"] not in answer.text


@pytest.mark.parametrize("wrong", ["11111111-2222-3333-4444-555555555555", "contoso.onmicrosoft.com", "%00"])
def test_another_tenant_is_not_ours(serving: Serving, client: dict[str, Any], wrong: str) -> None:
    answer = post(serving, f"/{wrong}/oauth2/v2.0/token", form_of(client))
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_tenant"
    assert serving.stranger.get(f"/{wrong}/v2.0/.well-known/openid-configuration").status_code == 400


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "application/json"),
        (b"grant_type=client_credentials&grant_type=password", "application/x-www-form-urlencoded"),
        (b"grant_type=%ff", "application/x-www-form-urlencoded"),
        (b"\xff", "application/x-www-form-urlencoded"),
        (b"&a=" * 1000, "application/x-www-form-urlencoded"),
        (b"a=" + b"x" * (65 << 10), "application/x-www-form-urlencoded"),
        (b"", ""),
    ],
)
def test_what_is_no_form_is_refused(serving: Serving, tenant: str, content: bytes, kind: str) -> None:
    path, headers = f"/{tenant}/oauth2/v2.0/token", {"Content-Type": kind}
    answer = serving.stranger.post(path, content=content, headers=headers)
    assert answer.status_code == (413 if len(content) > LARGEST else 400)
    assert answer.json()["error"] == "invalid_request"


def test_a_revoked_token_hands_out_nothing_and_what_it_has_is_over(serving: Serving, tenant: str) -> None:
    made = token(serving, "soon-revoked", "viewer")
    path = f"/{tenant}/oauth2/v2.0/token"
    granted = post(serving, path, form_of(made)).json()["access_token"]
    assert asked(serving, granted).status_code == 200
    serving.admin.delete(f"/v1/tokens/{made['token_id']}")
    assert asked(serving, granted).status_code == 401
    assert post(serving, path, form_of(made)).status_code == 401


def test_who_guesses_has_to_wait(serving: Serving, tenant: str) -> None:
    made = token(serving, "guessed-at", "viewer")
    wrong = form_of(made, client_secret="wrong")
    answers = [post(serving, f"/{tenant}/oauth2/v2.0/token", wrong) for _ in range(40)]
    waiting = [answer for answer in answers if answer.status_code == 429]
    assert waiting
    assert int(waiting[0].headers["retry-after"]) >= 1
    assert waiting[0].json()["error"] == "temporarily_unavailable"
