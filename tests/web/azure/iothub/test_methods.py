"""Direct methods: the device answers while the caller waits."""

import json
import threading
import time
from typing import Any

import httpx2
import pytest
from tests.web.azure.iothub.standing import Connected, Standing

from fencepost.model.identity import IdentityKey


def call(standing: Standing, path: str, **members: Any) -> httpx2.Response:
    return standing.owner.post(f"/twins/{path}/methods", json={"methodName": "reboot", **members})


def refused(answer: httpx2.Response, status: int, number: int) -> bool:
    """Whether an error has the shape that clients of methods read: JSON within JSON."""
    inner = json.loads(answer.json()["Message"])
    assert inner.keys() == {"errorCode", "trackingId", "message", "info", "timestampUtc"}
    assert answer.json()["ExceptionMessage"] == ""
    return (answer.status_code, inner["errorCode"]) == (status, number)


def test_a_device_answers(standing: Standing) -> None:
    standing.device("listens")
    session = Connected((200, b'{"done": 1.50}'))
    standing.connect(IdentityKey("listens"), session)
    answer = call(standing, "listens", payload={"in": 5, "text": "ü"})
    assert answer.status_code == 200
    assert answer.json() == {"status": 200, "payload": {"done": 1.5}}
    ((name, payload),) = session.calls
    assert name == "reboot"
    assert json.loads(payload) == {"in": 5, "text": "ü"}
    assert standing.operations.noted.count(("listens", "DirectMethodInvokes")) == 1


def test_a_module_answers_for_itself(standing: Standing) -> None:
    standing.device("host")
    device, module = Connected((1, b"null")), Connected((2, b'"me"'))
    standing.connect(IdentityKey("host"), device)
    standing.connect(IdentityKey("host", "azureiotsecurity"), module)
    assert call(standing, "host/modules/azureiotsecurity").json() == {"status": 2, "payload": "me"}
    assert device.calls == []


@pytest.mark.parametrize(("said", "shown"), [(b"", None), (b"null", None), (b"[]", []), (b'"x"', "x")])
def test_an_answer_may_be_empty_or_any_json(standing: Standing, said: bytes, shown: Any) -> None:
    device_id = f"says-{len(said)}"
    standing.device(device_id)
    session = Connected((404, said))
    standing.connect(IdentityKey(device_id), session)
    assert call(standing, device_id).json() == {"status": 404, "payload": shown}
    assert session.calls == [("reboot", b"null")]


def test_a_device_that_is_not_connected_is_not_online(standing: Standing) -> None:
    standing.device("away")
    answer = call(standing, "away")
    assert refused(answer, 404, 404_103)
    assert answer.headers["iothub-errorcode"] == "DeviceNotOnline"
    assert ("away", "DirectMethodInvokes") not in standing.operations.noted


def test_a_device_that_takes_no_methods_is_not_online_either(standing: Standing) -> None:
    standing.device("deaf")
    standing.connect(IdentityKey("deaf"), Connected())
    assert refused(call(standing, "deaf"), 404, 404_103)


def test_a_device_may_take_its_time_to_connect(standing: Standing) -> None:
    standing.device("late")
    arriving = threading.Timer(0.3, standing.connect, (IdentityKey("late"), Connected((200, b"1"))))
    arriving.start()
    assert call(standing, "late", connectTimeoutInSeconds=20).json() == {"status": 200, "payload": 1}
    arriving.join()


def test_the_wait_for_a_device_ends(standing: Standing) -> None:
    standing.device("never")
    began = time.monotonic()
    assert refused(call(standing, "never", connectTimeoutInSeconds=1), 404, 404_103)
    assert time.monotonic() - began >= 1


def test_a_device_that_does_not_answer_in_time_is_said_to_be_late(standing: Standing) -> None:
    standing.device("silent")
    standing.connect(IdentityKey("silent"), Connected(TimeoutError()))
    assert refused(call(standing, "silent"), 504, 504_101)
    assert ("silent", "DirectMethodInvokes") in standing.operations.noted


@pytest.mark.parametrize("said", [b"{", b"\xff", b'"\xd0("', b"[" * 100_000])
def test_an_answer_that_is_not_json_is_said_to_be_none(standing: Standing, said: bytes) -> None:
    device_id = f"babbles-{len(said)}-{said[0]}"
    standing.device(device_id)
    standing.connect(IdentityKey(device_id), Connected((200, said)))
    assert refused(call(standing, device_id), 502, 502_000)


@pytest.mark.parametrize(
    "members",
    [
        {"methodName": None},
        {"methodName": ""},
        {"methodName": "x" * 101},
        {"responseTimeoutInSeconds": 4},
        {"responseTimeoutInSeconds": 301},
        {"connectTimeoutInSeconds": -1},
        {"connectTimeoutInSeconds": 301},
        {"responseTimeoutInSeconds": "5"},
    ],
)
def test_a_call_that_does_not_fit_is_refused(standing: Standing, members: dict[str, Any]) -> None:
    answer = call(standing, "anybody", **members)
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (400, "ArgumentInvalid")


def test_a_call_has_at_most_128_kilobytes(standing: Standing) -> None:
    standing.device("loaded")
    session = Connected((200, b""))
    standing.connect(IdentityKey("loaded"), session)
    assert call(standing, "loaded", payload="x" * (128 * 1024)).status_code == 413
    assert session.calls == []
    assert call(standing, "loaded", payload="x" * (128 * 1024 - 2)).status_code == 200


def test_a_device_that_is_not_registered_is_not_found(standing: Standing) -> None:
    assert call(standing, "nobody").headers["iothub-errorcode"] == "DeviceNotFound"
    standing.device("bare")
    assert call(standing, "bare/modules/m").headers["iothub-errorcode"] == "ModuleNotFound"
