"""`/devices`: the devices of the identity registry, as IoT Hub's clients ask for them."""

from typing import Any

import pytest
from tests.web.azure.iothub.standing import Connected, Standing

from fencepost.model.identity import IdentityKey
from fencepost.model.sas import is_key

THUMBPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"
CHANGING = ("etag", "generationId", "authentication")


def keys_of(shown: dict[str, Any]) -> tuple[Any, Any]:
    keys = shown["authentication"]["symmetricKey"]
    return keys["primaryKey"], keys["secondaryKey"]


def test_a_device_is_made_with_keys_of_its_own(standing: Standing) -> None:
    answer = standing.owner.put("/devices/made", json={"deviceId": "made"})
    assert answer.status_code == 200
    primary, secondary = keys_of(answer.json())
    assert is_key(primary)
    assert is_key(secondary)
    assert primary != secondary
    assert answer.headers["etag"] == f'"{answer.json()["etag"]}"'
    assert standing.owner.get("/devices/made").json() == answer.json()


def test_a_device_has_the_members_that_clients_know(standing: Standing) -> None:
    shown = standing.device("members", status="disabled", statusReason="in the shop")
    assert {name: value for name, value in shown.items() if name not in CHANGING} == {
        "deviceId": "members",
        "connectionState": "Disconnected",
        "connectionStateUpdatedTime": "0001-01-01T00:00:00Z",
        "lastActivityTime": "0001-01-01T00:00:00Z",
        "status": "disabled",
        "statusReason": "in the shop",
        "statusUpdatedTime": "0001-01-01T00:00:00Z",
        "cloudToDeviceMessageCount": 0,
        "capabilities": {"iotEdge": False},
    }
    assert shown["authentication"].keys() == {"symmetricKey", "x509Thumbprint", "type"}


def test_a_device_that_is_connected_is_shown_so(standing: Standing) -> None:
    standing.device("online")
    standing.connect(IdentityKey("online"), Connected())
    shown = standing.owner.get("/devices/online").json()
    assert shown["connectionState"] == "Connected"
    assert shown["lastActivityTime"].startswith("20")


def test_keys_that_are_given_are_kept(standing: Standing) -> None:
    given = {"primaryKey": "MDEyMzQ1Njc4OWFiY2RlZg==", "secondaryKey": "ZmVkY2JhOTg3NjU0MzIxMA=="}
    shown = standing.device("given", authentication={"type": "sas", "symmetricKey": given})
    assert shown["authentication"]["symmetricKey"] == given


def test_a_thumbprint_is_kept_as_tools_print_it_and_shown_in_capitals(standing: Standing) -> None:
    printed = ":".join(THUMBPRINT.lower()[place : place + 2] for place in range(0, 40, 2))
    shown = standing.device("printed", authentication={"x509Thumbprint": {"primaryThumbprint": printed}})
    assert shown["authentication"] == {
        "type": "selfSigned",
        "symmetricKey": {"primaryKey": None, "secondaryKey": None},
        "x509Thumbprint": {"primaryThumbprint": THUMBPRINT, "secondaryThumbprint": None},
    }


def test_a_device_of_an_authority_has_neither_keys_nor_thumbprints(standing: Standing) -> None:
    shown = standing.device("signed", authentication={"type": "certificateAuthority"})
    assert shown["authentication"]["type"] == "certificateAuthority"
    assert keys_of(shown) == (None, None)


def test_a_device_cannot_be_made_twice(standing: Standing) -> None:
    standing.device("twice")
    answer = standing.owner.put("/devices/twice", json={"deviceId": "twice"})
    assert answer.status_code == 409
    assert answer.headers["iothub-errorcode"] == "DeviceAlreadyExists"
    assert answer.json()["Message"] == (
        "ErrorCode:DeviceAlreadyExists;A device with ID 'twice' is already registered."
    )
    assert answer.json()["ExceptionMessage"].startswith("Tracking ID:")


def test_ids_are_told_apart_by_case(standing: Standing) -> None:
    standing.device("Case")
    assert standing.owner.get("/devices/case").status_code == 404


@pytest.mark.parametrize("device_id", ["a.b-c_d%e#f", "@x!y?z", "p+q:r", "query"])
def test_ids_come_percent_encoded(standing: Standing, device_id: str) -> None:
    encoded = "".join(f"%{ord(sign):02X}" for sign in device_id)
    expected = 400 if "+" in device_id else 200  # an IoT Hub has no plus in its ids
    answer = standing.owner.put(f"/devices/{encoded}", json={"deviceId": device_id})
    assert answer.status_code == expected, answer.text
    if expected == 200:
        assert standing.owner.get(f"/devices/{encoded}").json()["deviceId"] == device_id


