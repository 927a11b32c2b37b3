"""Rules by which alerts are dismissed as they open."""

from typing import Any

import pytest
from tests.said import message, process
from tests.serving import Serving, until
from tests.web.api.people import somebody

RULE = {
    "alert_type": "IoT_CA_ProcessNotAllowed",
    "reason": "Works",
    "conditions": [{"field": "alert.deviceId", "contains": ["gate-"]}],
}


@pytest.fixture(scope="module", autouse=True)
def group(serving: Serving) -> None:
    rules = [{"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]}]
    body = {"members": {"globs": ["*"]}, "rules": rules}
    serving.admin.put("/v1/groups/all", json=body).raise_for_status()


def put(serving: Serving, name: str, body: Any, **headers: str) -> Any:
    return serving.admin.put(f"/v1/suppressions/{name}", json=body, headers=headers)


def test_S29_an_alert_that_fits_is_dismissed_as_it_opens_until_the_rule_is_gone(serving: Serving) -> None:
    assert put(serving, "works", RULE).status_code == 201
    serving.send("gate-1", message(process("/opt/a")))
    serving.send("shed-1", message(process("/opt/a")))
    assert until(lambda: serving.alerts(device_id="gate-1"))[0]["state"] == "Dismissed"
    assert until(lambda: serving.alerts(device_id="shed-1"))[0]["state"] == "Active"
    assert serving.admin.delete("/v1/suppressions/WORKS").status_code == 204
    assert serving.admin.delete("/v1/suppressions/works").status_code == 404
    serving.send("gate-1", message(process("/opt/b")))
    until(lambda: serving.alerts(device_id="gate-1", text="/opt/b", state="Active"))


def test_a_rule_is_read_replaced_and_put_again_as_it_is_shown(serving: Serving) -> None:
    made = put(serving, "Read", RULE)
    read = serving.admin.get("/v1/suppressions/read")
    assert read.json() == made.json()
    assert (read.json()["name"], read.json()["state"], read.json()["enabled"]) == ("Read", "Enabled", True)
    again = put(serving, "read", read.json())
    assert (again.status_code, again.json(), again.headers["etag"]) == (
        200,
        read.json(),
        read.headers["etag"],
    )
    past = put(serving, "read", {**RULE, "expires_at": "2020-01-01T00:00:00Z"})
    assert past.json()["state"] == "Expired"
    assert put(serving, "read", {**RULE, "enabled": False}).json()["state"] == "Disabled"
    names = [one["name"] for one in serving.admin.get("/v1/suppressions").json()["items"]]
    assert "Read" in names
    assert serving.admin.get("/v1/suppressions/nowhere").status_code == 404


def test_all_problems_of_a_rule_are_named_in_the_words_of_this_api(serving: Serving) -> None:
    conditions = [{"field": "alert.nonsense", "among": ["x"]}, {"field": "alert.deviceId"}]
    answer = put(serving, "wrong", {"alert_type": " ", "reason": "x", "conditions": conditions})
    assert answer.status_code == 400
    assert {one["path"] for one in answer.json()["problems"]} == {
        "alert_type",
        "conditions[0].field",
        "conditions[1]",
    }
    assert "`among`" in answer.text
    for body in (
        {},
        {**RULE, "more": 1},
        {**RULE, "expires_at": "2026-01-01T00:00:00"},
        {**RULE, "name": "else"},
    ):
        assert put(serving, "wrong", body).status_code == 400
    assert put(serving, "a%E2%80%AEb", RULE).status_code == 400
    assert serving.admin.get("/v1/suppressions/wrong").status_code == 404


def test_two_editors_of_a_rule_do_not_overwrite_each_other_unseen(serving: Serving) -> None:
    seen = {"If-Match": put(serving, "raced", RULE).headers["etag"]}
    assert put(serving, "raced", {**RULE, "comment": "mine"}, **seen).status_code == 200
    assert put(serving, "raced", {**RULE, "comment": "theirs"}, **seen).status_code == 412
    assert serving.admin.delete("/v1/suppressions/raced", headers=seen).status_code == 412
    assert put(serving, "raced", RULE, **{"If-None-Match": "*"}).status_code == 412
    assert put(serving, "not-there", RULE, **{"If-Match": "*"}).status_code == 404
    assert serving.admin.get("/v1/suppressions/raced").json()["comment"] == "mine"


def test_rules_are_for_those_who_see_everything(serving: Serving) -> None:
    put(serving, "secret", RULE)
    with somebody(serving, ("administrator", "all")) as restricted:
        assert restricted.get("/v1/suppressions").status_code == 403
        assert restricted.get("/v1/suppressions/secret").status_code == 403
        assert restricted.put("/v1/suppressions/secret", json=RULE).status_code == 403
    with somebody(serving, ("viewer", None)) as viewer:
        assert viewer.get("/v1/suppressions/secret").status_code == 200
        assert viewer.put("/v1/suppressions/secret", json=RULE).status_code == 403
        assert viewer.delete("/v1/suppressions/secret").status_code == 403
