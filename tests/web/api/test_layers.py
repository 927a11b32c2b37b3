"""What is expected beyond the groups: of the whole fleet, or of one device."""

from typing import Any

from tests.said import message, process
from tests.serving import Serving, until
from tests.web.api.people import somebody

RANGE = {"type": "FailedLocalLoginsNotInAllowedRange", "min": 0, "max": 5, "window": "PT10M"}


def allow(*entries: Any) -> dict[str, Any]:
    return {"type": "ProcessNotAllowed", "allow": [*entries]}


def group(serving: Serving, name: str, *rules: Any) -> None:
    body = {"members": {"globs": [f"{name}-*"]}, "rules": rules}
    serving.admin.put(f"/v1/groups/{name}", json=body).raise_for_status()


def test_S27_a_fleets_entries_are_on_the_lists_of_all_groups_and_an_edit_resolves(serving: Serving) -> None:
    group(serving, "north", allow("/usr/bin/*"))
    serving.send("north-1", message(process("/opt/fleet"), process("/opt/stays")))
    until(lambda: len(serving.alerts(device_id="north-1")) == 2)
    put = serving.admin.put("/v1/fleet", json={"rules": [allow({"entry": "/opt/fleet", "reason": "agent"})]})
    assert put.status_code == 200
    assert serving.admin.get("/v1/fleet").json() == put.json()
    assert put.headers["etag"] == f'"{put.json()["version"]}"'
    states = {one["value"]: one["state"] for one in serving.alerts(device_id="north-1")}
    assert states == {"/opt/fleet": "Resolved", "/opt/stays": "Active"}
    assert serving.admin.put("/v1/fleet", json=put.json()).json() == put.json(), "it can be put again"


def test_S27_a_device_has_rules_of_its_own_and_none_after_they_are_deleted(serving: Serving) -> None:
    group(serving, "south", allow("/usr/bin/*"), RANGE)
    path = "/v1/devices/south-1/overrides"
    assert serving.admin.get(path).json()["rules"] == []
    own = serving.admin.put(path, json={"rules": [allow("/opt/own"), {**RANGE, "max": 50}]})
    assert (own.status_code, own.json()["device_id"]) == (200, "south-1")
    serving.send("south-1", message(process("/opt/own"), process("/opt/other")))
    serving.send("south-2", message(process("/opt/own")))
    assert [one["value"] for one in until(lambda: serving.alerts(device_id="south-1"))] == ["/opt/other"]
    assert [one["value"] for one in until(lambda: serving.alerts(device_id="south-2"))] == ["/opt/own"]
    assert serving.admin.delete(path).status_code == 204
    assert serving.admin.get(path).json()["rules"] == []
    assert serving.admin.delete(path).status_code == 204


def test_S27_effective_rules_name_the_origin_of_each_entry(serving: Serving) -> None:
    past = {"entry": "/opt/past", "until": "2020-01-01T00:00:00Z"}
    group(
        serving, "west", allow("/usr/bin/*", past), RANGE, {"type": "ConnectionToIpNotAllowed", "allow": []}
    )
    serving.admin.put("/v1/fleet", json={"rules": [allow("/opt/everywhere")]}).raise_for_status()
    layer = {"rules": [allow("/opt/own"), {**RANGE, "max": 50}]}
    serving.admin.put("/v1/devices/west-1/overrides", json=layer).raise_for_status()
    answer = serving.admin.get("/v1/devices/west-1/rules").json()
    assert (answer["device_id"], answer["group"], answer["group_version"]) == ("west-1", "west", 1)
    rules = {one["rule"]["type"]: one for one in answer["rules"]}
    programs = rules["ProcessNotAllowed"]
    assert [(one["entry"], one["origin"]) for one in programs["entries"]] == [
        ("/usr/bin/*", "group"),
        ("/opt/past", "group"),
        ("/opt/everywhere", "fleet"),
        ("/opt/own", "device"),
    ]
    assert "allow" not in programs["rule"]
    assert [one["note"]["expired"] for one in programs["entries"] if one["note"]] == [True]
    assert (rules[RANGE["type"]]["origin"], rules[RANGE["type"]]["rule"]["max"]) == ("device", 50)
    implicit = {one["entry"] for one in rules["ConnectionToIpNotAllowed"]["entries"]}
    assert "127.0.0.0/8" in implicit
    other = serving.admin.get("/v1/devices/west-2/rules").json()["rules"]
    assert [one["rule"].get("max") for one in other if one["rule"]["type"] == RANGE["type"]] == [5]


