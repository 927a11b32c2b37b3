"""What people do about alerts: one by one and many at once, and never over somebody else's head."""

from typing import Any

import pytest
from tests.said import message, process
from tests.serving import Serving, until
from tests.web.api.people import somebody


@pytest.fixture(scope="module", autouse=True)
def groups(serving: Serving) -> None:
    for name in ("watched", "other"):
        rules = [{"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]}]
        body = {"members": {"globs": [f"{name[0]}-*"]}, "rules": rules}
        serving.admin.put(f"/v1/groups/{name}", json=body).raise_for_status()


def opened(serving: Serving, device_id: str, number: int = 1) -> list[Any]:
    """Return new alerts of a device, the one with the lowest value first."""
    serving.send(device_id, message(*(process(f"/opt/{number}") for number in range(number))))
    found = until(
        lambda: len(serving.alerts(device_id=device_id)) == number and serving.alerts(device_id=device_id)
    )
    return sorted(found, key=lambda alert: alert["value"])


def path(alert: Any, *parts: str) -> str:
    return "/".join(("/v1/alerts", alert["alert_id"], *parts))


def test_an_alert_is_given_to_somebody_found_by_that_and_given_back(serving: Serving) -> None:
    [alert] = opened(serving, "w-given")
    given = serving.admin.put(path(alert, "assignment"), json={"assigned_to": "anna"})
    assert given.json()["alert"]["assigned_to"] == "anna"
    step = given.json()["history"][-1]
    assert (step["action"], step["before"], step["after"]) == ("assign", "Active", "Active")
    ids = {one["alert_id"] for one in serving.alerts(assigned_to="anna")}
    assert ids == {alert["alert_id"]}
    assert alert["alert_id"] not in {one["alert_id"] for one in serving.alerts(assigned_to="")}
    back = serving.admin.put(path(alert, "assignment"), json={"assigned_to": None})
    assert back.json()["alert"]["assigned_to"] is None
    assert alert["alert_id"] in {one["alert_id"] for one in serving.alerts(assigned_to="")}
    for wrong in ("x" * 129, "a\u202eb", " anna"):
        assert serving.admin.put(path(alert, "assignment"), json={"assigned_to": wrong}).status_code == 400
    assert serving.admin.put(path(alert, "assignment"), json={}).status_code == 400


def test_a_comment_stands_in_the_history_and_changes_nothing_else(serving: Serving) -> None:
    [alert] = opened(serving, "w-said")
    before = serving.admin.get(path(alert)).headers["etag"]
    answer = serving.admin.post(path(alert, "comments"), json={"comment": "asked the plant"})
    assert (answer.status_code, answer.headers["etag"]) == (201, before)
    step = answer.json()["history"][-1]
    assert (step["action"], step["comment"], step["actor"]) == (
        "comment",
        "asked the plant",
        "token/administrator",
    )
    for wrong in ({"comment": ""}, {"comment": "x" * 2001}, {}, {"comment": None}):
        assert serving.admin.post(path(alert, "comments"), json=wrong).status_code == 400


def test_whoever_has_not_seen_the_alert_as_it_is_changes_nothing(serving: Serving) -> None:
    [alert] = opened(serving, "w-raced")
    seen = {"If-Match": serving.admin.get(path(alert)).headers["etag"]}
    started = serving.admin.post(path(alert, "start"), json={}, headers=seen)
    assert started.status_code == 200
    assert started.headers["etag"] != seen["If-Match"]
    late = [
        serving.admin.post(path(alert, "resolve"), json={}, headers=seen),
        serving.admin.put(path(alert, "assignment"), json={"assigned_to": "ben"}, headers=seen),
        serving.admin.post(path(alert, "comments"), json={"comment": "x"}, headers=seen),
    ]
    assert [answer.status_code for answer in late] == [412, 412, 412]
    assert len(serving.admin.get(path(alert)).json()["history"]) == 2
    fresh = {"If-Match": started.headers["etag"]}
    assert serving.admin.post(path(alert, "resolve"), json={}, headers=fresh).status_code == 200
    assert serving.admin.post(path(alert, "activate"), json={}, headers={"If-Match": "*"}).status_code == 200


def test_more_of_the_same_does_not_make_what_was_seen_stale(serving: Serving) -> None:
    [alert] = opened(serving, "w-again")
    seen = {"If-Match": serving.admin.get(path(alert)).headers["etag"]}
    serving.send("w-again", message(process("/opt/0")))
    serving.settle()
    assert serving.admin.get(path(alert)).json()["alert"]["count"] == 2
    assert serving.admin.post(path(alert, "resolve"), json={}, headers=seen).status_code == 200


def test_many_alerts_are_moved_at_once_and_each_says_what_became_of_it(serving: Serving) -> None:
    alerts = opened(serving, "w-many", 5)
    serving.admin.post(path(alerts[2], "resolve")).raise_for_status()
    ids = [alert["alert_id"] for alert in alerts]
    body = {"action": "dismiss", "alert_ids": [*ids, "none", ids[0]], "comment": "works"}
    results = serving.admin.post("/v1/alerts/actions", json=body).raise_for_status().json()["results"]
    assert [one["alert_id"] for one in results] == [*ids, "none", ids[0]]
    assert [one["state"] for one in results] == [
        "Dismissed",
        "Dismissed",
        None,
        "Dismissed",
        "Dismissed",
        None,
        None,
    ]
    assert "Resolved cannot dismiss" in results[2]["reason"]
    assert results[5]["reason"] == "there is no such alert"
    assert "Dismissed cannot dismiss" in results[6]["reason"]
    assert {one["state"] for one in serving.alerts(device_id="w-many")} == {"Dismissed", "Resolved"}
    history = serving.admin.get(path(alerts[0])).json()["history"]
    assert history[-1]["comment"] == "works"


def test_what_cannot_be_many_actions_is_refused_whole(serving: Serving) -> None:
    [alert] = opened(serving, "w-refused")
    ids = [alert["alert_id"]]
    wrong: list[Any] = [
        {"action": "resolve", "alert_ids": ids * 1001},
        {"action": "explode", "alert_ids": ids},
        {"action": "resolve", "alert_ids": ids, "comment": "x" * 2001},
        {"action": "resolve", "alert_ids": ["x" * 101]},
        {"action": "resolve"},
        {"action": "resolve", "alert_ids": ids, "also": 1},
    ]
    for body in wrong:
        assert serving.admin.post("/v1/alerts/actions", json=body).status_code == 400, body
    assert serving.admin.get(path(alert)).json()["alert"]["state"] == "Active"
    nothing = serving.admin.post("/v1/alerts/actions", json={"action": "resolve", "alert_ids": []})
    assert nothing.json() == {"results": []}


def test_an_analyst_works_on_the_alerts_of_their_groups_and_sees_no_others(serving: Serving) -> None:
    [theirs], [others] = opened(serving, "w-mine"), opened(serving, "o-not-mine")
    with somebody(serving, ("analyst", "watched")) as anna:
        assert anna.post(path(theirs, "start")).status_code == 200
        assert anna.put(path(theirs, "assignment"), json={"assigned_to": "anna"}).status_code == 200
        hidden = anna.post(path(others, "start"))
        assert (hidden.status_code, hidden.json()) == (404, anna.post("/v1/alerts/none/start").json())
        body = {"action": "resolve", "alert_ids": [others["alert_id"], "none", theirs["alert_id"]]}
        results = anna.post("/v1/alerts/actions", json=body).json()["results"]
        assert [(one["state"], one["reason"]) for one in results] == [
            (None, "there is no such alert"),
            (None, "there is no such alert"),
            ("Resolved", None),
        ]
    assert serving.admin.get(path(others)).json()["alert"]["state"] == "Active"


def test_a_viewer_moves_nothing(serving: Serving) -> None:
    [alert] = opened(serving, "w-looked-at")
    with somebody(serving, ("viewer", "watched"), ("analyst", "other")) as viewer:
        assert viewer.get(path(alert)).status_code == 200
        refused = [
            viewer.post(path(alert, "resolve")),
            viewer.put(path(alert, "assignment"), json={"assigned_to": "me"}),
            viewer.post(path(alert, "comments"), json={"comment": "x"}),
        ]
        assert [one.status_code for one in refused] == [403, 403, 403]
        body = {"action": "resolve", "alert_ids": [alert["alert_id"]]}
        [result] = viewer.post("/v1/alerts/actions", json=body).json()["results"]
        assert "analyst" in result["reason"]
    assert serving.admin.get(path(alert)).json()["alert"]["state"] == "Active"
