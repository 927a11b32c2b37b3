"""The owner's programs: azure-iot-hub of Python and azure-iothub of JavaScript."""

from pathlib import Path
from typing import Any

import pytest
from tests.gateway.clients.certificates import self_signed
from tests.gateway.clients.hub import Hub
from tests.gateway.clients.running import FLAVOURS, PYTHON, Clients, Flavour, Language
from tests.program import RefusedError
from tests.serving import until

from fencepost.model.identity import SECURITY_MODULE

KEYS = ("cHJpbWFyeS1wcmltYXJ5LXByaW1hcnk=", "c2Vjb25kYXJ5LXNlY29uZGFyeS1zZWM=")


class Manager:
    """The registry manager of Python: its methods, called in another process."""

    def __init__(self, clients: Clients) -> None:
        self.program = clients.service("python")

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.program.do("call", name=name, arguments=arguments)


@pytest.fixture
def manager(clients: Clients) -> Manager:
    return Manager(clients)


def test_a_device_by_keys_is_created_changed_and_deleted(hub: Hub, manager: Manager) -> None:
    device_id = "managed-by-keys"
    created = manager.create_device_with_sas(device_id, *KEYS, "enabled")
    assert created["authentication"]["type"] == "sas"
    assert created["authentication"]["symmetric_key"] == {"primary_key": KEYS[0], "secondary_key": KEYS[1]}
    assert manager.get_device(device_id)["etag"] == created["etag"]
    assert device_id in [device["device_id"] for device in manager.get_devices(1000)]

    with pytest.raises(RefusedError, match="Conflict"):
        manager.create_device_with_sas(device_id, *KEYS, "enabled")
    changed = manager.update_device_with_sas(device_id, created["etag"], *reversed(KEYS), "disabled")
    assert changed["status"] == "disabled"
    assert changed["authentication"]["symmetric_key"]["primary_key"] == KEYS[1]
    with pytest.raises(RefusedError, match="Precondition Failed"):
        manager.update_device_with_sas(device_id, created["etag"], *KEYS, "enabled")
    with pytest.raises(RefusedError, match="Precondition Failed"):
        manager.delete_device(device_id, created["etag"])
    manager.delete_device(device_id, changed["etag"])
    with pytest.raises(RefusedError, match="Not Found"):
        manager.get_device(device_id)


def test_devices_by_certificate_are_created(hub: Hub, manager: Manager, tmp_path: Path) -> None:
    first, second = self_signed(tmp_path, "first"), self_signed(tmp_path, "second")
    created = manager.create_device_with_x509("managed-by-prints", first.sha1, second.sha1, "enabled")
    thumbprints = {"primary_thumbprint": first.sha1, "secondary_thumbprint": second.sha1}
    assert created["authentication"]["type"] == "selfSigned"
    assert created["authentication"]["x509_thumbprint"] == thumbprints
    trusted = manager.create_device_with_certificate_authority("managed-by-authority", "enabled")
    assert trusted["authentication"]["type"] == "certificateAuthority"
    manager.delete_device("managed-by-prints")
    manager.delete_device("managed-by-authority")


def test_a_twin_is_patched_replaced_and_guarded_by_its_etag(hub: Hub, manager: Manager) -> None:
    device_id = hub.register("managed-twin").device_id
    before = manager.get_twin(device_id)
    patched = manager.update_twin(device_id, _twin(tags={"site": "north", "floor": 2}, desired={"a": 1}))
    assert patched["tags"] == {"site": "north", "floor": 2}
    assert patched["properties"]["desired"]["a"] == 1
    assert patched["version"] > before["version"]
    assert patched["etag"] != before["etag"]
    with pytest.raises(RefusedError, match="Precondition Failed"):
        manager.update_twin(device_id, _twin(tags={"site": "south"}), before["etag"])
    replaced = manager.replace_twin(
        device_id, _twin(tags={"site": "south"}, desired={"b": 2}), patched["etag"]
    )
    assert replaced["tags"] == {"site": "south"}
    assert "a" not in replaced["properties"]["desired"]
    assert replaced["properties"]["desired"]["b"] == 2


