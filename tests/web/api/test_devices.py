"""`PUT /v1/devices/{device_id}`: the group of a device, and what its twin says of it."""

from tests.serving import Serving
from tests.web.api.people import somebody

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


def test_devices_are_found_by_a_part_of_their_ids(serving: Serving) -> None:
    for name in ("press-1", "PRESS-2", "lathe-1"):
        serving.admin.put(f"/v1/devices/{name}", json={}).raise_for_status()
    found = serving.admin.get("/v1/devices?text=press").json()["items"]
    assert {one["device_id"] for one in found} == {"press-1", "PRESS-2"}


def test_two_who_move_a_device_do_not_undo_each_other_unseen(serving: Serving) -> None:
    path = "/v1/devices/moved-1"
    seen = {"If-Match": serving.admin.put(path, json={"SecurityGroup": "a"}).headers["etag"]}
    assert serving.admin.get(path).headers["etag"] == seen["If-Match"]
    assert serving.admin.put(path, json={"SecurityGroup": "b"}, headers=seen).status_code == 200
    assert serving.admin.put(path, json={"SecurityGroup": "c"}, headers=seen).status_code == 412
    assert serving.admin.get(path).json()["device"]["tag"] == "b"
    assert serving.admin.put("/v1/devices/nowhere-1", json={}, headers={"If-Match": "*"}).status_code == 404


def test_where_a_device_belongs_is_for_administrators_of_everything(serving: Serving) -> None:
    serving.admin.put("/v1/groups/presses", json={"members": {"globs": ["press-*"]}}).raise_for_status()
    with somebody(serving, ("administrator", "presses")) as anna:
        assert anna.put("/v1/devices/press-1", json={"SecurityGroup": "presses"}).status_code == 403
        assert anna.get("/v1/devices/press-1").status_code == 200
        assert anna.get("/v1/devices/lathe-1").status_code == 404
