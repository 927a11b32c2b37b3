"""`/{idScope}/registrations`: a device asks where it belongs."""

from typing import Any

import httpx2
import pytest
from tests.web.azure.iothub.standing import GROUP_KEY, HOST, ID_SCOPE, NEVER, Standing

from fencepost.model.sas import derived_key, sign


def signed(registration_id: str, key: str | None = None, policy: str | None = "registration") -> str:
    key = key or derived_key(GROUP_KEY, registration_id)
    return sign(f"{ID_SCOPE}/registrations/{registration_id}", key, NEVER, policy)


def ask(standing: Standing, method: str, path: str, token: str, **sent: Any) -> httpx2.Response:
    with standing.client(token) as client:
        return client.request(
            method, f"/{ID_SCOPE}/registrations/{path}", params={"api-version": "2019-03-31"}, **sent
        )


def test_a_device_is_registered_and_told_its_hub_at_once(standing: Standing) -> None:
    answer = ask(standing, "PUT", "pump-1/register", signed("pump-1"), json={"registrationId": "pump-1"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "assigned"
    assert body["operationId"]
    state = body["registrationState"]
    assert state.keys() >= {
        "registrationId",
        "createdDateTimeUtc",
        "assignedHub",
        "deviceId",
        "status",
        "substatus",
        "lastUpdatedDateTimeUtc",
        "etag",
    }
    assert (state["registrationId"], state["deviceId"], state["assignedHub"]) == ("pump-1", "pump-1", HOST)
    keys = standing.owner.get("/devices/pump-1").json()["authentication"]["symmetricKey"]
    assert keys["primaryKey"] == derived_key(GROUP_KEY, "pump-1")


def test_to_ask_again_or_how_it_goes_gives_the_same(standing: Standing) -> None:
    token = signed("pump-2")
    first = ask(standing, "PUT", "pump-2/register", token, json={}).json()
    assert ask(standing, "PUT", "pump-2/Register", token, json={}).json() == first
    for operation in (first["operationId"], "4.ab-c"):
        assert ask(standing, "GET", f"pump-2/operations/{operation}", token).json() == first
    assert ask(standing, "POST", "pump-2", token, json={}).json() == first["registrationState"]


def test_an_agent_that_asks_for_its_state_only_is_registered_by_that(standing: Standing) -> None:
    """It registered with Azure once; written in C, it sends the NUL behind its text."""
    answer = ask(standing, "POST", "pump-3", signed("pump-3"), content=b'{"registrationId" : "pump-3"}\0')
    assert answer.status_code == 200
    assert answer.json()["status"] == "assigned"
    assert answer.json()["assignedHub"] == HOST
    assert standing.owner.get("/devices/pump-3").status_code == 200


@pytest.mark.parametrize(
    "token",
    [
        "",
        "SharedAccessSignature",
        signed("pump-4", derived_key(GROUP_KEY, "pump-5")),
        signed("pump-4", GROUP_KEY),
        signed("pump-5"),
    ],
)
def test_without_a_key_of_the_group_nothing_is_registered(standing: Standing, token: str) -> None:
    for method, path in (("PUT", "pump-4/register"), ("GET", "pump-4/operations/x"), ("POST", "pump-4")):
        answer = ask(standing, method, path, token, json={})
        assert answer.status_code == 401
        body = answer.json()
        assert body.keys() == {"errorCode", "trackingId", "message", "info", "timestampUtc"}
        assert (body["errorCode"], body["message"]) == (401002, "Unauthorized")
    assert standing.owner.get("/devices/pump-4").status_code == 404


def test_another_scope_is_not_ours(standing: Standing) -> None:
    with standing.client(signed("pump-6")) as client:
        assert client.put("/0ne99999999/registrations/pump-6/register", json={}).status_code == 401


def test_a_disabled_device_is_not_assigned(standing: Standing) -> None:
    ask(standing, "PUT", "pump-7/register", signed("pump-7"), json={})
    standing.owner.put("/devices/pump-7", json={"status": "disabled"}, headers={"If-Match": "*"})
    assert ask(standing, "PUT", "pump-7/register", signed("pump-7"), json={}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"registrationId": "\xd0("}', b'{"registrationId": "another"}', b'{"registrationId": 5}'],
)
def test_a_body_that_does_not_fit_is_refused(standing: Standing, body: bytes) -> None:
    answer = ask(standing, "PUT", "pump-8/register", signed("pump-8"), content=body)
    assert answer.status_code == 400
    assert answer.json()["errorCode"] // 1000 == 400
    assert standing.owner.get("/devices/pump-8").status_code == 404


def test_a_body_without_end_is_not_read(standing: Standing) -> None:
    assert ask(standing, "PUT", "pump-9/register", signed("pump-9"), content=b" " * 70_000).status_code == 413