def test_a_range_is_not_set_for_the_fleet_and_all_problems_are_named(serving: Serving) -> None:
    rules = [RANGE, allow(""), allow("/opt/x"), {"type": "Nonsense"}]
    answer = serving.admin.put("/v1/fleet", json={"rules": rules})
    assert answer.status_code == 400
    assert {one["path"] for one in answer.json()["problems"]} >= {"rules[1].allow[0]", "rules[3].type"}
    answer = serving.admin.put("/v1/fleet", json={"rules": [RANGE, allow("/opt/x"), allow("/opt/y")]})
    assert {one["path"] for one in answer.json()["problems"]} == {"rules[0].type", "rules[2].type"}
    answer = serving.admin.put("/v1/devices/x-1/overrides", json={"device_id": "x-2", "rules": []})
    assert [one["path"] for one in answer.json()["problems"]] == ["device_id"]


def test_two_editors_of_a_layer_do_not_overwrite_each_other_unseen(serving: Serving) -> None:
    path = "/v1/devices/raced-1/overrides"
    seen = serving.admin.get(path).headers["etag"]
    mine = serving.admin.put(path, json={"rules": [allow("/opt/mine")]}, headers={"If-Match": seen})
    assert mine.status_code == 200
    for method, body in (("PUT", {"rules": [allow("/opt/theirs")]}), ("DELETE", None)):
        late = serving.admin.request(method, path, json=body, headers={"If-Match": seen})
        assert late.status_code == 412, method
    assert serving.admin.get(path).json()["rules"][0]["allow"] == ["/opt/mine"]
    assert serving.admin.put("/v1/fleet", json={"rules": []}, headers={"If-Match": '"99"'}).status_code == 412


def test_a_layer_is_edited_by_the_administrators_of_the_devices_group(serving: Serving) -> None:
    group(serving, "east", allow("/usr/bin/*"))
    body = {"rules": [allow("/opt/own")]}
    with somebody(serving, ("administrator", "east")) as anna:
        assert anna.put("/v1/devices/east-1/overrides", json=body).status_code == 200
        assert anna.put("/v1/devices/north-1/overrides", json=body).status_code == 404
        assert anna.get("/v1/devices/north-1/overrides").status_code == 404
        assert anna.get("/v1/devices/north-1/rules").status_code == 404
        assert anna.put("/v1/fleet", json=body).status_code == 403
        assert anna.delete("/v1/devices/east-1/overrides").status_code == 204
    with somebody(serving, ("analyst", "east")) as ben:
        assert ben.get("/v1/devices/east-1/overrides").status_code == 200
        assert ben.put("/v1/devices/east-1/overrides", json=body).status_code == 403


def test_a_device_that_nobody_has_heard_of_is_not_the_default_groups(serving: Serving) -> None:
    body = {"rules": [allow("/opt/own")]}
    path = "/v1/devices/unheard-1/overrides"
    with somebody(serving, ("administrator", "default")) as anna:
        for method in ("GET", "PUT", "DELETE"):
            answer = anna.request(method, path, json=body if method == "PUT" else None)
            assert answer.status_code == 404, method
            assert answer.json()["detail"] == "there is no such device"
        assert anna.get("/v1/devices/unheard-1/rules").status_code == 404
        assert serving.admin.put(path, json=body).status_code == 200
        assert "unheard-1" not in anna.get("/v1/overrides").text
        serving.send("unheard-1", message(process("/opt/own"))).raise_for_status()
        serving.settle()
        assert anna.put(path, json=body).status_code == 200
        assert "unheard-1" in anna.get("/v1/overrides").text


def test_the_devices_with_rules_of_their_own_are_listed_page_by_page_to_those_who_see_them(
    serving: Serving,
) -> None:
    group(serving, "listed", allow("/usr/bin/*"))
    for device_id in ("listed-2", "listed-1", "elsewhere-1"):
        put = serving.admin.put(f"/v1/devices/{device_id}/overrides", json={"rules": [allow("/opt/own")]})
        put.raise_for_status()
    with somebody(serving, ("viewer", "listed")) as anna:
        first = anna.get("/v1/overrides", params={"limit": 1}).json()
        second = anna.get("/v1/overrides", params={"limit": 1, "after": first["next"]}).json()
    assert [one["device_id"] for one in (*first["items"], *second["items"])] == ["listed-1", "listed-2"]
    assert second["next"] is None
    known = {one["device_id"] for one in serving.admin.get("/v1/overrides").json()["items"]}
    assert known >= {"listed-1", "listed-2", "elsewhere-1"}
    serving.admin.delete("/v1/devices/listed-1/overrides")
    assert "listed-1" not in serving.admin.get("/v1/overrides").text
