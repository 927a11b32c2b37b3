"""People who come in, for tests of what they may."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from tests.serving import Serving

PASSWORD = "correct horse battery"


def user(serving: Serving, name: str, *grants: str, password: str | None = PASSWORD) -> dict[str, Any]:
    """Make a user with grants such as `viewer` and `analyst:floor-2`."""
    body = {"name": name, "password": password, "grants": [grant(one) for one in grants]}
    answer = serving.admin.post("/v1/users", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def grant(text: str) -> dict[str, str | None]:
    role, _, group = text.partition(":")
    return {"role": role, "group": group or None}


def signed_in(serving: Serving, name: str, password: str = PASSWORD) -> str:
    """Return the token of a new session."""
    answer = sign_in(serving, {"name": name, "password": password})
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


def sign_in(serving: Serving, body: object, headers: dict[str, str] | None = None) -> httpx2.Response:
    """Return the answer to an attempt to sign in; no client keeps its cookie."""
    return asked(serving, None, "/v1/session", "POST", json=body, headers=headers or {})


def token(serving: Serving, name: str, *grants: str) -> dict[str, Any]:
    """Make an API token that belongs to nobody."""
    answer = serving.admin.post("/v1/tokens", json={"name": name, "grants": [grant(one) for one in grants]})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def asked(
    serving: Serving, secret: str | None, path: str = "/v1/me", method: str = "GET", **request: Any
) -> httpx2.Response:
    """Return the answer to one request of whom a secret stands for."""
    with serving.client(secret) as client:
        return client.request(method, path, **request)


@contextmanager
def browser(serving: Serving) -> Iterator[httpx2.Client]:
    """Give a client that keeps cookies, and says of its requests what a browser says of those of our own pages."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=serving.url, verify=serving.context(), headers=headers, timeout=30) as client:
        yield client
