"""`alerts` of a running service."""

import re
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, get_args

import pytest
from tests.said import call, failed_login, message, process
from tests.serving import Serving, until
from tests.web.azure.arm.calling import ALERTS, Arm, refusal

from fencepost.model.alert import State
from fencepost.web.azure.arm.alerts import WORDS, steps_between

SETTINGS = {"azure_vendor_name": "Microsoft"}
STATES: tuple[State, ...] = get_args(State)
MANY = 250


@pytest.fixture(scope="module", autouse=True)
def groups(serving: Serving) -> None:
    rules = [
        {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"], "severity": "High"},
        {"type": "ConnectionToIpNotAllowed", "allow": ["10.0.0.0/8"]},
        {"type": "FailedLocalLoginsNotInAllowedRange", "min": 0, "max": 1, "window": "PT5M"},
    ]
    for name, glob in (("watched", "w-*"), ("other", "o-*")):
        body = {"members": {"globs": [glob]}, "rules": rules}
        serving.admin.put(f"/v1/groups/{name}", json=body).raise_for_status()


def opened(serving: Serving, arm: Arm, device_id: str, *events: dict[str, Any]) -> Any:
    """Let a device say something, and return the alert that it leads to."""
    serving.send(device_id, message(*events)).raise_for_status()
    [alert] = until(lambda: serving.alerts(device_id=device_id), 30)
    return arm.get(f"{arm.alerts}/{alert['alert_id']}")


def state(arm: Arm, alert: Any) -> str:
    return str(arm.get(f"{arm.alerts}/{alert['name']}")["properties"]["status"])


def test_an_alert_says_all_that_azure_s_clients_know(serving: Serving, arm: Arm) -> None:
    alert = opened(serving, arm, "w-1", process("/opt/x/miner"))
    assert alert["id"] == f"{arm.alerts}/{alert['name']}"
    assert alert["type"] == "Microsoft.Security/Locations/alerts"
    said = alert["properties"]
    assert (said["version"], said["systemAlertId"]) == ("2022-01-01", alert["name"])
    assert (said["alertType"], said["severity"], said["status"], said["intent"]) == (
        "IoT_CA_ProcessNotAllowed",
        "High",
        "Active",
        "Execution",
    )
    assert (said["vendorName"], said["compromisedEntity"]) == ("Microsoft", "w-1")
    assert said["extendedProperties"]["DeviceId"] == "w-1"
    assert all(isinstance(value, str) for value in said["extendedProperties"].values())
    for name in ("startTimeUtc", "endTimeUtc", "timeGeneratedUtc", "processingEndTimeUtc"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", said[name])
    assert len(said["remediationSteps"]) > 1
    hub, workspace = said["resourceIdentifiers"]
    assert (hub["type"], hub["azureResourceId"]) == ("AzureResource", arm.hub)
    assert (workspace["type"], workspace["workspaceId"]) == ("LogAnalytics", arm.place["workspace_id"])
    assert {one["type"] for one in said["entities"]} == {"host", "process"}
    assert said["entities"][1]["imageFile"] == {"type": "file", "name": "miner", "directory": "/opt/x"}
    assert said["supportingEvidence"]["rows"][0][1] == "ProcessCreate"
    assert serving.admin.get(said["alertUri"]).json()["alert"]["alert_id"] == alert["name"]
    assert (said["isIncident"], said["techniques"], said["subTechniques"]) == (False, [], [])


def test_the_entities_are_what_the_alert_is_about(serving: Serving, arm: Arm) -> None:
    alert = opened(serving, arm, "w-2", call("203.0.113.7"))
    assert alert["properties"]["entities"] == [
        {"$id": "1", "type": "host", "hostName": "w-2"},
        {"$id": "2", "type": "ip", "address": "203.0.113.7"},
        {"$id": "3", "type": "process", "commandLine": "/usr/bin/agent"},
    ]
    alert = opened(serving, arm, "w-3", failed_login(), failed_login(), failed_login())
    assert [one["type"] for one in alert["properties"]["entities"]] == ["host"]
    assert alert["properties"]["extendedProperties"]["TimeWindowSize"] == "PT5M"


def test_lists_of_all_scopes_have_the_same_alerts(serving: Serving, arm: Arm) -> None:
    opened(serving, arm, "w-4", process("/opt/four"))
    located = f"/locations/{arm.place['location']}/alerts"
    security = "/providers/Microsoft.Security"
    scopes = [
        f"{scope}{security}{path}"
        for scope in (arm.subscription, arm.resource_group)
        for path in ("/alerts", located)
    ]
    lists = [arm.listed(scope) for scope in scopes]
    assert lists[0]
    assert all(one == lists[0] for one in lists)
    alert = lists[0][0]
    for scope in (scopes[1], scopes[3]):
        assert arm.get(f"{scope}/{alert['name']}") == alert


def test_what_there_is_not_is_not_found(arm: Arm) -> None:
    for path in ("nothing", "a" * 4000):
        assert refusal(arm.call("GET", f"{arm.alerts}/{path}")) == (404, "ResourceNotFound")
    for word in WORDS:
        assert refusal(arm.call("POST", f"{arm.alerts}/nothing/{word}")) == (404, "ResourceNotFound")


def test_many_alerts_come_page_by_page_each_once(serving: Serving, arm: Arm) -> None:
    now = datetime.now(UTC)
    events = [process(f"/opt/many/{n}", now - timedelta(seconds=n)) for n in range(MANY)]
    serving.send("w-many", message(*events)).raise_for_status()
    until(lambda: len(serving.alerts(device_id="w-many")) == MANY, 60)
    first = arm.get(arm.alerts)
    assert len(first["value"]) == 100
    assert first["nextLink"].startswith(f"{serving.url}{arm.alerts}?")
    names = [one["name"] for one in arm.listed(arm.alerts)]
    assert len(names) == len(set(names)) == len(serving.alerts())
    assert [*map(str, names)] == [one["alert_id"] for one in serving.alerts()], "the latest first"


def test_the_next_page_is_where_the_client_reaches_us(serving: Serving, arm: Arm) -> None:
    """Directly, and behind a proxy that says how it was called."""
    asked = {"api-version": ALERTS, "$top": "1"}
    for headers, origin in [
        ({"Host": "fence.example.com:8443"}, "https://fence.example.com:8443/"),
        (
            {"X-Forwarded-Host": "fence.example.com, inner", "X-Forwarded-Proto": "http"},
            "http://fence.example.com/",
        ),
        ({"X-Forwarded-Host": "a b<c>"}, f"{serving.url}/"),
    ]:
        body = serving.admin.get(arm.alerts, params=asked, headers=headers).json()
        assert body["nextLink"].startswith(origin)


def test_a_place_that_no_page_gave_is_refused(arm: Arm) -> None:
    assert refusal(arm.call("GET", arm.alerts, _skiptoken="x")) == (400, "InvalidSkipToken")
    assert refusal(arm.call("GET", arm.alerts, _top="0")) == (400, "InvalidQueryParameter")


@pytest.mark.parametrize(("before", "after"), [*permutations(STATES, 2), *((one, one) for one in STATES)])
def test_from_every_state_there_is_a_way_to_every_other(before: State, after: State) -> None:
    assert bool(steps_between(before, after)) == (before != after)


def test_an_alert_comes_into_the_state_that_is_asked_for(serving: Serving, arm: Arm) -> None:
    alert = opened(serving, arm, "w-5", process("/opt/five"))
    scopes = [arm.alerts, arm.alerts.replace(arm.resource_group, arm.subscription)]
    words = ["inProgress", "resolve", "inProgress", "dismiss", "inProgress", "activate", "resolve", "dismiss"]
    for number, word in enumerate([*words, *words]):
        answer = arm.call("POST", f"{scopes[number % 2]}/{alert['name']}/{word}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert state(arm, alert) == WORDS[word]
        assert arm.call("POST", f"{arm.alerts}/{alert['name']}/{word}").status_code == 204
    history = serving.admin.get(f"/v1/alerts/{alert['name']}").json()["history"]
    assert {one["actor"] for one in history[1:]} == {"token/administrator"}


def test_alerts_are_not_made_up(arm: Arm) -> None:
    path = f"{arm.alerts.replace(arm.resource_group, arm.subscription)}/default/simulate"
    answer = arm.call("POST", path, {"properties": {"kind": "Bundles", "bundles": ["AppServices"]}})
    assert refusal(answer) == (400, "OperationNotSupported")


def test_roles_decide_who_moves_what_and_nobody_hears_of_what_is_not_theirs(
    serving: Serving, arm: Arm
) -> None:
    mine = opened(serving, arm, "w-6", process("/opt/six"))
    theirs = opened(serving, arm, "o-6", process("/opt/six"))
    viewer = arm.as_other("viewer", ("viewer", None))
    analyst = arm.as_other("analyst", ("analyst", "watched"))

    assert viewer.get(f"{arm.alerts}/{theirs['name']}") == theirs
    for word in WORDS:
        answer = viewer.call("POST", f"{arm.alerts}/{mine['name']}/{word}")
        assert refusal(answer) == (403, "AuthorizationFailed")
    assert state(arm, mine) == "Active"

    assert {
        one["properties"]["extendedProperties"]["SecurityGroup"] for one in analyst.listed(arm.alerts)
    } == {"watched"}
    for path in (f"{arm.alerts}/{theirs['name']}", f"{arm.alerts}/nothing"):
        assert refusal(analyst.call("GET", path)) == (404, "ResourceNotFound")
        assert refusal(analyst.call("POST", f"{path}/dismiss")) == (404, "ResourceNotFound")
    assert analyst.call("POST", f"{arm.alerts}/{mine['name']}/dismiss").status_code == 204
    assert (state(arm, mine), state(arm, theirs)) == ("Dismissed", "Active")