@pytest.mark.parametrize("seen", ['"*"', "*", None])
def test_an_update_needs_the_etag_or_says_any(standing: Standing, seen: str | None) -> None:
    device_id = f"updated-{(seen or 'etag').strip(chr(34)).replace('*', 'any')}-{len(seen or '')}"
    before = standing.device(device_id)
    headers = {"If-Match": seen or f'"{before["etag"]}"'}
    answer = standing.owner.put(f"/devices/{device_id}", json={"status": "disabled"}, headers=headers)
    assert answer.status_code == 200
    after = answer.json()
    assert after["status"] == "disabled"
    assert after["statusUpdatedTime"].startswith("20")
    assert after["etag"] != before["etag"]
    assert after["generationId"] == before["generationId"]


def test_keys_stay_where_an_update_does_not_name_them(standing: Standing) -> None:
    """A client that only disables a device must not lock it out for ever."""
    before = standing.device("locked")
    answer = standing.owner.put("/devices/locked", json={"status": "enabled"}, headers={"If-Match": '"*"'})
    assert keys_of(answer.json()) == keys_of(before)


def test_an_etag_of_yesterday_is_refused(standing: Standing) -> None:
    before = standing.device("outdated")
    headers = {"If-Match": f'"{before["etag"]}"'}
    standing.owner.put("/devices/outdated", json={"status": "disabled"}, headers=headers)
    answer = standing.owner.put("/devices/outdated", json={"status": "enabled"}, headers=headers)
    assert answer.status_code == 412
    assert answer.headers["iothub-errorcode"] == "PreconditionFailed"
    assert standing.owner.delete("/devices/outdated", headers=headers).status_code == 412
    assert standing.owner.get("/devices/outdated").json()["status"] == "disabled"


@pytest.mark.parametrize("seen", [None, '"*"', "etag"])
def test_a_device_is_deleted(standing: Standing, seen: str | None) -> None:
    device_id = f"deleted-{len(seen or '')}"
    etag = standing.device(device_id)["etag"]
    headers = {} if seen is None else {"If-Match": f'"{etag}"' if seen == "etag" else seen}
    answer = standing.owner.delete(f"/devices/{device_id}", headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert standing.owner.get(f"/devices/{device_id}").status_code == 404


@pytest.mark.parametrize(("method", "headers"), [("GET", {}), ("DELETE", {}), ("PUT", {"If-Match": '"*"'})])
def test_a_device_that_is_not_there_is_not_found(
    standing: Standing, method: str, headers: dict[str, str]
) -> None:
    answer = standing.owner.request(method, "/devices/nobody", headers=headers, json={})
    assert answer.status_code == 404
    assert answer.json()["Message"] == "ErrorCode:DeviceNotFound;nobody"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "IotHubFormatError"),
        (b"{", "IotHubFormatError"),
        (b'{"deviceId": "\xd0("}', "IotHubFormatError"),
        (b"[]", "ArgumentInvalid"),
        (b"[" * 100_000, "ArgumentInvalid"),
        (b'{"deviceId": "another"}', "ArgumentInvalid"),
        (b'{"status": "asleep"}', "ArgumentInvalid"),
        (b'{"authentication": {"type": "password"}}', "ArgumentInvalid"),
        (b'{"authentication": {"symmetricKey": {"primaryKey": "short"}}}', "ArgumentInvalid"),
        (b'{"authentication": {"x509Thumbprint": {"primaryThumbprint": "zz"}}}', "ArgumentInvalid"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_in_words(standing: Standing, body: bytes, code: str) -> None:
    answer = standing.owner.put("/devices/unfit", content=body)
    assert answer.status_code == 400
    assert answer.headers["iothub-errorcode"] == code
    assert standing.owner.get("/devices/unfit").status_code == 404


def test_a_body_that_is_too_large_is_not_read(standing: Standing) -> None:
    answer = standing.owner.put("/devices/large", content=b" " * ((4 << 20) + 1))
    assert answer.status_code == 413
    assert answer.headers["iothub-errorcode"] == "MessageTooLarge"


def test_devices_are_listed_without_their_modules(standing: Standing) -> None:
    for number in range(5):
        standing.device(f"listed-{number}")
    assert len(standing.owner.get("/devices", params={"top": "3"}).json()) == 3
    for top in ("0", "1001", "99999999999999999999", "-1", "x", "٣"):
        listed = standing.owner.get("/devices/", params={"top": top}).json()
        assert {f"listed-{number}" for number in range(5)} <= {one["deviceId"] for one in listed}
        assert not any("moduleId" in one for one in listed)
