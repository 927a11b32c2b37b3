"""`/devices/{deviceId}/messages/devicebound`: a device asks for its messages, and says what became of them."""

from collections.abc import Iterator

import httpx2
import pytest
from tests.web.azure.iothub.standing import Standing

PATH = "/devices/asks/messages/deviceBound"


@pytest.fixture
def device(standing: Standing) -> Iterator[httpx2.Client]:
    if standing.owner.get("/devices/asks").status_code == 404:
        standing.device("asks")
    standing.owner.delete("/devices/asks/commands")
    standing.operations.noted.clear()
    with standing.of_device("asks") as client:
        yield client


def waiting(standing: Standing) -> int:
    return standing.run(standing.downlink.pending("asks"))


def lock_of(answer: httpx2.Response) -> str:
    assert answer.status_code == 200
    etag = answer.headers["etag"]
    assert etag.startswith('"')
    assert etag.endswith('"')
    return str(etag[1:-1])


def test_where_nothing_waits_there_is_no_content(device: httpx2.Client) -> None:
    answer = device.get(PATH)
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_message_comes_with_its_properties_as_headers(standing: Standing, device: httpx2.Client) -> None:
    sent = {
        "iothub-messageid": "m-1",
        "iothub-correlationid": "c-1",
        "iothub-ack": "full",
        "iothub-contenttype": "text/plain",
        "iothub-app-site": "plant 7%",
        "iothub-expiry": "2090-01-31T12:00:00Z",
    }
    standing.owner.post(PATH, content=b"\x00\xff", headers=sent)
    answer = device.get(PATH)
    assert answer.content == b"\x00\xff"
    assert {name: answer.headers[name] for name in sent} == {
        **sent,
        "iothub-expiry": "2090-01-31T12:00:00Z",
    }
    assert answer.headers["iothub-deliverycount"] == "1"
    assert answer.headers["iothub-enqueuedtime"].endswith("Z")
    assert int(answer.headers["iothub-sequencenumber"]) > 0
    assert lock_of(answer)


@pytest.mark.parametrize("value", ["ü", "a\r\nSet-Cookie: x", "\x00", " padded ", "計", "\ud800"])
def test_no_property_breaks_out_of_its_header(standing: Standing, device: httpx2.Client, value: str) -> None:
    """A message may have come by another protocol, where anything goes."""
    sending = standing.downlink.send("asks", b"x", {"message-id": value}, {value: value}, None)
    standing.run(sending)
    answer = device.get(PATH)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["iothub-messageid"].isprintable()
    assert sum(name.startswith("iothub-app-") for name in answer.headers) == 1


@pytest.mark.parametrize(
    ("query", "operation"), [("", "HttpC2DMessages"), ("&reject", "HttpC2DRejectedMessages")]
)
def test_a_message_is_settled_and_counted(
    standing: Standing, device: httpx2.Client, query: str, operation: str
) -> None:
    standing.owner.post(PATH, content=b"x")
    lock = lock_of(device.get(PATH))
    url = f"{standing.url}{PATH}/{lock}?api-version=2020-03-13{query}"
    answer = device.send(httpx2.Request("DELETE", url, headers=device.headers))
    assert (answer.status_code, answer.content) == (204, b"")
    assert waiting(standing) == 0
    assert standing.operations.noted == [("asks", operation)]


def test_a_message_that_is_given_back_comes_again(standing: Standing, device: httpx2.Client) -> None:
    standing.owner.post(PATH, content=b"x")
    lock = lock_of(device.get(PATH))
    assert device.get(PATH).status_code == 204
    assert device.post(f"{PATH}/{lock}/abandon").status_code == 204
    again = device.get(PATH)
    assert again.headers["iothub-deliverycount"] == "2"
    assert lock_of(again) != lock


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_a_lock_that_is_lost_settles_nothing(standing: Standing, device: httpx2.Client, method: str) -> None:
    standing.owner.post(PATH, content=b"x")
    lock = lock_of(device.get(PATH))
    device.post(f"{PATH}/{lock}/abandon")
    for one in (lock, "made-up"):
        answer = device.request(method, f"{PATH}/{one}" + ("/abandon" if method == "POST" else ""))
        assert (answer.status_code, answer.headers["iothub-errorcode"]) == (412, "DeviceMessageLockLost")
    assert waiting(standing) == 1


def test_nobody_takes_or_settles_the_messages_of_another(standing: Standing, device: httpx2.Client) -> None:
    standing.device("mallory")
    standing.owner.post(PATH, content=b"x")
    lock = lock_of(device.get(PATH))
    with standing.of_device("mallory") as mallory:
        for method, path in (("GET", PATH), ("DELETE", f"{PATH}/{lock}"), ("POST", f"{PATH}/{lock}/abandon")):
            assert mallory.request(method, path).status_code == 401, path
        own = PATH.replace("asks", "mallory")
        assert mallory.get(own).status_code == 204
        assert mallory.delete(f"{own}/{lock}").status_code == 412
    assert waiting(standing) == 1
    assert ("mallory", "UnauthorizedOperations") in standing.operations.noted
