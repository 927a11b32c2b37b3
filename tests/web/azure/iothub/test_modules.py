"""`/devices/{deviceId}/modules`: the modules of a device."""

from tests.web.azure.iothub.standing import Standing

from fencepost.model.identity import SECURITY_MODULE


def test_each_device_has_its_security_module(standing: Standing) -> None:
    standing.device("guarded")
    (module,) = standing.owner.get("/devices/guarded/modules").json()
    assert module["moduleId"] == SECURITY_MODULE
    assert module == standing.owner.get(f"/devices/guarded/modules/{SECURITY_MODULE}").json()
    assert module.keys() == {
        "moduleId",
        "managedBy",
        "deviceId",
        "generationId",
        "etag",
        "connectionState",
        "connectionStateUpdatedTime",
        "lastActivityTime",
        "cloudToDeviceMessageCount",
        "authentication",
    }
    assert module["authentication"]["symmetricKey"]["primaryKey"]


def test_a_module_is_made_changed_and_deleted(standing: Standing) -> None:
    standing.device("host")
    path = "/devices/host/modules/camera"
    made = standing.owner.put(path, json={"moduleId": "camera", "deviceId": "host", "managedBy": "me"})
    assert made.status_code == 200
    assert made.json()["managedBy"] == "me"
    assert standing.owner.put(path, json={}).headers["iothub-errorcode"] == "ModuleAlreadyExistsOnDevice"
    changed = standing.owner.put(path, json={"managedBy": "you"}, headers={"If-Match": made.headers["etag"]})
    assert changed.json()["managedBy"] == "you"
    assert standing.owner.put(path, json={}, headers={"If-Match": made.headers["etag"]}).status_code == 412
    assert standing.owner.delete(path, headers={"If-Match": '"*"'}).status_code == 204
    assert standing.owner.get(path).status_code == 404


def test_what_is_missing_is_named_device_or_module(standing: Standing) -> None:
    standing.device("alone")
    missing = standing.owner.get("/devices/alone/modules/nothing")
    assert (missing.status_code, missing.headers["iothub-errorcode"]) == (404, "ModuleNotFound")
    for path in ("/devices/nobody/modules/nothing", "/devices/nobody/modules"):
        missing = standing.owner.get(path)
        assert (missing.status_code, missing.headers["iothub-errorcode"]) == (404, "DeviceNotFound")
    made = standing.owner.put("/devices/nobody/modules/new", json={})
    assert (made.status_code, made.headers["iothub-errorcode"]) == (404, "DeviceNotFound")


def test_the_ids_of_path_and_body_must_agree(standing: Standing) -> None:
    standing.device("agreed")
    answer = standing.owner.put("/devices/agreed/modules/one", json={"moduleId": "two"})
    assert answer.status_code == 400
