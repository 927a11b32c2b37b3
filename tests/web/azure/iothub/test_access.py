"""Who may call what."""

import re
import time
from typing import Any

import httpx2
import pytest
from tests.web.azure.iothub.standing import (
    ADMINISTRATOR,
    GROUP_KEY,
    HOST,
    NEVER,
    VIEWER,
    VIEWER_OF_ONE,
    Standing,
    policy_token,
)

from fencepost.model.sas import sign

READ, WRITE, CONNECT = "RegistryRead", "RegistryWrite", "ServiceConnect"
CALLS: list[tuple[str, str, str]] = [
    ("GET", "/devices", READ),
    ("GET", "/devices/d", READ),
    ("PUT", "/devices/d", WRITE),
    ("DELETE", "/devices/d", WRITE),
    ("POST", "/devices", WRITE),
    ("POST", "/devices/query", READ),
    ("GET", "/devices/d/modules", READ),
    ("GET", "/devices/d/modules/m", READ),
    ("PUT", "/devices/d/modules/m", WRITE),
    ("DELETE", "/devices/d/modules/m", WRITE),
    ("GET", "/twins/d", CONNECT),
    ("PATCH", "/twins/d", CONNECT),
    ("PUT", "/twins/d", CONNECT),
    ("GET", "/twins/d/modules/m", CONNECT),
    ("PATCH", "/twins/d/modules/m", CONNECT),
    ("PUT", "/twins/d/modules/m", CONNECT),
    ("POST", "/twins/d/methods", CONNECT),
    ("POST", "/twins/d/modules/m/methods", CONNECT),
    ("POST", "/devices/d/messages/devicebound", CONNECT),
    ("DELETE", "/devices/d/commands", CONNECT),
    ("GET", "/statistics/devices", READ),
    ("GET", "/statistics/service", READ),
]
ALLOWED = {
    "iothubowner": {READ, WRITE, CONNECT},
    "registryRead": {READ},
    "service": {CONNECT},
    "device": set[str](),
}


def asked(client: httpx2.Client, method: str, path: str) -> httpx2.Response:
    return client.request(method, path, content=b"{")


def is_refused(answer: httpx2.Response) -> bool:
    if answer.status_code != 401:
        return False
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"Message", "ExceptionMessage"}
    assert body["Message"] == "ErrorCode:IotHubUnauthorizedAccess;Unauthorized"
    assert answer.headers["iothub-errorcode"] == "IotHubUnauthorizedAccess"
    return True


@pytest.mark.parametrize("policy", ALLOWED)
def test_a_policy_opens_what_it_allows_and_nothing_else(standing: Standing, policy: str) -> None:
    with standing.client(policy_token(policy)) as client:
        for method, path, permission in CALLS:
            refused = is_refused(asked(client, method, path))
            assert refused is (permission not in ALLOWED[policy]), (policy, method, path)


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {ADMINISTRATOR}",
        "SharedAccessSignature",
        "SharedAccessSignature sr=hub.example&sig=AAAA&se=4102444800&skn=iothubowner",
        policy_token("iothubowner", key="bm90LXRoZS1rZXktYnV0LWEta2V5LWFsbC10aGUtc2FtZQ=="),
        policy_token("iothubowner", until=int(time.time()) - 1),
        policy_token("iothubowner", resource="another.example"),
        policy_token("iothubowner", resource=f"{HOST}/devices/another"),
        policy_token("nobody"),
        sign(HOST, GROUP_KEY, NEVER),
    ],
    ids=range(13),
)
def test_without_a_good_token_nothing_opens(standing: Standing, token: str | None) -> None:
    with standing.client(token) as client:
        for method, path, _ in CALLS:
            assert is_refused(asked(client, method, path)), (method, path)


def test_the_secondary_key_of_a_policy_opens_as_much(standing: Standing) -> None:
    with standing.client(policy_token("registryRead", key=GROUP_KEY)) as client:
        assert client.get("/statistics/devices").status_code == 200


def test_our_own_administrator_may_do_all(standing: Standing) -> None:
    with standing.client(f"Bearer {ADMINISTRATOR}") as client:
        assert not any(is_refused(asked(client, method, path)) for method, path, _ in CALLS)


