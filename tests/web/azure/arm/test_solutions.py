"""`iotSecuritySolutions` of a running service, and what they switch."""

from typing import Any

import pytest
from tests.said import call, message
from tests.serving import Serving, until
from tests.web.azure.arm.calling import Arm, problems, refusal

from fencepost.model.solution import RECOMMENDATION_TYPES
from fencepost.web.azure.arm.solution_bodies import NAMES

QUERY = 'where type != "microsoft.devices/iothubs" | where name contains "iot"'


def solution(arm: Arm, **said: Any) -> dict[str, Any]:
    properties = {
        "workspace": arm.workspace,
        "displayName": "Main",
        "iotHubs": [arm.hub],
        "unmaskedIpLoggingStatus": "Enabled",
    }
    return {"location": "East Us", "tags": {"a": "b"}, "properties": {**properties, **said}}


def test_a_solution_is_made_read_listed_changed_and_deleted(arm: Arm) -> None:
    path = f"{arm.solutions}/Main"
    assert refusal(arm.call("GET", path)) == (404, "ResourceNotFound")
    made = arm.call("PUT", path, solution(arm, export=["RawEvents"]))
    assert made.status_code == 201
    body = made.json()
    assert (body["id"], body["name"], body["location"], body["tags"]) == (path, "Main", "East Us", {"a": "b"})
    said = body["properties"]
    assert (said["status"], said["export"], said["iotHubs"]) == ("Enabled", ["RawEvents"], [arm.hub])
    assert said["autoDiscoveredResources"] == [arm.hub]
    assert [one["recommendationType"] for one in said["recommendationsConfiguration"]] == [
        *RECOMMENDATION_TYPES
    ]
    assert {one["status"] for one in said["recommendationsConfiguration"]} == {"Enabled"}
    assert body["systemData"]["createdBy"] == "token/administrator"

    assert arm.get(f"{arm.solutions}/MAIN") == body
    again = arm.call("PUT", path, body)
    assert (again.status_code, again.json()) == (200, body), "what is shown can be put"
    for scope in (arm.solutions, arm.solutions.replace(arm.resource_group, arm.subscription)):
        assert arm.listed(scope) == [body]

    changes = {
        "tags": {"foo": "bar"},
        "properties": {
            "userDefinedResources": {"query": QUERY, "querySubscriptions": ["x"]},
            "recommendationsConfiguration": [{"recommendationType": "IoT_OpenPorts", "status": "Disabled"}],
        },
    }
    patched = arm.call("PATCH", path, changes).raise_for_status().json()
    assert (patched["tags"], patched["properties"]["export"]) == ({"foo": "bar"}, ["RawEvents"])
    assert patched["properties"]["userDefinedResources"]["query"] == QUERY
    configured = patched["properties"]["recommendationsConfiguration"]
    assert [one["recommendationType"] for one in configured if one["status"] == "Disabled"] == [
        "IoT_OpenPorts"
    ]
    assert refusal(arm.call("PATCH", f"{arm.solutions}/other", changes)) == (404, "ResourceNotFound")

    assert arm.call("DELETE", path).status_code == 200
    assert arm.call("DELETE", path).status_code == 204


def test_null_takes_user_defined_resources_away_and_nothing_else(arm: Arm) -> None:
    path, query = f"{arm.solutions}/nulls", 'where type != "microsoft.devices/iothubs"'
    resources = {"query": query, "querySubscriptions": ["x"]}
    body = solution(arm, userDefinedResources=resources) | {"tags": {"a": "b"}}
    arm.call("PUT", path, body).raise_for_status()
    bodies: list[dict[str, Any]] = [{}, {"properties": {}}, {"tags": None, "properties": None}]
    for unchanged in bodies:
        assert arm.call("PATCH", path, unchanged).json()["properties"]["userDefinedResources"] == resources
    said = arm.call("PATCH", path, {"properties": {"userDefinedResources": None}}).json()
    assert "userDefinedResources" not in said["properties"]
    assert said["tags"] == {"a": "b"}
    arm.call("DELETE", path).raise_for_status()


