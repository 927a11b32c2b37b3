"""`analyticsModels`, `iotAlerts` and `iotAlertTypes` of a running service."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.said import call, message, process
from tests.serving import Serving, until
from tests.web.azure.arm.calling import Arm, refusal

from fencepost.model.catalog import CATALOG

PROCESS, ADDRESS = "IoT_CA_ProcessNotAllowed", "IoT_CA_ConnectionToIpNotAllowed"
NOW = datetime.now(UTC).replace(microsecond=0)
NOON = NOW.replace(hour=12, minute=0, second=0)
BEFORE = NOON - timedelta(days=1)
"""Noon of the day before, or earlier in it: two days on which something happens."""


@pytest.fixture(scope="module", autouse=True)
def happened(serving: Serving, arm: Arm) -> None:
    """Three processes of two devices yesterday, and an address in each of two groups."""
    for name, glob in (("mine", "m-*"), ("theirs", "t-*")):
        rules = [
            {"type": "ProcessNotAllowed", "allow": [], "severity": "High"},
            {"type": "ConnectionToIpNotAllowed", "allow": ["10.0.0.0/8"]},
        ]
        body = {"members": {"globs": [glob]}, "rules": rules}
        serving.admin.put(f"/v1/groups/{name}", json=body).raise_for_status()
    serving.send("m-1", message(process("/a", BEFORE), process("/b", BEFORE)))
    serving.send("m-2", message(process("/a", BEFORE), call("203.0.113.7", BEFORE)))
    serving.send("t-1", message(process("/a", BEFORE), call("203.0.113.7", BEFORE)))
    until(lambda: len(serving.alerts()) == 6, 30)
    properties = {
        "workspace": arm.workspace,
        "displayName": "Main",
        "iotHubs": [arm.hub],
        "unmaskedIpLoggingStatus": "Enabled",
    }
    arm.call("PUT", f"{arm.solutions}/main", {"properties": properties}).raise_for_status()


@pytest.fixture
def model(arm: Arm) -> str:
    return f"{arm.solutions}/main/analyticsModels/default"


def day(moment: datetime = BEFORE) -> str:
    return moment.date().isoformat()


def test_the_model_counts_what_was_wrong(arm: Arm, model: str) -> None:
    body = arm.get(model)
    assert arm.get(model.removesuffix("/default"))["value"] == [body]
    said = body["properties"]
    assert said["metrics"] == {"high": 4, "medium": 0, "low": 2}
    assert said["unhealthyDeviceCount"] == 3
    [metrics] = said["devicesMetrics"]
    assert metrics == {"date": f"{day()}T00:00:00Z", "devicesMetrics": {"high": 4, "medium": 0, "low": 2}}
    assert [one["alertsCount"] for one in said["topAlertedDevices"]] == [2, 2, 2]
    assert {one["deviceId"] for one in said["topAlertedDevices"]} == {"m-1", "m-2", "t-1"}
    assert [(one["reportedSeverity"], one["alertsCount"]) for one in said["mostPrevalentDeviceAlerts"]] == [
        ("High", 4),
        ("Low", 2),
    ]
    assert said["mostPrevalentDeviceRecommendations"] == []
    assert refusal(arm.call("GET", model.replace("default", "other"))) == (404, "ResourceNotFound")
    assert refusal(arm.call("GET", model.replace("main", "other"))) == (404, "ResourceNotFound")


def test_alerts_are_counted_by_type_and_day(arm: Arm, model: str) -> None:
    found = arm.listed(f"{model}/aggregatedAlerts")
    assert [(one["name"], one["properties"]["count"]) for one in found] == [
        (f"{ADDRESS}/{day()}", 2),
        (f"{PROCESS}/{day()}", 4),
    ]
    said = found[1]["properties"]
    assert (said["alertType"], said["aggregatedDateUtc"], said["reportedSeverity"]) == (
        PROCESS,
        day(),
        "High",
    )
    assert {one["deviceId"]: one["alertsCount"] for one in said["topDevicesList"]} == {
        "m-1": 2,
        "m-2": 1,
        "t-1": 1,
    }
    assert arm.hub in said["logAnalyticsQuery"]
    assert arm.listed(f"{model}/aggregatedAlerts", _top="1") == found, "page by page"


@pytest.mark.parametrize("separator", ["/", "%2F", "%2f"])
def test_one_of_them_is_found_by_its_name(serving: Serving, arm: Arm, model: str, separator: str) -> None:
    name = f"{PROCESS}{separator}{day()}"
    answer = serving.admin.get(f"{serving.url}{model}/aggregatedAlerts/{name}?api-version=2019-08-01")
    assert answer.json()["name"] == f"{PROCESS}/{day()}"


def test_what_there_is_not_is_not_found(arm: Arm, model: str) -> None:
    later = day(NOON + timedelta(days=9))
    for name in (f"{PROCESS}/{later}", f"{PROCESS}/x", f"IoT_CA_Other/{day()}", "a/b"):
        assert refusal(arm.call("GET", f"{model}/aggregatedAlerts/{name}")) == (404, "ResourceNotFound")
        assert arm.call("POST", f"{model}/aggregatedAlerts/{name}/dismiss").status_code == 404
    assert arm.get(f"{model}/aggregatedRecommendations") == {"value": []}
    assert arm.call("GET", f"{model}/aggregatedRecommendations/IoT_OpenPorts").status_code == 404
    for kind in ("iotRecommendations", "iotRecommendationTypes"):
        assert arm.get(f"{arm.solutions}/main/{kind}") == {"value": []}
        assert arm.call("GET", f"{arm.solutions}/main/{kind}/IoT_OpenPorts").status_code == 404


def test_alerts_are_found_by_type_device_and_time(arm: Arm) -> None:
    path = f"{arm.solutions}/main/iotAlerts"
    body = arm.get(path)
    assert (len(body["value"]), body["totalCount"]) == (6, 6)
    one = body["value"][0]["properties"]
    assert one["extendedProperties"]["DeviceId"] == one["compromisedEntity"]
    assert {entity["Type"] for entity in one["entities"]} >= {"host"}
    assert arm.get(f"{path}/{one['systemAlertId']}") == body["value"][0]
    assert arm.call("GET", f"{path}/nothing").status_code == 404

    def found(**query: Any) -> int:
        return len(arm.listed(path, **query))

    assert len(arm.get(path, _limit="2")["value"]) == 2
    assert found(_limit="2") == 6, "page by page"
    assert found(alertType=ADDRESS) == 2
    assert found(alertType="other") == 0
    assert found(compromisedEntity="m-1") == 2
    inside = {
        "startTimeUtc>": f"{BEFORE:%Y-%m-%dT%H:%M:%SZ}",
        "startTimeUtc<": f"{BEFORE:%Y-%m-%dT%H:%M:%SZ}",
    }
    assert found(**inside) == 6
    assert found(**{"startTimeUtc>": f"{NOON + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}) == 0
    assert found(**{"startTimeUtc<": f"{BEFORE - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}) == 0
    answer = arm.call("GET", path, **{"startTimeUtc>": "yesterday"})
    assert refusal(answer) == (400, "InvalidQueryParameter")


def test_every_type_of_alert_is_described(arm: Arm) -> None:
    path = f"{arm.solutions}/main/iotAlertTypes"
    types = arm.listed(path)
    assert [one["name"] for one in types] == [row.alert_type for row in CATALOG.values()]
    assert arm.get(f"{path}/{PROCESS.lower()}") in types
    assert all(one["properties"]["remediationSteps"] for one in types)
    assert arm.call("GET", f"{path}/other").status_code == 404


def test_nobody_counts_what_is_not_theirs(serving: Serving, arm: Arm, model: str) -> None:
    mine = arm.as_other("mine", ("analyst", "mine"))
    said = mine.get(model)["properties"]
    assert (said["metrics"], said["unhealthyDeviceCount"]) == ({"high": 3, "medium": 0, "low": 1}, 2)
    assert {one["deviceId"] for one in said["topAlertedDevices"]} == {"m-1", "m-2"}
    assert [one["properties"]["count"] for one in mine.listed(f"{model}/aggregatedAlerts")] == [1, 3]
    body = mine.get(f"{arm.solutions}/main/iotAlerts")
    assert (len(body["value"]), body["totalCount"]) == (4, 4)
    theirs = serving.alerts(device_id="t-1")[0]["alert_id"]
    assert mine.call("GET", f"{arm.solutions}/main/iotAlerts/{theirs}").status_code == 404


def test_dismissing_them_dismisses_all_that_the_caller_may(serving: Serving, arm: Arm, model: str) -> None:
    path = f"{model}/aggregatedAlerts/{PROCESS}%2F{day()}/dismiss"
    viewer = arm.as_other("viewer", ("viewer", None))
    assert refusal(viewer.call("POST", f"{model}/aggregatedAlerts/{PROCESS}/{day()}/dismiss")) == (
        403,
        "AuthorizationFailed",
    )
    analyst = arm.as_other("analyst of mine", ("analyst", "mine"))
    answer = analyst.call("POST", f"{model}/aggregatedAlerts/{PROCESS}/{day()}/dismiss")
    assert (answer.status_code, answer.content) == (200, b"")

    def open_ones() -> list[str]:
        alerts = serving.alerts(rule_type="ProcessNotAllowed", state="Active")
        return sorted(one["device_id"] for one in alerts)

    assert open_ones() == ["t-1"]
    url = f"{serving.url}{path}?api-version=2019-08-01"
    assert serving.admin.post(url).status_code == 200
    assert open_ones() == []
    assert len(serving.alerts(rule_type="ConnectionToIpNotAllowed", state="Active")) == 2
    assert arm.get(f"{model}")["properties"]["metrics"] == {"high": 0, "medium": 0, "low": 2}
