"""`POST /devices`: many at once, each for itself."""

from typing import Any

import httpx2
import pytest
from tests.web.azure.iothub.standing import Standing

from fencepost.service.pipeline import Busy

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def change(standing: Standing, *lines: dict[str, Any]) -> httpx2.Response:
    return standing.owner.post("/devices", json=list(lines))


def errors_of(answer: httpx2.Response) -> list[tuple[str, str]]:
    return [(error["deviceId"], error["errorCode"]) for error in answer.json()["errors"]]


def test_devices_are_made_with_their_twins(standing: Standing) -> None:
    answer = change(
        standing,
        {
            "id": "lot-1",
            "importMode": "create",
            "tags": {"SecurityGroup": "pumps"},
            "properties": {"desired": {"rate": 5}},
        },
        {"id": "lot-2", "importMode": "create", "status": "disabled"},
        {"id": "lot-2", "moduleId": "m", "importMode": "create"},
    )
    assert (answer.status_code, answer.json()) == (200, {"isSuccessful": True, "errors": [], "warnings": []})
    twin = standing.owner.get("/twins/lot-1").json()
    assert twin["tags"] == {"SecurityGroup": "pumps"}
    assert twin["properties"]["desired"]["rate"] == 5
    assert standing.owner.get("/devices/lot-2").json()["status"] == "disabled"
    assert standing.owner.get("/devices/lot-2/modules/m").status_code == 200


def test_what_fails_is_named_and_the_others_are_done(standing: Standing) -> None:
    standing.device("there")
    answer = change(
        standing,
        {"id": "there", "importMode": "create"},
        {"id": "fresh", "importMode": "create"},
        {"id": "nobody", "importMode": "update"},
        {"id": "no body", "importMode": "create"},
        {"id": "odd", "importMode": "guess"},
        {"id": "there-too", "moduleId": "m", "importMode": "delete"},
    )
    assert answer.status_code == 400
    assert answer.headers["iothub-errorcode"] == "BulkRegistryOperationFailure"
    assert answer.json()["isSuccessful"] is False
    assert errors_of(answer) == [
        ("there", "DeviceAlreadyExists"),
        ("nobody", "DeviceNotFound"),
        ("no body", "ArgumentInvalid"),
        ("odd", "ArgumentInvalid"),
        ("there-too", "DeviceNotFound"),
    ]
    assert answer.json()["errors"][-1]["moduleId"] == "m"
    assert all(error["errorStatus"] for error in answer.json()["errors"])
    assert standing.owner.get("/devices/fresh").status_code == 200


def test_without_a_mode_a_device_is_made_or_changed(standing: Standing) -> None:
    for status in ("enabled", "disabled"):
        assert change(standing, {"id": "either", "status": status}).status_code == 200
        assert standing.owner.get("/devices/either").json()["status"] == status


@pytest.mark.parametrize("mode", [None, "createOrUpdate", "update", "updateIfMatchETag"])
def test_a_line_without_a_status_keeps_it(standing: Standing, mode: str | None) -> None:
    name = f"stolen-{mode}"
    standing.device(name, status="disabled", statusReason="stolen")
    etag = standing.owner.get(f"/devices/{name}").json()["etag"]
    line = {"id": name, "importMode": mode, "eTag": etag, "authentication": keys_of(KEY)}
    assert change(standing, line).status_code == 200
    shown = standing.owner.get(f"/devices/{name}").json()
    assert (shown["status"], shown["statusReason"]) == ("disabled", "stolen")
    assert shown["authentication"]["symmetricKey"]["primaryKey"] == KEY
    assert change(standing, {"id": name, "status": "enabled"}).status_code == 200
    shown = standing.owner.get(f"/devices/{name}").json()
    assert (shown["status"], shown["statusReason"]) == ("enabled", None)


def keys_of(primary: str) -> dict[str, Any]:
    return {"symmetricKey": {"primaryKey": primary, "secondaryKey": primary}}


@pytest.mark.parametrize("mode", ["create", "createOrUpdate"])
def test_a_line_of_the_security_module_is_taken_for_the_generated_one(standing: Standing, mode: str) -> None:
    agent = f"/devices/agent-{mode}/modules/azureiotsecurity"
    line = {
        "id": f"agent-{mode}",
        "moduleId": "azureiotsecurity",
        "importMode": mode,
        "authentication": keys_of(KEY),
        "properties": {"desired": {"own": 1}},
    }
    assert change(standing, line, {"id": f"agent-{mode}", "importMode": mode}).status_code == 200
    assert standing.owner.get(agent).json()["authentication"]["symmetricKey"]["primaryKey"] == KEY
    desired = standing.owner.get(agent.replace("/devices/", "/twins/")).json()["properties"]["desired"]
    assert desired["own"] == 1
    assert set(desired) > {"own", "$version", "$metadata"}  # and Microsoft's defaults


def test_lines_are_carried_out_in_their_order(standing: Standing) -> None:
    standing.device("order-1")
    answer = change(
        standing,
        {"id": "order-1", "importMode": "delete"},
        {"id": "order-1", "moduleId": "m"},
        {"id": "order-2"},
        {"id": "order-3", "importMode": "update"},
        {"id": "order-2", "moduleId": "azureiotsecurity", "authentication": keys_of(KEY)},
        {"id": "order-2", "moduleId": "m", "importMode": "create"},
    )
    assert errors_of(answer) == [("order-1", "DeviceNotFound"), ("order-3", "DeviceNotFound")]
    shown = standing.owner.get("/devices/order-2/modules/azureiotsecurity").json()
    assert shown["authentication"]["symmetricKey"]["primaryKey"] == KEY