def test_solutions_are_found_by_their_hub(arm: Arm) -> None:
    arm.call("PUT", f"{arm.solutions}/found", solution(arm)).raise_for_status()
    for hub, found in ((arm.hub, ["found"]), (arm.hub.upper(), ["found"]), (f"{arm.hub}x", [])):
        for quote in ('"', "'"):
            asked = f"properties.iotHubs/any(i eq {quote}{hub}{quote})"
            assert [one["name"] for one in arm.listed(arm.solutions, _filter=asked)] == found
    assert refusal(arm.call("GET", arm.solutions, _filter="name eq 'x'")) == (400, "InvalidFilter")
    arm.call("DELETE", f"{arm.solutions}/found")


def test_without_a_word_addresses_are_masked_as_azure_does(arm: Arm) -> None:
    body = solution(arm)
    del body["properties"]["unmaskedIpLoggingStatus"]
    said = arm.call("PUT", f"{arm.solutions}/usual", body).json()["properties"]
    assert (said["unmaskedIpLoggingStatus"], said["export"]) == ("Disabled", [])
    arm.call("DELETE", f"{arm.solutions}/usual")


def test_addresses_are_masked_in_all_that_is_shown_of_alerts_and_lists_still_know_them(
    serving: Serving, arm: Arm
) -> None:
    path, address = f"{arm.solutions}/masking", "203.0.113.77"
    rules = [{"type": "ConnectionToIpNotAllowed", "allow": ["10.0.0.0/8"]}]
    serving.admin.put("/v1/groups/default", json={"rules": rules}).raise_for_status()
    serving.send("m-1", message(call(address))).raise_for_status()
    until(lambda: serving.alerts(device_id="m-1"), 30)
    arm.call("PUT", path, solution(arm, unmaskedIpLoggingStatus="Disabled")).raise_for_status()
    arm_lists = (arm.alerts, f"{path}/iotAlerts")
    for shown in arm_lists:
        text = str(arm.get(shown)["value"])
        assert address not in text
        assert "203.0.113.*" in text
    [alert] = serving.alerts(device_id="m-1")
    one = str(arm.get(f"{arm.alerts}/{alert['alert_id']}"))
    assert address not in one
    assert "203.0.113.*" in one
    allowing = [{"type": "ConnectionToIpNotAllowed", "allow": ["10.0.0.0/8", address]}]
    serving.admin.put("/v1/groups/default", json={"rules": allowing}).raise_for_status()
    until(lambda: serving.alerts(device_id="m-1")[0]["state"] == "Resolved", 30)
    arm.call("PUT", path, solution(arm, unmaskedIpLoggingStatus="Enabled")).raise_for_status()
    assert address in str(arm.get(f"{arm.alerts}/{alert['alert_id']}"))
    arm.call("DELETE", path)


