"""azure-mgmt-security of Python in two versions and @azure/arm-security of JavaScript, unmodified, over HTTPS."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.said import message, process
from tests.serving import Serving, until
from tests.web.azure.arm.calling import Arm
from tests.web.azure.clients.owners import Owner

CONNECTIONS = "ActiveConnectionsNotInAllowedRange"
PROCESSES, ADDRESSES, USERS = "ProcessNotAllowed", "ConnectionToIpNotAllowed", "LocalUserNotAllowed"
CALLERS = "ConnectionFromIpNotAllowed"
ALERT_TYPE = "IoT_CA_ProcessNotAllowed"
MANY = 250
NOW = datetime.now(UTC).replace(microsecond=0)
QUERY = 'where type != "microsoft.devices/iothubs" | where name contains "iot"'
OF_SOLUTIONS, OF_GROUPS = "iot_security_solution", "device_security_groups"
AGGREGATED = "iot_security_solutions_analytics_aggregated_alert"
RECOMMENDED = "iot_security_solutions_analytics_recommendation"


@pytest.fixture(scope="module", autouse=True)
def happened(serving: Serving) -> None:
    """More alerts than two pages hold, all of one day."""
    rules = [{"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]}]
    serving.admin.put("/v1/groups/watched", json={"members": {"globs": ["w-*"]}, "rules": rules})
    events = [process(f"/opt/{number}", NOW - timedelta(milliseconds=number)) for number in range(MANY)]
    serving.send("w-1", message(*events)).raise_for_status()
    until(lambda: len(serving.alerts()) == MANY, 60)


def hub(arm: Arm) -> str:
    """Return the hub's id as the clients' documentation writes it."""
    return arm.hub.lstrip("/")


def window(owner: Owner, name: str = CONNECTIONS) -> dict[str, Any]:
    size: Any = {"$seconds": 300} if owner.is_python else "PT5M"
    return rule(owner, name, min_threshold=0, max_threshold=9, time_window_size=size)


def allowed(owner: Owner, name: str, *values: str) -> dict[str, Any]:
    return rule(owner, name, allowlist_values=values)


def rule(owner: Owner, name: str, **members: Any) -> dict[str, Any]:
    """Return an enabled rule: in Python its class says its type."""
    model = owner.model(name, is_enabled=True, **members)
    return model if owner.is_python else {"ruleType": name, **model}


def rule_of(owner: Owner, group: Any, family: str, name: str) -> Any:
    return next(one for one in owner.properties(group)[family] if one["ruleType"] == name)


def solution(owner: Owner, arm: Arm, **said: Any) -> dict[str, Any]:
    return owner.model(
        "IoTSecuritySolutionModel",
        location="local",
        workspace=arm.workspace,
        display_name="Main",
        iot_hubs=[arm.hub],
        unmasked_ip_logging_status="Enabled",
        **said,
    )


def test_groups_with_rules_of_all_families(owner: Owner, arm: Arm) -> None:
    scope = (hub(arm), f"floor-{owner.client}")
    group = owner.model(
        "DeviceSecurityGroup",
        time_window_rules=[window(owner), window(owner, "FailedLocalLoginsNotInAllowedRange")],
        allowlist_rules=[
            allowed(owner, ADDRESSES, "10.0.0.7/8", "2001:db8::/32"),
            allowed(owner, USERS, "root"),
            allowed(owner, PROCESSES, "/usr/bin/*"),
            allowed(owner, CALLERS, "10.0.0.0/8"),
        ],
        threshold_rules=[rule(owner, "ThresholdCustomAlertRule", min_threshold=1, max_threshold=2)],
        denylist_rules=[rule(owner, "DenylistCustomAlertRule", denylist_values=["x"])],
    )
    made = owner.do(OF_GROUPS, "create_or_update", *scope, group)
    assert owner.do(OF_GROUPS, "create_or_update", *scope, group)["id"] == made["id"]
    read = owner.do(OF_GROUPS, "get", *scope)
    assert owner.properties(read) == owner.properties(made)
    assert len(owner.properties(read)["timeWindowRules"]) == 16
    connections = rule_of(owner, read, "timeWindowRules", CONNECTIONS)
    assert (connections["isEnabled"], connections["maxThreshold"], connections["timeWindowSize"]) == (
        True,
        9,
        "PT5M",
    )
    addresses = rule_of(owner, read, "allowlistRules", ADDRESSES)
    assert addresses["allowlistValues"] == ["10.0.0.7/8", "2001:db8::/32"]
    assert rule_of(owner, read, "allowlistRules", CALLERS)["allowlistValues"] == ["10.0.0.0/8"]
    assert rule_of(owner, read, "thresholdRules", "ThresholdCustomAlertRule")["maxThreshold"] == 2
    assert rule_of(owner, read, "denylistRules", "DenylistCustomAlertRule")["denylistValues"] == ["x"]
    assert scope[1] in [one["name"] for one in owner.do(OF_GROUPS, "list", hub(arm))]
    fewer = owner.model("DeviceSecurityGroup", allowlist_rules=[allowed(owner, USERS, "root")])
    replaced = owner.do(OF_GROUPS, "create_or_update", *scope, fewer)
    assert not rule_of(owner, replaced, "timeWindowRules", CONNECTIONS)["isEnabled"]
    enabled = [one["ruleType"] for one in owner.properties(replaced)["allowlistRules"] if one["isEnabled"]]
    assert enabled == [USERS], "what is left out is at its default"
    owner.do(OF_GROUPS, "delete", *scope)
    owner.do(OF_GROUPS, "delete", *scope)
    error = owner.refused(OF_GROUPS, "get", *scope)
    assert (error["status"], error["code"]) == (404, "ResourceNotFound")


def test_an_empty_group_has_all_rules_at_their_defaults(owner: Owner, arm: Arm) -> None:
    scope = (hub(arm), f"empty-{owner.client}")
    made = owner.do(OF_GROUPS, "create_or_update", *scope, owner.model("DeviceSecurityGroup"))
    assert {one["isEnabled"] for one in owner.properties(made)["timeWindowRules"]} == {False}
    assert len(owner.properties(made)["allowlistRules"]) == 3
    owner.do(OF_GROUPS, "delete", *scope)


def test_all_that_is_wrong_with_a_group_is_in_the_error(owner: Owner, arm: Arm) -> None:
    group = owner.model(
        "DeviceSecurityGroup",
        time_window_rules=[window(owner) | {owner.named("min_threshold"): 10}],
        allowlist_rules=[allowed(owner, ADDRESSES, "10.0.0.0/33")],
    )
    error = owner.refused(OF_GROUPS, "create_or_update", hub(arm), "wrong", group)
    assert (error["status"], error["code"]) == (400, "InvalidRequestContent")
    assert error["targets"] == [
        "properties.timeWindowRules[0].maxThreshold",
        "properties.allowlistRules[0].allowlistValues[0]",
    ]
    assert owner.refused(OF_GROUPS, "get", hub(arm), "wrong")["status"] == 404


def test_alerts_of_all_scopes_page_by_page(owner: Owner, arm: Arm) -> None:
    location, group = arm.place["location"], arm.place["resource_group"]
    lists = [
        owner.do("alerts", "list"),
        owner.do("alerts", "list_by_resource_group", group),
        owner.do("alerts", "list_subscription_level_by_region", location),
        owner.do("alerts", "list_resource_group_level_by_region", location, group),
    ]
    names = [[one["name"] for one in listed] for listed in lists]
    assert all(one == names[0] for one in names)
    assert len(names[0]) == len(set(names[0])) == MANY
    assert owner.pages("alerts", "list") == [100, 100, 50]


def test_an_alert_is_read_as_a_whole(owner: Owner, arm: Arm) -> None:
    location = arm.place["location"]
    name = owner.do("alerts", "list")[0]["name"]
    alert = owner.do("alerts", "get_subscription_level", location, name)
    assert owner.do("alerts", "get_resource_group_level", *owner.in_group(name)) == alert
    said = owner.properties(alert)
    assert said["systemAlertId"] == name
    assert (said["alertType"], said["compromisedEntity"], said["severity"]) == (ALERT_TYPE, "w-1", "Low")
    assert {one["type"] for one in said["entities"]} == {"host", "process"}
    assert {one["type"] for one in said["resourceIdentifiers"]} == {"AzureResource", "LogAnalytics"}
    assert said["extendedProperties"]["DeviceId"] == "w-1"
    if owner.is_python:  # JavaScript's version of the API is older
        assert said["supportingEvidence"]["type"] == "tabularEvidences"
    missing = owner.refused("alerts", "get_subscription_level", location, "nothing")
    assert (missing["status"], missing["code"]) == (404, "ResourceNotFound")


def test_alerts_are_moved_at_both_scopes(owner: Owner, arm: Arm) -> None:
    location = arm.place["location"]
    name = owner.do("alerts", "list")[0]["name"]
    states = {
        "dismiss": "Dismissed",
        "resolve": "Resolved",
        "in_progress": "InProgress",
        "activate": "Active",
    }
    if not owner.is_python:
        del states["in_progress"]  # its version of the API is older
    for word, state in states.items():
        for scope, found in (("subscription", (location, name)), ("resource_group", owner.in_group(name))):
            owner.do("alerts", f"update_{scope}_level_state_to_{word}", *found)
            alert = owner.do("alerts", "get_subscription_level", location, name)
            assert owner.properties(alert)["status"] == state
    error = owner.refused("alerts", "update_subscription_level_state_to_dismiss", location, "nothing")
    assert error["status"] == 404


def test_suppression_rules(owner: Owner) -> None:
    name = f"quiet-{owner.client}"
    version = "2019-01-01-preview"
    condition = {"field": "entities.process.commandline", "in": ["/opt/known"]}
    element = (
        {
            "$model": f"{version}:ScopeElement",
            "field": condition["field"],
            "additional_properties": {"in": condition["in"]},
        }
        if owner.is_python
        else condition
    )
    model = owner.model(
        f"{version}:AlertsSuppressionRule",
        alert_type=ALERT_TYPE,
        reason="FalsePositive",
        state="Enabled",
        comment="known",
        suppression_alerts_scope=owner.model(f"{version}:SuppressionAlertsScope", all_of=[element]),
    )
    made = owner.do("alerts_suppression_rules", "update", name, model)
    assert owner.properties(made)["suppressionAlertsScope"]["allOf"] == [condition]
    assert owner.do("alerts_suppression_rules", "get", name) == made
    assert name in [one["name"] for one in owner.do("alerts_suppression_rules", "list")]
    owner.do("alerts_suppression_rules", "delete", name)
    owner.do("alerts_suppression_rules", "delete", name)
    assert owner.refused("alerts_suppression_rules", "get", name)["status"] == 404


def test_solutions(owner: Owner, arm: Arm) -> None:
    scope = (arm.place["resource_group"], f"main-{owner.client}")
    made = owner.do(OF_SOLUTIONS, "create_or_update", *scope, solution(owner, arm, export=["RawEvents"]))
    assert owner.properties(made)["export"] == ["RawEvents"]
    assert owner.do(OF_SOLUTIONS, "get", *scope)["id"] == made["id"]
    assert scope[1] in [one["name"] for one in owner.do(OF_SOLUTIONS, "list_by_subscription")]
    listed = owner.do(OF_SOLUTIONS, "list_by_resource_group", scope[0])
    assert scope[1] in [one["name"] for one in listed]
    changes = owner.model(
        "UpdateIotSecuritySolutionData",
        tags={"foo": "bar"},
        user_defined_resources=owner.model(
            "UserDefinedResourcesProperties", query=QUERY, query_subscriptions=["x"]
        ),
        recommendations_configuration=[
            owner.model(
                "RecommendationConfigurationProperties",
                recommendation_type="IoT_OpenPorts",
                status="Disabled",
            )
        ],
    )
    changed = owner.do(OF_SOLUTIONS, "update", *scope, changes)
    assert changed["tags"] == {"foo": "bar"}
    configured = owner.properties(changed)["recommendationsConfiguration"]
    assert [one["recommendationType"] for one in configured if one["status"] == "Disabled"] == [
        "IoT_OpenPorts"
    ]
    owner.do(OF_SOLUTIONS, "delete", *scope)
    owner.do(OF_SOLUTIONS, "delete", *scope)
    assert owner.refused(OF_SOLUTIONS, "get", *scope)["status"] == 404


def test_analytics_and_aggregated_alerts(serving: Serving, owner: Owner, arm: Arm) -> None:
    scope = (arm.place["resource_group"], f"counted-{owner.client}")
    owner.do(OF_SOLUTIONS, "create_or_update", *scope, solution(owner, arm))
    model = owner.do("iot_security_solution_analytics", "get", *scope)
    assert owner.properties(model)["topAlertedDevices"][0] == {"deviceId": "w-1", "alertsCount": MANY}
    models = owner.do("iot_security_solution_analytics", "list", *scope)
    assert [one["name"] for one in models["value"]] == ["default"]
    found = owner.do(AGGREGATED, "list", *scope)
    assert sum(owner.properties(one)["count"] for one in found) == MANY
    name = found[0]["name"]
    assert name.startswith(f"{ALERT_TYPE}/")
    one = owner.do(AGGREGATED, "get", *scope, name)
    assert owner.properties(one)["aggregatedDateUtc"]
    owner.do(AGGREGATED, "dismiss", *scope, name)
    until(lambda: not serving.alerts(state="Active") or len(found) > 1, 30)
    assert owner.refused(AGGREGATED, "get", *scope, f"{ALERT_TYPE}/2001-01-01")["status"] == 404
    assert owner.do(RECOMMENDED, "list", *scope) == []
    owner.do(OF_SOLUTIONS, "delete", *scope)


def test_what_is_refused_is_an_error_of_its_class(starting: Callable[[], Owner], arm: Arm) -> None:
    stranger = starting().sign_in("no-token-of-ours")
    error = stranger.refused(OF_GROUPS, "list", hub(arm))
    assert (error["status"], error["code"]) == (401, "InvalidAuthenticationToken")
    if stranger.is_python:
        assert error["class"] == "ClientAuthenticationError"
    viewer = starting().sign_in(arm.token(f"viewer-{stranger.client}", [("viewer", None)]))
    assert "default" in [one["name"] for one in viewer.do(OF_GROUPS, "list", hub(arm))]
    error = viewer.refused(OF_GROUPS, "delete", hub(arm), "watched")
    assert (error["status"], error["code"]) == (403, "AuthorizationFailed")


def test_azure_identity_signs_in_by_a_token_s_id_and_secret(
    serving: Serving, starting: Callable[[], Owner], arm: Arm
) -> None:
    owner = starting()
    wanted = {"name": f"program-{owner.client}", "grants": [{"role": "administrator"}]}
    made = serving.admin.post("/v1/tokens", json=wanted).raise_for_status().json()
    owner.sign_in_by_secret(made["token_id"], made["token"])
    assert "watched" in [one["name"] for one in owner.do(OF_GROUPS, "list", hub(arm))]
    serving.admin.delete(f"/v1/tokens/{made['token_id']}").raise_for_status()
    assert owner.refused(OF_GROUPS, "list", hub(arm))["status"] == 401
