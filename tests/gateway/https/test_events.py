"""`/devices/{deviceId}/messages/events`: what devices say over HTTPS."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.web.azure.iothub.standing import GROUP_KEY, HOST, LARGEST, NEVER, Standing, policy_token

from fencepost.gateway.https import events
from fencepost.model.sas import sign
from fencepost.service.pipeline import Busy

SECURITY = {"iothub-interface-id": "urn:azureiot:Security:SecurityAgent:1"}
BATCH = {"Content-Type": "application/vnd.microsoft.iothub.json"}


def login(number: int = 0) -> bytes:
    """Return a message of an agent with one failed login."""
    event = {
        "Id": f"00000000-0000-4000-8000-{number:012}",
        "TimestampUTC": "2030-01-31T12:00:00Z",
        "TimestampLocal": "2030-01-31T12:00:00Z",
        "Category": "Triggered",
        "Name": "Login",
        "EventType": "Security",
        "IsEmpty": False,
        "PayloadSchemaVersion": "1.0",
        "Payload": [
            {
                "ProcessId": 1,
                "Operation": "login",
                "Executable": "/bin/login",
                "Result": "Fail",
                "UserId": "0",
            }
        ],
    }
    envelope = {
        "AgentVersion": "0.0.6",
        "AgentId": "a" * 36,
        "MessageSchemaVersion": "1.0",
        "Events": [event],
    }
    return json.dumps(envelope).encode()


def kept(standing: Standing, device_id: str) -> tuple[int, int]:
    """Return how many messages and events of a device are kept."""
    record = standing.store.device(device_id)
    return (record.messages, record.events) if record is not None else (0, 0)


def noted(standing: Standing, device_id: str, operation: str) -> int:
    return standing.operations.noted.count((device_id, operation))  # type: ignore[arg-type]


def told(standing: Standing) -> tuple[int, int]:
    uplink = standing.gateway.uplink
    return uplink.security["https"], uplink.telemetry["https"]


@pytest.fixture(scope="module")
def device(standing: Standing) -> Iterator[httpx2.Client]:
    standing.device("dev-1")
    with standing.of_device("dev-1") as client:
        yield client


def test_a_security_message_is_kept_and_judged(standing: Standing, device: httpx2.Client) -> None:
    before = kept(standing, "dev-1")
    answer = device.post("/devices/dev-1/messages/events", content=login(), headers=SECURITY)
    assert (answer.status_code, answer.content) == (204, b"")
    standing.settle()
    assert kept(standing, "dev-1") == (before[0] + 1, before[1] + 1)


def test_other_telemetry_is_counted_and_not_kept(standing: Standing, device: httpx2.Client) -> None:
    secure, plain = told(standing)
    before = kept(standing, "dev-1")
    answer = device.post(
        "/devices/dev-1/messages/events", content=b"\x00 25.5", headers={"iothub-app-unit": "C"}
    )
    assert answer.status_code == 204
    standing.settle()
    assert told(standing) == (secure, plain + 1)
    assert kept(standing, "dev-1")[1] == before[1]


def test_a_module_sends_for_its_device(standing: Standing) -> None:
    standing.device("dev-2")
    path = "/devices/dev-2/modules/azureiotsecurity/messages/events"
    with standing.of_device("dev-2", "azureiotsecurity") as module:
        assert module.post(path, content=login(), headers=SECURITY).status_code == 204
    standing.settle()
    assert kept(standing, "dev-2")[1] == 1


def test_a_device_that_sends_is_seen_to_be_active(standing: Standing, device: httpx2.Client) -> None:
    device.post("/devices/dev-1/messages/events", content=b"x")
    assert standing.owner.get("/devices/dev-1").json()["lastActivityTime"].startswith("20")


def test_a_batch_holds_both_kinds_and_both_encodings(standing: Standing) -> None:
    standing.device("dev-3")
    secure, plain = told(standing)
    parts: list[dict[str, Any]] = [
        {"body": b64encode(login(1)).decode(), "properties": SECURITY},
        {
            "body": login(2).decode(),
            "base64Encoded": False,
            "properties": {"IoTHub-Interface-Id": SECURITY["iothub-interface-id"], "iothub-app-x": "y"},
        },
        {"body": b64encode(b"25").decode(), "base64Encoded": True},
        {"body": ""},
    ]
    with standing.of_device("dev-3") as device:
        answer = device.post("/devices/dev-3/messages/events", json=parts, headers=BATCH)
        assert answer.status_code == 204, answer.text
    standing.settle()
    assert told(standing) == (secure + 2, plain + 2)
    assert kept(standing, "dev-3")[1] == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b'[{"body":"\xd0("}]', 400),
        (b"[]", 400),
        (b"[1]", 400),
        (b"[" * 100_000, 400),
        (b'[{"body": "not base64!"}]', 400),
        (b'[{"body": 5}]', 400),
        (b'[{"body": "", "properties": []}]', 400),
        (b'[{"body": "", "properties": {"iothub-interface-id": 5}}]', 204),
        (json.dumps([{"body": ""}] * 500).encode(), 204),
        (json.dumps([{"body": ""}] * 501).encode(), 413),
    ],
)
def test_a_batch_that_is_none_is_refused_as_a_whole(
    standing: Standing, device: httpx2.Client, body: bytes, status: int
) -> None:
    before = told(standing)
    answer = device.post("/devices/dev-1/messages/events", content=body, headers=BATCH)
    assert answer.status_code == status
    assert (told(standing) == before) is (status != 204)


def test_a_message_has_at_most_256_kilobytes(standing: Standing, device: httpx2.Client) -> None:
    path = "/devices/dev-1/messages/events"
    assert device.post(path, content=b"x" * LARGEST).status_code == 204
    answer = device.post(path, content=b"x" * (LARGEST + 1))
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (413, "MessageTooLarge")


def test_a_message_that_does_not_say_its_size_is_cut_off(device: httpx2.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * (64 << 10)

    assert device.post("/devices/dev-1/messages/events", content=endless()).status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "BODY_SECONDS", 0.2)
    standing.device("slow")
    with standing.of_device("slow") as client:
        token = client.headers["authorization"]
    host, _, port = standing.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as slow:
        head = (
            "POST /devices/slow/messages/events?api-version=2020-03-13 HTTP/1.1\r\n"
            f"Host: hub\r\nAuthorization: {token}\r\nContent-Length: 10\r\n\r\n"
        )
        slow.sendall(head.encode() + b"12345")
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_where_there_is_no_room_a_device_is_to_come_again(
    standing: Standing, device: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        raise Busy("the journal is full", 7)

    monkeypatch.setattr(standing.gateway.uplink, "send_all", full)
    answer = device.post("/devices/dev-1/messages/events", content=b"x")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["Message"] == "ErrorCode:ThrottlingException;the journal is full"


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "Bearer x",
        sign(f"{HOST}/devices/dev-1", GROUP_KEY, NEVER),
        policy_token("service"),
        policy_token("device", resource=f"{HOST}/devices/dev-2"),
        policy_token("device", resource="another.example"),
    ],
)
def test_without_a_token_of_its_own_nothing_is_taken(standing: Standing, token: str | None) -> None:
    before = told(standing)
    with standing.client(token) as client:
        answer = client.post("/devices/dev-1/messages/events", content=login(), headers=SECURITY)
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (401, "IotHubUnauthorizedAccess")
    assert told(standing) == before


def test_a_policy_that_may_connect_sends_for_its_devices(standing: Standing, device: httpx2.Client) -> None:
    with standing.client(policy_token("device")) as client:
        assert client.post("/devices/dev-1/messages/events", content=b"x").status_code == 204


def test_a_device_that_is_not_registered_is_refused_like_a_wrong_key(standing: Standing) -> None:
    with standing.client(sign(f"{HOST}/devices/nobody", GROUP_KEY, NEVER)) as client:
        assert client.post("/devices/nobody/messages/events", content=b"x").status_code == 401


def test_a_device_that_is_disabled_is_refused(standing: Standing) -> None:
    standing.device("off")
    with standing.of_device("off") as client:
        standing.owner.put("/devices/off", json={"status": "disabled"}, headers={"If-Match": "*"})
        assert client.post("/devices/off/messages/events", content=b"x").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/devices/alice/messages/events",
        "/devices/alice/modules/azureiotsecurity/messages/events",
        "/devices/mallory/modules/azureiotsecurity/messages/events",
        "/devices/Mallory/messages/events",
    ],
)
def test_a_device_opens_no_path_but_its_own(standing: Standing, path: str) -> None:
    for device_id in ("mallory", "alice"):
        if standing.owner.get(f"/devices/{device_id}").status_code == 404:
            standing.device(device_id)
    before = told(standing)
    blamed, spared = (noted(standing, one, "UnauthorizedOperations") for one in ("mallory", "alice"))
    with standing.of_device("mallory") as mallory:
        answer = mallory.post(path, content=login(), headers=SECURITY)
    assert answer.status_code == 401
    assert told(standing) == before
    assert noted(standing, "mallory", "UnauthorizedOperations") == blamed + 1
    assert noted(standing, "alice", "UnauthorizedOperations") == spared


def test_a_forged_name_blames_nobody_else(standing: Standing) -> None:
    """Who signs in the name of another does not make the other one a trespasser's victim twice."""
    standing.device("framed")
    standing.device("target")
    with standing.client(sign(f"{HOST}/devices/framed", GROUP_KEY, NEVER)) as forger:
        assert forger.post("/devices/target/messages/events", content=b"x").status_code == 401
    assert noted(standing, "target", "UnauthorizedOperations") == 0


def test_a_version_is_needed_here_too(standing: Standing, device: httpx2.Client) -> None:
    answer = device.post("/devices/dev-1/messages/events", params={"api-version": ""}, content=b"x")
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (400, "InvalidProtocolVersion")