def test_refusals_have_the_codes_and_the_order_of_their_lines(standing: Standing) -> None:
    standing.device("coded")
    answer = change(
        standing,
        {"id": "coded-new", "moduleId": "m", "importMode": "create"},
        {"id": "coded-2", "authentication": {"type": "guess"}},
        {"id": "coded", "moduleId": "azureiotsecurity", "importMode": "create"},
        {"id": "coded-3", "tags": {"a.b": 1}},
        {"id": "coded-new", "importMode": "create"},
        {"id": "nobody", "moduleId": "m", "importMode": "create"},
        {"id": "coded", "properties": {"desired": {"a": {"b.c": 1}}}},
    )
    assert errors_of(answer) == [
        ("coded-2", "ArgumentInvalid"),
        ("coded", "ModuleAlreadyExistsOnDevice"),
        ("coded-3", "ArgumentInvalid"),
        ("nobody", "DeviceNotFound"),
        ("coded", "ArgumentInvalid"),
    ]


def test_a_twins_etag_must_still_stand_where_a_line_names_one(standing: Standing) -> None:
    standing.device("careful")
    etag = standing.owner.get("/twins/careful").json()["etag"]
    line = {"id": "careful", "tags": {"site": "x"}}
    assert errors_of(change(standing, {**line, "twinETag": "c3RhbGU="})) == [
        ("careful", "PreconditionFailed")
    ]
    assert standing.owner.get("/twins/careful").json()["tags"] == {}
    assert change(standing, {**line, "twinETag": etag}).status_code == 200
    assert standing.owner.get("/twins/careful").json()["tags"] == {"site": "x"}
    assert change(standing, {**line, "id": "careful-2", "twinETag": etag}).status_code == 200
    assert standing.owner.get("/twins/careful-2").json()["tags"] == {"site": "x"}


def test_a_journal_without_room_is_named_for_each_line(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any, **__: Any) -> int:
        raise Busy("no room")

    with monkeypatch.context() as patch:
        patch.setattr(standing.pipeline, "submit", full)
        answer = change(standing, {"id": "full-1", "importMode": "create"}, {"id": "full-2"})
    assert errors_of(answer) == [("full-1", "ThrottlingException"), ("full-2", "ThrottlingException")]
    assert change(standing, {"id": "full-1"}, {"id": "full-2"}).status_code == 200


@pytest.mark.parametrize("mode", ["updateIfMatchETag", "deleteIfMatchETag", "createOrUpdateIfMatchETag"])
def test_an_etag_must_still_stand(standing: Standing, mode: str) -> None:
    etag = standing.device(f"seen-{mode}")["etag"]
    line = {"id": f"seen-{mode}", "importMode": mode, "status": "disabled"}
    assert errors_of(change(standing, {**line, "eTag": "bm90IHRoYXQ="})) == [
        (f"seen-{mode}", "PreconditionFailed")
    ]
    assert errors_of(change(standing, line)) == [(f"seen-{mode}", "ArgumentNull")]
    assert (
        change(standing, {**line, "etag" if mode.startswith("update") else "eTag": etag}).status_code == 200
    )


def test_devices_are_deleted(standing: Standing) -> None:
    standing.device("gone-1")
    etag = standing.device("gone-2")["etag"]
    answer = change(
        standing,
        {"id": "gone-1", "importMode": "delete"},
        {"id": "gone-2", "importMode": "deleteIfMatchETag", "eTag": f'"{etag}"'},
    )
    assert answer.status_code == 200
    assert standing.owner.get("/devices/gone-1").status_code == 404
    assert standing.owner.get("/devices/gone-2").status_code == 404


def test_twins_alone_are_changed(standing: Standing) -> None:
    before = standing.device("twinned", status="disabled")
    line = {"id": "twinned", "tags": {"site": "x"}}
    assert change(standing, {**line, "importMode": "updateTwin"}).status_code == 200
    assert standing.owner.get("/devices/twinned").json() == before
    twin = standing.owner.get("/twins/twinned").json()
    assert twin["tags"] == {"site": "x"}
    careful = {**line, "importMode": "updateTwinIfMatchETag", "tags": {"site": "y"}}
    assert errors_of(change(standing, {**careful, "twinETag": "c3RhbGU="})) == [
        ("twinned", "PreconditionFailed")
    ]
    assert change(standing, {**careful, "twinETag": twin["etag"]}).status_code == 200
    assert standing.owner.get("/twins/twinned").json()["tags"] == {"site": "y"}


def test_each_device_may_be_there_once(standing: Standing) -> None:
    answer = change(standing, {"id": "double"}, {"id": "double"})
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (400, "DeviceDefinedMultipleTimes")
    assert standing.owner.get("/devices/double").status_code == 404


def test_a_device_needs_an_id(standing: Standing) -> None:
    assert change(standing, {"deviceId": "called-otherwise"}).headers["iothub-errorcode"] == "ArgumentNull"


def test_a_hundred_are_taken_and_no_more(standing: Standing) -> None:
    lines = [{"id": f"hundred-{number}", "importMode": "create"} for number in range(101)]
    answer = change(standing, *lines)
    assert (answer.status_code, answer.headers["iothub-errorcode"]) == (413, "TooManyDevices")
    assert standing.owner.get("/devices/hundred-0").status_code == 404
    assert change(standing, *lines[:100]).status_code == 200
