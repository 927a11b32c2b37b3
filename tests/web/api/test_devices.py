"""`PUT /v1/devices/{device_id}`: the group of a device, and what its twin says of it."""

from tests.serving import Serving

HUB = {"api-version": "2021-04-12"}


def test_a_move_to_a_group_stands_in_the_twin(serving: Serving) -> None:
    serving.admin.put("/devices/twin-1", params=HUB, json={"deviceId": "twin-1"}).raise_for_status()
    answer = serving.admin.put("/v1/devices/twin-1", json={"SecurityGroup": "pumps"})
    assert answer.json()["device"]["tag"] == "pumps"
    assert serving.admin.get("/twins/twin-1", params=HUB).json()["tags"] == {"SecurityGroup": "pumps"}
    assert serving.admin.put("/v1/devices/twin-1", json={}).json()["device"]["tag"] is None
    assert serving.admin.get("/twins/twin-1", params=HUB).json()["tags"] == {}


def test_a_tag_of_the_twin_stands_in_the_group(serving: Serving) -> None:
    serving.admin.put("/devices/twin-2", params=HUB, json={}).raise_for_status()
    serving.admin.patch("/twins/twin-2", params=HUB, json={"tags": {"SecurityGroup": "valves"}})
    assert serving.admin.get("/v1/devices/twin-2").json()["device"]["tag"] == "valves"


def test_a_device_that_the_hub_does_not_know_is_moved_all_the_same(serving: Serving) -> None:
    answer = serving.admin.put("/v1/devices/twinless", json={"SecurityGroup": "pumps"})
    assert answer.json()["device"]["tag"] == "pumps"
    assert serving.admin.get("/twins/twinless", params=HUB).status_code == 404


def test_the_azure_dialect_stands_in_no_document_of_ours(serving: Serving) -> None:
    paths = serving.stranger.get("/openapi/openapi.json").json()["paths"]
    assert not any(path.startswith(("/devices", "/twins", "/statistics", "/{id_scope}")) for path in paths)