def test_a_query_finds_devices_by_their_tags_page_by_page(hub: Hub, manager: Manager) -> None:
    found = [hub.register("queried").device_id for _ in range(3)]
    for device_id in found:
        hub.patch_twin(device_id, tags={"hall": "python"})
    hub.patch_twin(hub.register("queried").device_id, tags={"hall": "elsewhere"})
    pages = manager.program.do("query", text="SELECT * FROM devices WHERE tags.hall = 'python'", size=2)
    assert [len(page) for page in pages] == [2, 1]
    assert sorted(twin["device_id"] for page in pages for twin in page) == sorted(found)
    assert pages[0][0]["tags"] == {"hall": "python"}


def test_devices_are_made_and_deleted_in_bulk(hub: Hub, manager: Manager) -> None:
    ids = [f"bulk-{number}" for number in range(3)]
    keys = {"$model": "SymmetricKey", "primary_key": KEYS[0], "secondary_key": KEYS[1]}
    by_key = {"$model": "AuthenticationMechanism", "type": "sas", "symmetric_key": keys}

    def bulk(mode: str) -> Any:
        return manager.bulk_create_or_update_devices(
            [
                {
                    "$model": "ExportImportDevice",
                    "id": device_id,
                    "import_mode": mode,
                    "status": "enabled",
                    "authentication": by_key,
                }
                for device_id in ids
            ]
        )

    assert bulk("create")["is_successful"] is True
    assert {manager.get_device(device_id)["status"] for device_id in ids} == {"enabled"}
    refused = bulk("create")
    assert refused["is_successful"] is False
    assert sorted(error["device_id"] for error in refused["errors"]) == ids
    assert bulk("delete")["is_successful"] is True
    with pytest.raises(RefusedError, match="Not Found"):
        manager.get_device(ids[0])


def test_modules_are_managed_and_the_security_module_is_there(hub: Hub, manager: Manager) -> None:
    device_id = hub.register("with-modules").device_id
    security = manager.get_module(device_id, SECURITY_MODULE)
    twin = manager.get_module_twin(device_id, SECURITY_MODULE)
    assert any("SecurityAgentConfiguration" in name for name in twin["properties"]["desired"])
    module = manager.create_module_with_sas(device_id, "camera", "the owner", *KEYS)
    assert module["managed_by"] == "the owner"
    found = {found["module_id"] for found in manager.get_modules(device_id)}
    assert found == {SECURITY_MODULE, "camera"}
    tagged = manager.update_module_twin(
        device_id, SECURITY_MODULE, _twin(tags={"securityGroup": "default"}), twin["etag"]
    )
    assert tagged["tags"] == {"securityGroup": "default"}
    manager.delete_module(device_id, "camera", module["etag"])
    assert [found["etag"] for found in manager.get_modules(device_id)] == [security["etag"]]


def test_statistics_count_devices_and_connections(hub: Hub, manager: Manager, clients: Clients) -> None:
    client = clients.device(PYTHON, hub.register("counted"))
    before = manager.get_device_registry_statistics()
    hub.register("counted", status="disabled")
    after = manager.get_device_registry_statistics()
    assert after["total_device_count"] == before["total_device_count"] + 1
    assert after["disabled_device_count"] == before["disabled_device_count"] + 1
    assert after["enabled_device_count"] == before["enabled_device_count"]
    client.do("connect")
    assert manager.get_service_statistics()["connected_device_count"] >= 1


def test_a_method_is_invoked_and_a_device_that_does_not_listen_is_told(
    hub: Hub, manager: Manager, clients: Clients
) -> None:
    device = hub.register("invoked")
    call = {
        "$model": "CloudToDeviceMethod",
        "method_name": "reboot",
        "payload": {"delay": 5},
        "response_timeout_in_seconds": 10,
    }
    with pytest.raises(RefusedError, match="Not Found"):
        manager.invoke_device_method(device.device_id, call)
    client = clients.device(PYTHON, device)
    client.do("connect")
    client.do("watch method", name="reboot")
    answer = manager.invoke_device_method(device.device_id, call)
    assert answer == {"status": 200, "payload": {"echo": {"delay": 5}}}


