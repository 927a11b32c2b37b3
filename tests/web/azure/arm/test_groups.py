"""`deviceSecurityGroups` of a running service."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.serving import Serving, until
from tests.web.azure.arm.calling import GROUPS, Arm, problems, refusal

CONNECTIONS = "ActiveConnectionsNotInAllowedRange"


def allowed(*entries: str, rule: str = "ProcessNotAllowed", enabled: bool = True) -> dict[str, Any]:
    listed = {"ruleType": rule, "isEnabled": enabled, "allowlistValues": entries}
    return {"properties": {"allowlistRules": [listed]}}


def window(size: str = "PT5M", **said: Any) -> dict[str, Any]:
    rule = {"ruleType": CONNECTIONS, "isEnabled": True, "minThreshold": 0, "maxThreshold": 9}
    return {"properties": {"timeWindowRules": [{**rule, "timeWindowSize": size, **said}]}}


def list_of(group: Any, rule: str = "ProcessNotAllowed") -> Any:
    rules = group["properties"]["allowlistRules"]
    return next(one["allowlistValues"] for one in rules if one["ruleType"] == rule)


def test_a_group_is_made_replaced_read_listed_and_deleted(arm: Arm) -> None:
    path = f"{arm.groups}/Floor-1"
    assert refusal(arm.call("GET", path)) == (404, "ResourceNotFound")
    made = arm.call("PUT", path, allowed("sshd"))
    assert (made.status_code, list_of(made.json())) == (201, ["sshd"])
    replaced = arm.call("PUT", f"{arm.groups}/FLOOR-1", window())
    assert (replaced.status_code, replaced.json()["name"]) == (200, "Floor-1")
    assert list_of(replaced.json()) == [], "what is left out is at its default"
    assert arm.get(f"{arm.groups}/floor-1") == replaced.json()
    assert replaced.json() in arm.listed(arm.groups)
    assert replaced.json()["id"] == path
    gone = arm.call("DELETE", path)
    assert (gone.status_code, gone.content) == (200, b"")
    assert arm.call("DELETE", path).status_code == 204
    assert arm.call("GET", path).status_code == 404


def test_the_default_group_is_there_and_stays(arm: Arm) -> None:
    assert "default" in [one["name"] for one in arm.listed(arm.groups)]
    assert refusal(arm.call("DELETE", f"{arm.groups}/default")) == (409, "Conflict")


def test_a_put_keeps_what_azure_cannot_say(serving: Serving, arm: Arm) -> None:
    ours = {
        "description": "second floor",
        "members": {"globs": ["f-*"]},
        "rules": [
            {"type": "ProcessDenied", "deny": ["miner"]},
            {"type": CONNECTIONS, "min": 0, "max": 3, "window": "PT1H", "severity": "High"},
        ],
    }
    serving.admin.put("/v1/groups/floor-2", json=ours).raise_for_status()
    assert arm.call("PUT", f"{arm.groups}/floor-2", window()).status_code == 200
    group = serving.admin.get("/v1/groups/floor-2").json()
    assert (group["description"], group["members"]["globs"]) == ("second floor", ["f-*"])
    denied, connections = group["rules"]
    assert (denied["type"], denied["deny"]) == ("ProcessDenied", ["miner"])
    assert (connections["max"], connections["window"], connections["severity"]) == (9, "PT5M", "High")


def test_what_only_azure_says_is_said_again(arm: Arm) -> None:
    path = f"{arm.groups}/floor-3"
    body = window("PT05M")
    threshold = {
        "ruleType": "ThresholdCustomAlertRule",
        "isEnabled": True,
        "minThreshold": 1,
        "maxThreshold": 2,
    }
    denials = {"ruleType": "DenylistCustomAlertRule", "isEnabled": True, "denylistValues": ["a"]}
    body["properties"] |= {"thresholdRules": [threshold], "denylistRules": [denials]}
    for answer in (arm.call("PUT", path, body).json(), arm.get(path)):
        rules = answer["properties"]
        assert rules["timeWindowRules"][0]["timeWindowSize"] == "PT05M"
        assert rules["thresholdRules"][0].items() >= threshold.items()
        assert rules["denylistRules"][0].items() >= denials.items()
    arm.call("PUT", path, window())
    rules = arm.get(path)["properties"]
    assert rules["timeWindowRules"][0]["timeWindowSize"] == "PT5M"
    assert (rules["thresholdRules"], rules["denylistRules"]) == ([], [])


def test_a_put_is_in_force_for_the_next_event(serving: Serving, arm: Arm) -> None:
    from tests.said import message, process  # noqa: PLC0415 - one test of devices among many of words

    serving.admin.put("/v1/groups/watched", json={"members": {"globs": ["w-*"]}}).raise_for_status()
    arm.call("PUT", f"{arm.groups}/watched", allowed("sshd")).raise_for_status()
    serving.send("w-1", message(process("/usr/sbin/sshd"), process("/opt/miner")))
    [alert] = until(lambda: serving.alerts(device_id="w-1"), 30)
    assert (alert["value"], alert["group"]) == ("/opt/miner", "watched")
    arm.call("PUT", f"{arm.groups}/watched", allowed("sshd", "miner")).raise_for_status()
    assert until(lambda: serving.alerts(device_id="w-1")[0]["state"] == "Resolved", 30)


@pytest.mark.parametrize("name", ["a%E2%80%AEb", "%20a", "a%0Ab", "a" * 129])
def test_a_name_that_deceives_is_refused(serving: Serving, arm: Arm, name: str) -> None:
    answer = serving.admin.put(f"{serving.url}{arm.groups}/{name}?api-version=2019-08-01", json={})
    assert [*problems(answer)] == ["name"]


def test_nothing_is_half_applied(arm: Arm) -> None:
    path = f"{arm.groups}/floor-4"
    arm.call("PUT", path, allowed("sshd"))
    body = allowed("other")
    body["properties"] |= window("5m")["properties"]
    answer = arm.call("PUT", path, body)
    assert [*problems(answer)] == ["properties.timeWindowRules[0].timeWindowSize"]
    assert list_of(arm.get(path)) == ["sshd"]
    assert arm.call("PUT", f"{arm.groups}/floor-5", body).status_code == 400
    assert arm.call("GET", f"{arm.groups}/floor-5").status_code == 404


@pytest.mark.parametrize("entry", ["10.0.0.7/8", "2001:db8::/32", "10.0.0.1-10.0.0.9", "::1"])
def test_addresses_are_taken_as_people_write_them(arm: Arm, entry: str) -> None:
    rule = "ConnectionToIpNotAllowed"
    answer = arm.call("PUT", f"{arm.groups}/floor-6", allowed(entry, rule=rule))
    assert list_of(answer.raise_for_status().json(), rule) == [entry]


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/33", "fe80::1%eth0", "fe80::1%eth0/64", "10.0.0", "any", " ", "10.0.0.9-10.0.0.1"]
)
def test_what_is_no_address_is_refused_with_its_place(arm: Arm, entry: str) -> None:
    body = allowed("10.0.0.1", entry, rule="ConnectionToIpNotAllowed")
    answer = arm.call("PUT", f"{arm.groups}/floor-6", body)
    assert [*problems(answer)] == ["properties.allowlistRules[0].allowlistValues[1]"]


def test_two_editors_at_once_lose_nothing_of_each_other(serving: Serving, arm: Arm) -> None:
    """One edits what Azure can say, the other what it cannot."""
    from threading import Thread  # noqa: PLC0415

    path = "/v1/groups/floor-7"
    serving.admin.put(path, json={}).raise_for_status()

    def describe() -> None:
        with serving.client(serving.admin.headers["Authorization"].removeprefix("Bearer ")) as client:
            for number in range(20):
                group = client.get(path)
                body = {"description": f"{number}", "rules": group.json()["rules"]}
                client.put(path, json=body, headers={"If-Match": group.headers["ETag"]})

    other = Thread(target=describe)
    other.start()
    codes = {arm.call("PUT", f"{arm.groups}/floor-7", allowed(f"p{n}")).status_code for n in range(20)}
    other.join()
    assert codes == {200}
    assert list_of(arm.get(f"{arm.groups}/floor-7")) == ["p19"]
    assert serving.admin.get(path).json()["description"] != ""


def test_many_who_put_a_group_at_once_are_all_answered(serving: Serving, arm: Arm) -> None:
    path = f"{arm.groups}/floor-8"
    threshold = {"ruleType": "ThresholdCustomAlertRule", "isEnabled": True, "minThreshold": 0}

    def put(number: int) -> int:
        body = allowed(f"p{number}")
        body["properties"]["thresholdRules"] = [{**threshold, "maxThreshold": number}]
        with serving.client(serving.admin.headers["Authorization"].removeprefix("Bearer ")) as client:
            return client.put(path, params={"api-version": GROUPS}, json=body).status_code

    with ThreadPoolExecutor(16) as threads:
        codes = sorted(threads.map(put, range(32)))
    assert codes == [*[200] * 31, 201]
    group = arm.get(path)
    [last] = list_of(group)
    assert last == f"p{group['properties']['thresholdRules'][0]['maxThreshold']}", "both are of one editor"
    arm.call("DELETE", path).raise_for_status()


def test_a_long_list_is_taken_and_read_again(arm: Arm) -> None:
    entries = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(100_000)]
    rule = "ConnectionToIpNotAllowed"
    answer = arm.call("PUT", f"{arm.groups}/long", allowed(*entries, rule=rule))
    assert answer.status_code == 201
    assert list_of(arm.get(f"{arm.groups}/long"), rule) == entries
    assert arm.call("DELETE", f"{arm.groups}/long").status_code == 200


def test_roles_decide_who_edits_what_and_nobody_hears_of_what_is_not_theirs(arm: Arm) -> None:
    for name in ("mine", "theirs"):
        arm.call("PUT", f"{arm.groups}/{name}", allowed("sshd"))
    viewer = arm.as_other("viewer", ("viewer", None))
    mine = arm.as_other("mine", ("administrator", "Mine"))
    watching = arm.as_other("watching", ("analyst", "mine"))

    assert viewer.get(f"{arm.groups}/theirs")["name"] == "theirs"
    for method in ("PUT", "DELETE"):
        assert refusal(viewer.call(method, f"{arm.groups}/mine", {})) == (403, "AuthorizationFailed")

    assert [one["name"] for one in mine.listed(arm.groups)] == ["mine"]
    assert mine.call("PUT", f"{arm.groups}/mine", allowed("sshd", "cron")).status_code == 200
    assert refusal(mine.call("DELETE", f"{arm.groups}/mine")) == (403, "AuthorizationFailed")
    unknown, foreign = f"{arm.groups}/unknown", f"{arm.groups}/theirs"
    for method in ("GET", "PUT", "DELETE"):
        one, other = (mine.call(method, path, {}) for path in (unknown, foreign))
        assert one.status_code == other.status_code in (403, 404)
        assert one.text.replace("unknown", "") == other.text.replace("theirs", "")

    assert watching.get(f"{arm.groups}/mine")["name"] == "mine"
    assert refusal(watching.call("PUT", f"{arm.groups}/mine", {})) == (403, "AuthorizationFailed")
    assert list_of(arm.get(f"{arm.groups}/mine")) == ["sshd", "cron"]
