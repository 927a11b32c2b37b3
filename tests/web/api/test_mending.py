"""Mending the list from the alert: looked at first, then done, then undone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.said import call, failed_login, message, process
from tests.serving import Serving, until
from tests.web.api.people import somebody

CAMERAS = [
    {"type": "ConnectionToIpNotAllowed", "allow": ["10.0.0.0/8"]},
    {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]},
    {"type": "FailedLocalLoginsNotInAllowedRange", "min": 0, "max": 3, "window": "PT5M"},
]


@pytest.fixture(autouse=True)
def groups(serving: Serving) -> None:
    serving.admin.put("/v1/fleet", json={"rules": []}).raise_for_status()
    for name in ("cameras", "doors"):
        body = {"members": {"globs": [f"{name[0]}-*"]}, "rules": CAMERAS}
        serving.admin.put(f"/v1/groups/{name}", json=body).raise_for_status()


def one(serving: Serving, device_id: str, value: str) -> str:
    serving.send(device_id, message(call(value) if value[0].isdigit() else process(value)))
    found = until(lambda: serving.alerts(device_id=device_id, text=value, state="Active"), 30)
    return str(found[0]["alert_id"])


def allow(serving: Serving, alert_id: str, query: str = "", **wish: Any) -> Any:
    return serving.admin.post(f"/v1/alerts/{alert_id}/allow{query}", json=wish)


def state(serving: Serving, alert_id: str) -> str:
    return str(serving.admin.get(f"/v1/alerts/{alert_id}").json()["alert"]["state"])


def test_the_choices_are_the_value_and_wider_forms_in_words(serving: Serving) -> None:
    alert_id = one(serving, "c-choices", "203.0.113.7")
    items = serving.admin.get(f"/v1/alerts/{alert_id}/allow").json()["items"]
    forms = {item["form"]: item["entry"] for item in items}
    assert forms["exact"] == "203.0.113.7"
    assert forms["network"] == "203.0.113.0/24"
    assert all(item["covers"] for item in items)


def test_a_preview_says_what_would_change_and_changes_nothing(serving: Serving) -> None:
    first = one(serving, "c-preview-1", "198.51.100.7")
    second = one(serving, "c-preview-2", "198.51.100.9")
    one(serving, "d-preview", "198.51.100.7")
    before = serving.admin.get("/v1/groups/cameras").json()
    answer = allow(serving, first, "?preview=true&days=30", scope="group", form="network").json()
    assert (answer["scope"], answer["subject"], answer["entry"]) == ("group", "cameras", "198.51.100.0/24")
    assert {*answer["resolves"]} == {first, second}
    assert (answer["resolves_count"], answer["events"], answer["days"]) == (2, 2, 30)
    assert serving.admin.get("/v1/groups/cameras").json() == before
    assert state(serving, first) == "Active"
    assert "audit" not in answer


def test_a_list_is_mended_for_a_while_and_says_by_whom_why_and_from_which_alert(serving: Serving) -> None:
    alert_id = one(serving, "c-mended", "203.0.113.20")
    now = datetime.now(UTC)
    done = allow(serving, alert_id, scope="group", reason="the vendor's", **{"for": "P30D"}).json()
    assert (done["changed"], done["resolved"]) == (True, [alert_id])
    assert state(serving, alert_id) == "Resolved"
    [note] = serving.admin.get("/v1/groups/cameras").json()["rules"][0]["notes"]
    assert (note["entry"], note["by"], note["reason"]) == (
        "203.0.113.20",
        "token/administrator",
        "the vendor's",
    )
    assert note["alert_id"] == alert_id
    assert timedelta(days=29) < datetime.fromisoformat(note["until"]) - now < timedelta(days=31)
    again = allow(serving, alert_id, scope="group", **{"for": "P1D"}).json()
    assert again["changed"] is False, "it is there already, for longer"


def test_what_was_allowed_is_undone_and_the_alerts_are_active_again(serving: Serving) -> None:
    alert_id = one(serving, "c-undone", "203.0.113.30")
    allow(serving, alert_id, scope="group").raise_for_status()
    undone = serving.admin.post(f"/v1/alerts/{alert_id}/allow/undo").json()
    assert undone["reopened"] == [alert_id]
    assert undone["edits"][0]["removed"] == ["203.0.113.30"]
    assert state(serving, alert_id) == "Active"
    assert serving.admin.get("/v1/groups/cameras").json()["rules"][0]["allow"] == ["10.0.0.0/8"]
    assert serving.admin.post(f"/v1/alerts/{alert_id}/allow/undo").status_code == 409


def test_scopes_are_the_device_its_group_and_the_fleet(serving: Serving) -> None:
    alerts = {name: one(serving, name, "/opt/scoped") for name in ("c-scope-1", "c-scope-2", "d-scope")}
    allow(serving, alerts["c-scope-1"], scope="device").raise_for_status()
    assert [state(serving, one) for one in alerts.values()] == ["Resolved", "Active", "Active"]
    own = serving.admin.get("/v1/devices/c-scope-1/overrides").json()["rules"]
    assert own[0]["allow"] == ["/opt/scoped"]
    allow(serving, alerts["c-scope-2"], scope="fleet").raise_for_status()
    assert [state(serving, one) for one in alerts.values()] == ["Resolved"] * 3
    fleet = serving.admin.get("/v1/fleet").json()["rules"]
    assert fleet[0]["allow"] == ["/opt/scoped"]


@pytest.mark.parametrize(
    ("wish", "paths"),
    [
        ({"scope": "group", "entry": "10.1.1.1", "form": "exact"}, ["form"]),
        ({"scope": "group", "form": "hash"}, ["form"]),
        ({"scope": "group", "entry": "nowhere"}, ["entry"]),
        ({"scope": "group", "for": "30d"}, ["for"]),
        ({"scope": "group", "for": "P1D", "until": "2036-01-01T00:00:00Z"}, ["for"]),
        ({"scope": "group", "for": "P900000000D"}, ["for"]),
        ({"scope": "group", "for": "-P1D"}, ["until"]),
        ({"scope": "group", "until": "2020-01-01T00:00:00Z"}, ["until"]),
        ({"scope": "planet"}, ["scope"]),
        ({"scope": "group", "reason": "a\u202eb"}, ["reason"]),
        ({}, ["scope"]),
    ],
)
def test_a_wish_that_cannot_be_says_why_and_changes_nothing(
    serving: Serving, wish: dict[str, Any], paths: list[str]
) -> None:
    alert_id = one(serving, "c-wrong", "203.0.113.40")
    before = serving.admin.get("/v1/groups/cameras").json()
    for query in ("", "?preview=true"):
        answer = allow(serving, alert_id, query, **wish)
        assert answer.status_code == 400, answer.text
        assert [problem["path"] for problem in answer.json()["problems"]] == paths
    assert serving.admin.get("/v1/groups/cameras").json() == before
    assert state(serving, alert_id) == "Active"


def test_an_entry_that_does_not_hold_the_value_is_refused(serving: Serving) -> None:
    alert_id = one(serving, "c-beside", "203.0.113.41")
    assert allow(serving, alert_id, scope="group", entry="192.0.2.1").status_code in (400, 409)
    assert state(serving, alert_id) == "Active"


def test_a_range_has_no_list_to_mend(serving: Serving) -> None:
    serving.send("c-range", message(*(failed_login() for _ in range(5))))
    alert = until(lambda: serving.alerts(device_id="c-range"))[0]
    answer = allow(serving, alert["alert_id"], scope="group")
    assert (answer.status_code, "bounds" in answer.json()["detail"]) == (409, True)
    assert serving.admin.get(f"/v1/alerts/{alert['alert_id']}/allow").status_code == 409


def test_days_have_bounds(serving: Serving) -> None:
    alert_id = one(serving, "c-days", "203.0.113.42")
    for days in (0, 91, "x"):
        answer = allow(serving, alert_id, f"?preview=true&days={days}", scope="group")
        assert (answer.status_code, answer.json()["problems"][0]["path"]) == (400, "days")


def test_an_analyst_mends_for_their_devices_and_their_group_and_not_for_the_fleet(serving: Serving) -> None:
    alert_id, other = one(serving, "c-analyst", "203.0.113.50"), one(serving, "d-analyst", "203.0.113.50")
    with somebody(serving, ("analyst", "cameras")) as anna:
        path = f"/v1/alerts/{alert_id}/allow"
        assert anna.post(path, json={"scope": "fleet"}).status_code == 403
        assert anna.post(f"{path}?preview=true", json={"scope": "fleet"}).status_code == 403
        assert anna.post(f"/v1/alerts/{other}/allow", json={"scope": "group"}).status_code == 404
        assert anna.get(f"/v1/alerts/{other}/allow").status_code == 404
        assert anna.post(path, json={"scope": "group"}).json()["resolved"] == [alert_id]
        assert anna.post(f"{path}/undo").json()["reopened"] == [alert_id]
    with somebody(serving, ("viewer", "cameras"), ("analyst", "doors")) as viewer:
        assert viewer.post(path, json={"scope": "group"}).status_code == 403
        assert viewer.post(f"{path}?preview=true", json={"scope": "group"}).status_code == 403
        assert viewer.get(path).status_code == 200


def test_an_analyst_does_not_undo_what_was_allowed_for_the_fleet(serving: Serving) -> None:
    alert_id = one(serving, "c-fleet", "203.0.113.60")
    allow(serving, alert_id, scope="fleet").raise_for_status()
    with somebody(serving, ("analyst", "cameras")) as anna:
        assert anna.post(f"/v1/alerts/{alert_id}/allow/undo").status_code == 409
    assert serving.admin.get("/v1/fleet").json()["rules"][0]["allow"] == ["203.0.113.60"]
    serving.admin.post(f"/v1/alerts/{alert_id}/allow/undo").raise_for_status()
    assert serving.admin.get("/v1/fleet").json()["rules"] == []


def test_a_device_that_has_left_the_group_is_no_longer_the_analysts(serving: Serving) -> None:
    alert_id = one(serving, "c-moved", "/opt/moved")
    serving.admin.put("/v1/devices/c-moved", json={"SecurityGroup": "doors"}).raise_for_status()
    with somebody(serving, ("analyst", "cameras")) as anna:
        answer = anna.post(f"/v1/alerts/{alert_id}/allow", json={"scope": "device"})
        assert answer.status_code == 404
    assert serving.admin.get("/v1/devices/c-moved/overrides").json()["rules"] == []


def test_a_preview_does_not_tell_from_whose_alert_the_fleets_entries_came(serving: Serving) -> None:
    hidden, theirs = one(serving, "d-told", "203.0.113.70"), one(serving, "c-told", "203.0.113.70")
    allow(serving, hidden, scope="fleet").raise_for_status()
    path = f"/v1/alerts/{theirs}/allow?preview=true"
    assert (
        serving.admin.post(path, json={"scope": "group"}).json()["covering"][0]["note"]["alert_id"] == hidden
    )
    with somebody(serving, ("analyst", "cameras")) as anna:
        [covering] = anna.post(path, json={"scope": "group"}).json()["covering"]
    assert (covering["origin"], covering["entry"]) == ("fleet", "203.0.113.70")
    assert covering["note"]["alert_id"] is None


def test_an_analyst_undoes_nothing_on_the_list_of_the_group_that_a_device_had_before(
    serving: Serving,
) -> None:
    alert_id = one(serving, "c-went", "/opt/went")
    path = f"/v1/alerts/{alert_id}"
    allow(serving, alert_id, scope="group").raise_for_status()
    serving.admin.post(f"{path}/activate").raise_for_status()
    serving.admin.put("/v1/devices/c-went", json={"SecurityGroup": "doors"}).raise_for_status()
    until(lambda: serving.admin.get(path).json()["alert"]["group"] == "doors", 30)
    with somebody(serving, ("analyst", "doors")) as anna:
        answer = anna.post(f"{path}/allow/undo")
    assert answer.status_code == 409
    assert "cameras" not in answer.text
    rules = serving.admin.get("/v1/groups/cameras").json()["rules"]
    assert ["/usr/bin/*", "/opt/went"] in [rule.get("allow") for rule in rules]
    [edit] = serving.admin.post(f"{path}/allow/undo").raise_for_status().json()["edits"]
    assert (edit["subject"], edit["removed"]) == ("cameras", ["/opt/went"])
