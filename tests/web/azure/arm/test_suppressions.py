"""`alertsSuppressionRules` of a running service."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.said import message, process
from tests.serving import Serving, until
from tests.web.azure.arm.calling import Arm, problems, refusal

LATER = datetime.now(UTC) + timedelta(days=30)
EARLIER = datetime.now(UTC) - timedelta(days=1)


def rule(**said: Any) -> dict[str, Any]:
    usual = {"alertType": "IoT_CA_ProcessNotAllowed", "reason": "FalsePositive", "state": "Enabled"}
    return {"properties": {**usual, **said}}


def scope(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"suppressionAlertsScope": {"allOf": [*conditions]}}


def test_a_rule_is_made_read_listed_and_deleted(arm: Arm) -> None:
    path = f"{arm.suppressions}/quiet"
    assert refusal(arm.call("GET", path)) == (404, "ResourceNotFound")
    condition = {"field": "entities.process.commandline", "in": ["/opt/a"], "contains": "b"}
    made = arm.call("PUT", path, rule(comment="test", **scope(condition)))
    assert made.status_code == 200
    assert made.json()["id"] == path
    said = made.json()["properties"]
    assert (said["state"], said["comment"]) == ("Enabled", "test")
    assert said["suppressionAlertsScope"]["allOf"] == [condition]
    assert "expirationDateUtc" not in said
    assert arm.get(f"{arm.suppressions}/QUIET") == made.json()
    assert arm.call("PUT", path, made.json()).json() == made.json(), "what is shown can be put"
    arm.call("PUT", f"{arm.suppressions}/all", rule(alertType="*", state="Disabled"))
    assert {one["name"] for one in arm.listed(arm.suppressions)} == {"quiet", "all"}
    listed = arm.listed(arm.suppressions, AlertType="iot_ca_processnotallowed")
    assert [one["name"] for one in listed] == ["quiet"]
    for name in ("quiet", "all"):
        assert arm.call("DELETE", f"{arm.suppressions}/{name}").status_code == 204
        assert arm.call("GET", f"{arm.suppressions}/{name}").status_code == 404
        assert arm.call("DELETE", f"{arm.suppressions}/{name}").status_code == 204


def test_both_spellings_of_times_are_read_and_one_is_written(arm: Arm) -> None:
    for name in ("expirationDateUTC", "expirationDateUtc"):
        said = arm.call("PUT", f"{arm.suppressions}/{name}", rule(**{name: LATER.isoformat()})).json()[
            "properties"
        ]
        assert said["expirationDateUtc"] == f"{LATER:%Y-%m-%dT%H:%M:%S.%f}0Z"
        assert said["lastModifiedUtc"].endswith("Z")
        assert not [key for key in said if key.endswith("UTC")]
        arm.call("DELETE", f"{arm.suppressions}/{name}").raise_for_status()


def test_the_first_of_all_days_is_written_with_four_digits(arm: Arm) -> None:
    """What programs send that know no time, such as those of .NET."""
    path, first = f"{arm.suppressions}/first", "0001-01-01T00:00:00.0000000Z"
    said = arm.call("PUT", path, rule(expirationDateUtc=first)).json()["properties"]
    assert said["expirationDateUtc"] == first
    arm.call("DELETE", path).raise_for_status()


def test_a_rule_that_is_over_says_so(arm: Arm) -> None:
    path = f"{arm.suppressions}/over"
    answer = arm.call("PUT", path, rule(expirationDateUtc=EARLIER.isoformat()))
    assert answer.json()["properties"]["state"] == "Expired"
    assert arm.call("PUT", path, answer.json()).status_code == 200, "what is shown can be put"
    assert [*problems(arm.call("PUT", path, rule(state="Expired")))] == ["properties.state"]


def test_an_alert_for_which_there_is_a_rule_is_dismissed_as_it_opens(serving: Serving, arm: Arm) -> None:
    body = {"rules": [{"type": "ProcessNotAllowed", "allow": []}]}
    serving.admin.put("/v1/groups/default", json=body).raise_for_status()
    condition = {"field": "entities.process.commandline", "contains": "/KNOWN"}
    arm.call("PUT", f"{arm.suppressions}/known", rule(**scope(condition))).raise_for_status()
    serving.send("s-1", message(process("/opt/known"), process("/opt/other"))).raise_for_status()
    alerts = until(lambda: found if len(found := serving.alerts(device_id="s-1")) == 2 else None, 30)
    assert {one["value"]: one["state"] for one in alerts} == {
        "/opt/known": "Dismissed",
        "/opt/other": "Active",
    }


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "properties"),
        ({"properties": {"reason": "x", "state": "Enabled"}}, "properties.alertType"),
        ({"properties": {"alertType": "*", "state": "Enabled"}}, "properties.reason"),
        (rule(state="On"), "properties.state"),
        (rule(expirationDateUtc="tomorrow"), "properties.expirationDateUtc"),
        (rule(**scope({"field": "x", "in": ["a"]})), "properties.suppressionAlertsScope.allOf[0].field"),
        (rule(**scope({"field": "alert.deviceId"})), "properties.suppressionAlertsScope.allOf[0]"),
        (rule(suppressionAlertsScope={"anyOf": []}), "properties.suppressionAlertsScope.allOf"),
        (rule(suppressionAlertsScope={}), "properties.suppressionAlertsScope.allOf"),
        (
            rule(**scope({"field": "alert.deviceId", "in": ["a"], "startsWith": "b"})),
            "properties.suppressionAlertsScope.allOf[0]",
        ),
        (
            rule(**scope({"field": "alert.deviceId", "in": [7]})),
            "properties.suppressionAlertsScope.allOf[0].in[0]",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_path(arm: Arm, body: Any, path: str) -> None:
    assert path in problems(arm.call("PUT", f"{arm.suppressions}/wrong", body))
    assert arm.call("GET", f"{arm.suppressions}/wrong").status_code == 404


def test_rules_are_an_administrator_s_of_everything(arm: Arm) -> None:
    arm.call("PUT", f"{arm.suppressions}/ours", rule())
    viewer = arm.as_other("viewer", ("viewer", None))
    one_group = arm.as_other("one group", ("administrator", "default"))
    assert "ours" in [one["name"] for one in viewer.listed(arm.suppressions)]
    assert viewer.get(f"{arm.suppressions}/ours")["name"] == "ours"
    for other in (viewer, one_group):
        for method in ("PUT", "DELETE"):
            answer = other.call(method, f"{arm.suppressions}/ours", rule(state="Disabled"))
            assert refusal(answer) == (403, "AuthorizationFailed")
    assert refusal(one_group.call("GET", arm.suppressions)) == (403, "AuthorizationFailed")
    assert refusal(one_group.call("GET", f"{arm.suppressions}/ours")) == (403, "AuthorizationFailed")
    assert arm.get(f"{arm.suppressions}/ours")["properties"]["state"] == "Enabled"