def test_our_own_viewers_of_everything_read_the_registry_and_see_no_key(standing: Standing) -> None:
    """With a key they could act as the device."""
    shown = standing.device("seen-by-vera")
    standing.owner.put("/devices/seen-by-vera/modules/other", json={}).raise_for_status()
    with standing.client(f"Bearer {VIEWER}") as client:
        for method, path, permission in CALLS:
            assert is_refused(asked(client, method, path)) is (permission != READ), (method, path)
        answers = [
            client.get(f"/devices{path}").raise_for_status().text
            for path in ("", "/seen-by-vera", "/seen-by-vera/modules", "/seen-by-vera/modules/other")
        ]
    assert shown["authentication"]["symmetricKey"]["primaryKey"]
    assert all('"primaryKey":null' in answer for answer in answers)
    assert not any(re.search(r'"(primary|secondary)Key":"', answer) for answer in answers)


def test_who_may_do_something_in_some_groups_only_does_nothing_with_the_registry(standing: Standing) -> None:
    """It knows no groups: twins are free to name another one."""
    with standing.client(f"Bearer {VIEWER_OF_ONE}") as client:
        assert all(is_refused(asked(client, method, path)) for method, path, _ in CALLS)


def test_refusals_are_counted(standing: Standing) -> None:
    before = standing.hub.counters.unauthorized
    standing.stranger.get("/devices")
    assert standing.hub.counters.unauthorized == before + 1


def test_a_device_reads_its_own_record_and_those_of_its_modules(standing: Standing) -> None:
    """The agents fetch the key of their security module so."""
    standing.device("own")
    with standing.of_device("own") as device:
        answer = device.get("/devices/own/modules/azureiotsecurity")
        assert answer.status_code == 200
        assert answer.json()["authentication"]["symmetricKey"]["primaryKey"]
        assert device.get("/devices/own").status_code == 200
        assert device.get("/devices/own/modules").status_code == 200


def test_a_module_reads_its_own_record_only(standing: Standing) -> None:
    standing.device("own-2")
    standing.owner.put("/devices/own-2/modules/other", json={})
    with standing.of_device("own-2", "azureiotsecurity") as module:
        assert module.get("/devices/own-2/modules/azureiotsecurity").status_code == 200
        for path in ("/devices/own-2", "/devices/own-2/modules", "/devices/own-2/modules/other"):
            assert is_refused(module.get(path)), path


def test_a_device_reads_nothing_of_another_and_changes_nothing(standing: Standing) -> None:
    standing.device("mallory")
    standing.device("alice")
    with standing.of_device("mallory") as mallory:
        for path in ("/devices/alice", "/devices/alice/modules", "/devices/alice/modules/azureiotsecurity"):
            assert is_refused(mallory.get(path)), path
        for method, path, permission in CALLS:
            if permission != READ:
                own = "/".join("mallory" if part == "d" else part for part in path.split("/"))
                assert is_refused(asked(mallory, method, own)), (method, own)
        assert is_refused(asked(mallory, "POST", "/devices/query"))
        assert is_refused(asked(mallory, "GET", "/devices"))


def test_who_may_connect_for_devices_does_not_read_their_keys(standing: Standing) -> None:
    standing.device("kept")
    with standing.client(policy_token("device", resource=f"{HOST}/devices/kept")) as client:
        assert is_refused(client.get("/devices/kept"))


def test_a_disabled_device_reads_nothing(standing: Standing) -> None:
    standing.device("shut")
    with standing.of_device("shut") as device:
        standing.owner.put("/devices/shut", json={"status": "disabled"}, headers={"If-Match": "*"})
        assert is_refused(device.get("/devices/shut/modules/azureiotsecurity"))


def test_the_audit_says_which_policy_it_was(standing: Standing) -> None:
    standing.device("audited")
    records = standing.audit()
    assert records[0].actor == "policy/iothubowner"
    with standing.client(f"Bearer {ADMINISTRATOR}") as client:
        client.patch("/twins/audited", json={"tags": {"a": 1}})
    assert standing.audit()[0].actor == "token/administrator"


@pytest.mark.parametrize("version", ["2016-11-14", "2018-06-30", "2019-07-01-preview", "2021-04-12"])
def test_known_versions_are_served(standing: Standing, version: str) -> None:
    assert standing.owner.get("/statistics/devices", params={"api-version": version}).status_code == 200


@pytest.mark.parametrize("version", ["", "latest", "2016-02-03", "2021-04-12-beta", "٢٠٢١-٠٤-١٢"])
def test_a_call_without_a_known_version_is_refused(standing: Standing, version: str) -> None:
    answer = standing.owner.get("/statistics/devices", params={"api-version": version})
    assert answer.status_code == 400
    assert answer.headers["iothub-errorcode"] == "InvalidProtocolVersion"
    assert answer.json()["Message"].startswith("ErrorCode:InvalidProtocolVersion;api-version")
