"""The registry of a service, asked as an IoT Hub is: what is sent, what is understood, what is said of refusals."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
import pytest
from msgspec import json, structs

from fencepost.client.access import Access
from fencepost.client.hub import Hub
from fencepost.client.hub_shapes import (
    BulkResult,
    HubAuthentication,
    HubIdentity,
    Keys,
    Line,
    Refused,
    moment_of,
)
from fencepost.client.requests import Requests
from fencepost.model.errors import OperatorError
from fencepost.model.identity import Authentication, IdentityKey

CAM, AGENT = IdentityKey("cam#1"), IdentityKey("cam#1", "azureiotsecurity")
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
DEVICE = {
    "deviceId": "cam#1",
    "generationId": "637",
    "etag": "abc=",
    "connectionState": "Connected",
    "status": "enabled",
    "statusReason": None,
    "lastActivityTime": "0001-01-01T00:00:00Z",
    "authentication": {
        "symmetricKey": {"primaryKey": KEY, "secondaryKey": None},
        "x509Thumbprint": {"primaryThumbprint": None, "secondaryThumbprint": None},
        "type": "sas",
    },
    "capabilities": {"iotEdge": True},
    "unheardOf": [1],
}
T = TypeVar("T")


class Answers:
    """Answers requests one after the other, and keeps them."""

    def __init__(self, *answers: httpx2.Response) -> None:
        self.requests: list[httpx2.Request] = []
        self._answers = iter(answers)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return next(self._answers)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(request.method, request.url.raw_path.decode()) for request in self.requests]

    def body(self, number: int = 0) -> Any:
        return json.decode(self.requests[number].content)


def talk(answers: Answers, work: Callable[[Hub], Awaitable[T]]) -> T:
    async def at_once(seconds: float) -> None:
        pass

    async def go() -> T:
        transport = httpx2.MockTransport(answers)
        access = Access("https://localhost:8443", "token")
        async with Requests(access, connections=1, sleep=at_once, transport=transport) as requests:
            return await work(Hub(requests))

    return asyncio.run(go())


def good(body: Any = None, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(200, json=body, headers=named)


def bad(status: int, code: str, words: str = "words") -> httpx2.Response:
    return httpx2.Response(
        status, json={"Message": f"ErrorCode:{code};{words}", "ExceptionMessage": "Tracking"}
    )


def test_a_device_is_found_by_its_encoded_id_and_read() -> None:
    answers = Answers(good(DEVICE))
    device = talk(answers, lambda hub: hub.find(CAM))
    assert answers.said == [("GET", "/devices/cam%231?api-version=2021-04-12")]
    assert answers.requests[0].headers["authorization"] == "Bearer token"
    assert device is not None
    assert (device.key, device.etag, device.shared_key(), device.shared_key("secondary")) == (
        CAM,
        "abc=",
        KEY,
        None,
    )
    assert device.authentication.read() == Authentication(primary_key=KEY)
    assert moment_of(device.last_activity_time) is None
    assert KEY not in repr(device)


def test_what_is_not_there_is_none_or_said() -> None:
    assert talk(Answers(bad(404, "DeviceNotFound")), lambda hub: hub.find(CAM)) is None
    assert talk(Answers(bad(404, "DeviceNotFound")), lambda hub: hub.modules("cam")) == []
    assert talk(Answers(bad(404, "DeviceNotFound")), lambda hub: hub.delete(CAM)) is False
    changed = HubIdentity(device_id="cam#1")
    for work in (
        lambda hub: hub.identity(AGENT),
        lambda hub: hub.twin(AGENT),
        lambda hub: hub.patch_twin(AGENT, {}),
    ):
        with pytest.raises(OperatorError, match="cam#1/azureiotsecurity: there is no module of this id"):
            talk(Answers(bad(404, "ModuleNotFound")), work)
    for change in (lambda hub: hub.create(changed), lambda hub: hub.update(changed)):
        with pytest.raises(OperatorError, match="cam#1: there is no device of this id"):
            talk(Answers(bad(404, "DeviceNotFound")), change)


def test_creating_sends_what_a_person_decides_and_no_etag() -> None:
    answers = Answers(good(DEVICE))
    wanted = HubIdentity(device_id="cam#1", authentication=HubAuthentication.of(Authentication()))
    assert talk(answers, lambda hub: hub.create(wanted)).shared_key() == KEY
    assert answers.said == [("PUT", "/devices/cam%231?api-version=2021-04-12")]
    assert "if-match" not in answers.requests[0].headers
    assert answers.body() == {
        "deviceId": "cam#1",
        "authentication": {
            "type": "sas",
            "symmetricKey": {"primaryKey": None, "secondaryKey": None},
            "x509Thumbprint": None,
        },
        "status": "enabled",
        "statusReason": None,
        "capabilities": None,
    }


def test_what_is_there_already_cannot_be_created() -> None:
    with pytest.raises(OperatorError, match="cam: it is registered already"):
        talk(Answers(bad(409, "DeviceAlreadyExists")), lambda hub: hub.create(HubIdentity(device_id="cam")))


def test_an_update_keeps_the_rest_and_goes_with_the_etag_in_quotes() -> None:
    answers = Answers(good(DEVICE), good(DEVICE))

    async def work(hub: Hub) -> None:
        known = await hub.identity(CAM)
        await hub.update(structs.replace(known, status="disabled", status_reason="stolen"))

    talk(answers, work)
    assert answers.requests[1].headers["if-match"] == '"abc="'
    body = answers.body(1)
    assert (body["status"], body["statusReason"]) == ("disabled", "stolen")
    assert body["capabilities"] == DEVICE["capabilities"]
    assert body["authentication"]["symmetricKey"]["primaryKey"] == KEY


def test_an_update_that_came_too_late_is_said() -> None:
    with pytest.raises(OperatorError, match="somebody else changed it at this moment"):
        talk(Answers(bad(412, "PreconditionFailed")), lambda hub: hub.update(HubIdentity(device_id="cam")))


def test_a_module_is_put_below_its_device() -> None:
    answers = Answers(good({"deviceId": "cam#1", "moduleId": "azureiotsecurity"}))
    module = HubIdentity(device_id="cam#1", module_id="azureiotsecurity")
    talk(answers, lambda hub: hub.update(module))
    assert answers.said[0][1].startswith("/devices/cam%231/modules/azureiotsecurity?")
    assert answers.requests[0].headers["if-match"] == '"*"'
    assert "status" not in answers.body()


def test_deleting_takes_any_version() -> None:
    answers = Answers(httpx2.Response(204))
    assert talk(answers, lambda hub: hub.delete(CAM)) is True
    assert answers.requests[0].headers["if-match"] == '"*"'


def test_a_query_goes_on_from_page_to_page() -> None:
    pages = [good([{"deviceId": "a"}], x_ms_continuation="more"), good([]), good([{"deviceId": "b"}])]
    pages[1].headers["x-ms-continuation"] = "even more"
    answers = Answers(*pages)

    async def work(hub: Hub) -> list[str]:
        return [twin.device_id async for page in hub.twins("SELECT * FROM devices") for twin in page]

    assert talk(answers, work) == ["a", "b"]
    assert {path for _, path in answers.said} == {"/devices/query?api-version=2021-04-12"}
    assert [request.headers.get("x-ms-continuation") for request in answers.requests] == [
        None,
        "more",
        "even more",
    ]
    assert answers.body(2) == {"query": "SELECT * FROM devices"}


def refused(*codes: str | int) -> httpx2.Response:
    errors = [{"deviceId": f"d{code}", "errorCode": code, "errorStatus": "words"} for code in codes]
    return httpx2.Response(400, json={"isSuccessful": False, "errors": errors, "warnings": []})


def test_a_bulk_operation_names_what_was_refused() -> None:
    lines = [Line(id="a", import_mode="create"), Line(id="b", module_id="m", tags={"x": None})]
    answers = Answers(refused("DeviceAlreadyExists", "ArgumentInvalid"))
    first, second = talk(answers, lambda hub: hub.put_all(lines))
    assert answers.body() == [
        {"id": "a", "importMode": "create"},
        {"id": "b", "moduleId": "m", "tags": {"x": None}},
    ]
    assert (first.is_there_already, first.key) == (True, IdentityKey("dDeviceAlreadyExists"))
    assert (second.is_there_already, second.reason) == (False, "words")
    assert talk(Answers(good({"isSuccessful": True, "errors": []})), lambda hub: hub.put_all(lines)) == []


def test_lines_that_found_the_service_busy_are_tried_again() -> None:
    lines = [Line(id=f"d{code}") for code in ("ThrottlingException", "DeviceNotFound", 429_001)]
    answers = Answers(
        refused("ThrottlingException", "DeviceNotFound", 429_001),
        refused("ThrottlingException"),
        good({"isSuccessful": True}),
    )
    errors = talk(answers, lambda hub: hub.put_all(lines))
    assert [error.error_code for error in errors] == ["DeviceNotFound"]
    assert [[line["id"] for line in answers.body(number)] for number in (1, 2)] == [
        ["dThrottlingException", "d429001"],
        ["dThrottlingException"],
    ]


def test_lines_for_which_it_stays_busy_are_given_up() -> None:
    answers = Answers(*[refused("ThrottlingException") for _ in range(100)])
    errors = talk(answers, lambda hub: hub.put_all([Line(id="dThrottlingException")]))
    assert [error.error_code for error in errors] == ["ThrottlingException"]
    assert 3 < len(answers.requests) < 30


def test_a_bulk_operation_that_is_refused_as_a_whole_is_said_in_the_services_words() -> None:
    for status in (400, 413):
        answers = Answers(bad(status, "TooManyDevices", "at most 100 devices"))
        with pytest.raises(OperatorError, match="at most 100 devices"):
            talk(answers, lambda hub: hub.put_all([Line(id="a")]))


def test_an_answer_of_another_version_is_said() -> None:
    bodies: tuple[Any, ...] = ([], {"deviceId": 7})
    for body in bodies:
        with pytest.raises(OperatorError, match="is it a Fencepost of another version"):
            talk(Answers(good(body)), lambda hub: hub.find(CAM))


@pytest.mark.parametrize(
    "wanted",
    [
        Authentication(primary_key=KEY),
        Authentication(type="selfSigned", primary_thumbprint="A" * 40, secondary_thumbprint="B" * 64),
        Authentication(type="certificateAuthority"),
        Authentication(type="none"),
    ],
    ids=lambda wanted: wanted.type,
)
def test_a_way_to_sign_in_is_the_same_after_a_journey(wanted: Authentication) -> None:
    sent = json.encode(HubAuthentication.of(wanted))
    assert json.decode(sent, type=HubAuthentication).read() == wanted


def test_a_way_to_sign_in_without_a_type_follows_from_what_is_there() -> None:
    said = b'{"x509Thumbprint":{"primaryThumbprint":"aa:bb cc"},"symmetricKey":{"primaryKey":""}}'
    assert json.decode(said, type=HubAuthentication).read() == Authentication(
        type="selfSigned", primary_thumbprint="AABBCC"
    )
    assert HubAuthentication(symmetric_key=Keys("", None)).read() == Authentication()


def test_a_refusal_always_has_a_reason() -> None:
    said = b'{"isSuccessful":false,"errors":[{"deviceId":"d","moduleId":"","errorCode":404001}]}'
    [error] = json.decode(said, type=BulkResult).errors
    assert (error.reason, error.key) == ("404001", IdentityKey("d"))
    assert Refused().reason == "no reason given"