@pytest.mark.usefixtures("on_https_port")
@pytest.mark.parametrize("language", ["python", "node"])
@pytest.mark.parametrize("flavour", [f for f in FLAVOURS if f.transport in {"mqtt", "amqp", "http"}], ids=str)
def test_a_message_sent_by_an_owners_program_reaches_the_device(
    hub: Hub, clients: Clients, flavour: Flavour, language: Language
) -> None:
    device = hub.register("addressed")
    client = clients.device(flavour, device)
    client.do("connect")
    client.do("watch messages")
    service = clients.service(language)
    if language == "python":
        properties = {"colour": "red", "messageId": "m-7"}
        service.do("call", name="send_c2d_message", arguments=[device.device_id, "hello", properties])
    else:
        service.do(
            "send", device_id=device.device_id, body="hello", properties={"colour": "red"}, message_id="m-7"
        )
    received = client.event("message")
    assert received["body"] == "hello"
    assert received["message_id"] == "m-7"
    assert "red" in received["properties"].values()
    until(lambda: hub.pending(device.device_id) == 0)


@pytest.mark.usefixtures("on_https_port")
def test_a_javascript_program_manages_devices(hub: Hub, clients: Clients) -> None:
    service = clients.service("node")

    def registry(name: str, *arguments: Any) -> Any:
        return service.do("call", name=name, arguments=arguments)

    device_id = "managed-by-javascript"
    created = registry("create", {"deviceId": device_id, "status": "enabled"})
    assert created["authentication"]["symmetricKey"]["primaryKey"]
    assert registry("get", device_id)["etag"] == created["etag"]
    with pytest.raises(RefusedError) as caught:
        registry("create", {"deviceId": device_id})
    assert caught.value.name == "DeviceAlreadyExistsError"
    assert registry("update", {**created, "status": "disabled"})["status"] == "disabled"

    twin = registry("updateTwin", device_id, {"tags": {"hall": "javascript"}}, "*")
    assert twin["tags"] == {"hall": "javascript"}
    with pytest.raises(RefusedError) as caught:
        registry("updateTwin", device_id, {"tags": {"hall": "other"}}, "bm90IHRoaXM=")
    assert caught.value.name == "InvalidEtagError"
    pages = service.do("query", text="SELECT * FROM devices WHERE tags.hall = 'javascript'", size=10)
    assert [[twin["deviceId"] for twin in page] for page in pages] == [[device_id]]
    modules = registry("getModulesOnDevice", device_id)
    assert [module["moduleId"] for module in modules] == [SECURITY_MODULE]
    assert registry("getRegistryStatistics")["totalDeviceCount"] >= 1

    registry("delete", device_id)
    with pytest.raises(RefusedError) as caught:
        registry("get", device_id)
    assert caught.value.name == "DeviceNotFoundError"


@pytest.mark.usefixtures("on_https_port")
def test_a_javascript_program_invokes_a_method(hub: Hub, clients: Clients) -> None:
    device = hub.register("invoked")
    client = clients.device(PYTHON, device)
    client.do("connect")
    client.do("watch method", name="reboot")
    service = clients.service("node")
    answer = service.do("invoke", device_id=device.device_id, name="reboot", payload=[1, 2])
    assert answer == {"status": 200, "payload": {"echo": [1, 2]}}


def _twin(tags: dict[str, Any] | None = None, desired: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a twin as the manager's argument."""
    twin: dict[str, Any] = {"$model": "Twin"}
    if tags is not None:
        twin["tags"] = tags
    if desired is not None:
        twin["properties"] = {"$model": "TwinProperties", "desired": desired}
    return twin