def test_a_solution_is_there_after_a_restart(serving: Serving, arm: Arm) -> None:
    body = arm.call("PUT", f"{arm.solutions}/lasting", solution(arm)).json()
    serving.stop()
    serving.start()
    with serving.client(serving.admin.headers["Authorization"].removeprefix("Bearer ")):
        again = Arm(serving)
        assert again.get(f"{again.solutions}/lasting") == body
        again.call("DELETE", f"{again.solutions}/lasting").raise_for_status()
    arm._client = serving.admin


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"workspace": "w"}, "properties.workspace"),
        ({"displayName": 7}, "properties.displayName"),
        ({"displayName": "a\u202eb"}, "properties.displayName"),
        ({"iotHubs": None}, "properties.iotHubs"),
        ({"iotHubs": ["/subscriptions/x"]}, "properties.iotHubs[0]"),
        (
            {"iotHubs": ["/subscriptions/x/resourceGroups/y/providers/Microsoft.Devices/IotHubs/z"]},
            "properties.iotHubs",
        ),
        ({"status": "On"}, "properties.status"),
        ({"export": ["Everything"]}, "properties.export[0]"),
        ({"disabledDataSources": [{}]}, "properties.disabledDataSources[0]"),
        ({"unmaskedIpLoggingStatus": "no"}, "properties.unmaskedIpLoggingStatus"),
        ({"userDefinedResources": {"query": "where true"}}, "properties.userDefinedResources.query"),
        (
            {"recommendationsConfiguration": [{"recommendationType": "X", "status": "Enabled"}]},
            "properties.recommendationsConfiguration[0].recommendationType",
        ),
        ({"additionalWorkspaces": [{"workspace": "w"}]}, "properties.additionalWorkspaces[0].workspace"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(arm: Arm, said: dict[str, Any], path: str) -> None:
    assert path in problems(arm.call("PUT", f"{arm.solutions}/wrong", solution(arm, **said)))
    assert arm.call("GET", f"{arm.solutions}/wrong").status_code == 404


def test_what_the_azure_cli_sends_is_enough(arm: Arm) -> None:
    """No workspace, nothing optional."""
    body = {"location": "local", "properties": {"displayName": "Main", "iotHubs": [arm.hub]}}
    made = arm.call("PUT", f"{arm.solutions}/small", body)
    assert (made.status_code, "workspace" in made.json()["properties"]) == (201, False)
    assert arm.call("PUT", f"{arm.solutions}/small", made.json()).status_code == 200
    arm.call("DELETE", f"{arm.solutions}/small")


def test_tags_and_names_are_bounded(arm: Arm) -> None:
    body = solution(arm) | {"tags": {f"t{n}": "" for n in range(51)}}
    assert "tags" in problems(arm.call("PUT", f"{arm.solutions}/wrong", body))
    assert "tags" in problems(arm.call("PUT", f"{arm.solutions}/wrong", solution(arm) | {"tags": {"a": 7}}))
    for name in ("a b", "a" * 129, "a\u202eb"):
        assert "name" in problems(arm.call("PUT", f"{arm.solutions}/{name}", solution(arm)))


def test_a_solution_may_have_hubs_besides_ours(arm: Arm) -> None:
    other = "/subscriptions/x/resourceGroups/y/providers/Microsoft.Devices/IotHubs/z"
    made = arm.call("PUT", f"{arm.solutions}/two", solution(arm, iotHubs=[other, arm.hub.upper()]))
    assert made.json()["properties"]["iotHubs"] == [other, arm.hub.upper()]
    arm.call("DELETE", f"{arm.solutions}/two")


def test_solutions_are_an_administrator_s_of_everything(arm: Arm) -> None:
    path = f"{arm.solutions}/ours"
    arm.call("PUT", path, solution(arm)).raise_for_status()
    for other in (
        arm.as_other("viewer", ("viewer", None)),
        arm.as_other("analyst", ("analyst", None)),
        arm.as_other("one group", ("administrator", "default")),
    ):
        assert other.get(path)["name"] == "ours"
        for method in ("PUT", "PATCH", "DELETE"):
            assert refusal(other.call(method, path, solution(arm))) == (403, "AuthorizationFailed")
    assert arm.call("DELETE", path).status_code == 200


def test_every_change_is_in_the_audit(serving: Serving, arm: Arm) -> None:
    path = f"{arm.solutions}/audited"
    arm.call("PUT", path, solution(arm))
    arm.call("DELETE", path)
    latest, made = serving.admin.get("/v1/audit", params={"limit": 2}).json()["items"]
    assert (made["action"], made["subject"], made["actor"]) == (
        "put",
        "solution/audited",
        "token/administrator",
    )
    assert (latest["action"], latest["after"]) == ("delete", None)


def test_every_recommendation_has_a_name() -> None:
    assert NAMES.keys() == {*RECOMMENDATION_TYPES}
