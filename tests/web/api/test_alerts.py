"""Alerts over the API: found, read with their history, and moved by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.said import failed_login, message, process
from tests.serving import Serving, until


@pytest.fixture(scope="module", autouse=True)
def groups(serving: Serving) -> None:
    rules = [
        {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]},
        {
            "type": "FailedLocalLoginsNotInAllowedRange",
            "min": 0,
            "max": 3,
            "window": "PT5M",
            "severity": "High",
        },
    ]
    serving.admin.put("/v1/groups/watched", json={"members": {"globs": ["w-*"]}, "rules": rules})


def one(serving: Serving, device_id: str) -> Any:
    return until(lambda: serving.alerts(device_id=device_id))[0]


def act(serving: Serving, alert: Any, action: str, **body: Any) -> Any:
    return serving.admin.post(f"/v1/alerts/{alert['alert_id']}/{action}", json=body)


def test_S04_an_alert_is_there_at_once_and_says_why(serving: Serving) -> None:
    serving.send("w-1", message(process("/opt/x/miner")))
    alert = one(serving, "w-1")
    assert (alert["rule_type"], alert["value"], alert["state"]) == (
        "ProcessNotAllowed",
        "/opt/x/miner",
        "Active",
    )
    assert "/opt/x/miner" in alert["description"]
    assert alert["allowing_entry"] == "/opt/x/miner"
    assert alert["evidence"][0]["facts"]["Executable"] == "/opt/x/miner"


def test_S20_more_of_the_same_raises_the_count(serving: Serving) -> None:
    for _ in range(3):
        serving.send("w-2", message(process("/opt/again")))
    serving.settle()
    assert [alert["count"] for alert in serving.alerts(device_id="w-2")] == [3]


def test_S09_a_redelivered_message_counts_once(serving: Serving) -> None:
    body = message(process("/opt/once"))
    for _ in range(3):
        serving.send("w-3", body)
    serving.settle()
    assert [alert["count"] for alert in serving.alerts(device_id="w-3")] == [1]
    tallies = serving.admin.get("/v1/devices/w-3").json()["tallies"]
    assert [(tally["kind"], tally["subject"], tally["count"]) for tally in tallies] == [
        ("duplicate", "message", 2)
    ]


def test_S21_the_life_of_an_alert_by_hand_with_its_history(serving: Serving) -> None:
    serving.send("w-4", message(process("/opt/life")))
    alert = one(serving, "w-4")
    assert act(serving, alert, "start").json()["alert"]["state"] == "InProgress"
    resolved = act(serving, alert, "resolve", comment="the vendor's update").json()
    assert resolved["alert"]["state"] == "Resolved"
    steps = [(step["action"], step["before"], step["after"], step["actor"]) for step in resolved["history"]]
    assert steps == [
        ("open", None, "Active", "fencepost"),
        ("start", "Active", "InProgress", "token/administrator"),
        ("resolve", "InProgress", "Resolved", "token/administrator"),
    ]
    assert resolved["history"][2]["comment"] == "the vendor's update"
    assert act(serving, alert, "activate", comment="x" * 2001).status_code == 400, "it is not cut in silence"
    refused = act(serving, alert, "dismiss")
    assert refused.status_code == 409
    assert refused.json()["detail"] == "an alert that is Resolved cannot dismiss"
    serving.send("w-4", message(process("/opt/life")))
    serving.settle()
    newer, older = serving.alerts(device_id="w-4")
    assert newer["previous_id"] == older["alert_id"]


def test_alerts_are_sorted_as_asked_and_a_place_is_of_one_order_only(serving: Serving) -> None:
    serving.send(
        "w-sort", message(*(failed_login() for _ in range(5)), process("/opt/s-1"), process("/opt/s-2"))
    )
    serving.settle()

    def sorted_by(sort: str) -> list[Any]:
        return serving.alerts(device_id="w-sort", sort=sort)

    assert [one["severity"] for one in sorted_by("-severity")] == ["High", "Low", "Low"]
    assert [one["severity"] for one in sorted_by("severity")] == ["Low", "Low", "High"]
    for key in ("started_at", "last_seen_at"):
        assert [one[key] for one in sorted_by(key)] == sorted(one[key] for one in sorted_by(key))
        assert [one[key] for one in sorted_by(f"-{key}")] == sorted(
            (one[key] for one in sorted_by(key)), reverse=True
        )
    page = serving.admin.get("/v1/alerts?device_id=w-sort&limit=1&sort=severity").json()
    wrong = serving.admin.get(f"/v1/alerts?device_id=w-sort&limit=1&sort=started_at&after={page['next']}")
    assert (wrong.status_code, wrong.json()["problems"][0]["path"]) == (400, "after")
    assert serving.admin.get("/v1/alerts?sort=nonsense").status_code == 400


def test_an_alert_that_is_not_there_is_not_found(serving: Serving) -> None:
    for method, path in [("GET", "/v1/alerts/none"), ("POST", "/v1/alerts/none/resolve")]:
        assert serving.admin.request(method, path).status_code == 404
    serving.send("w-5", message(process("/opt/action")))
    alert = one(serving, "w-5")
    assert act(serving, alert, "explode").status_code in (400, 404)


def test_alerts_are_found_by_what_they_are(serving: Serving) -> None:
    serving.send("w-find", message(*(failed_login() for _ in range(5))), message(process("/opt/find-me")))
    serving.settle()
    assert {alert["severity"] for alert in serving.alerts(device_id="w-find")} == {"High", "Low"}
    found = serving.alerts(device_id="w-find", severity="High")
    assert [alert["rule_type"] for alert in found] == ["FailedLocalLoginsNotInAllowedRange"]
    assert [alert["value"] for alert in serving.alerts(text="find-me")] == ["/opt/find-me"]
    assert serving.alerts(device_id="w-find", state="Resolved") == []
    assert len(serving.alerts(device_id="w-find", state=["Active", "Resolved"])) == 2
    assert serving.alerts(group="WATCHED", device_id="w-find", rule_type="ProcessNotAllowed")
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert serving.alerts(since=ahead) == []
    assert len(serving.alerts(device_id="w-find", until=ahead)) == 2


def test_S20_one_alert_of_an_identity_is_open_at_a_time(serving: Serving) -> None:
    for _ in range(2):
        serving.send("w-twins", message(process("/opt/twins")))
        serving.settle()
        newest = serving.alerts(device_id="w-twins")[0]
        act(serving, newest, "resolve")
    newer, older = serving.alerts(device_id="w-twins")
    assert act(serving, newer, "activate").status_code == 200
    refused = act(serving, older, "activate")
    assert refused.status_code == 409
    assert newer["alert_id"] in refused.json()["detail"]


def test_pages_hold_every_alert_once(serving: Serving) -> None:
    serving.send("w-pages", message(*(process(f"/opt/page-{number}") for number in range(25))))
    serving.settle()
    seen: list[str] = []
    after = None
    while True:
        asked: dict[str, str | int] = {
            "device_id": "w-pages",
            "limit": 7,
            **({"after": after} if after else {}),
        }
        page = serving.admin.get("/v1/alerts", params=asked).json()
        seen += [alert["alert_id"] for alert in page["items"]]
        if (after := page["next"]) is None:
            break
    assert len(seen) == len(set(seen)) == 25


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "state=Nope", "since=yesterday", "since=2026-01-01T00:00:00", "after=x"],
)
def test_a_question_that_cannot_be_answered_says_why(serving: Serving, query: str) -> None:
    answer = serving.admin.get(f"/v1/alerts?{query}")
    assert answer.status_code == 400
    assert query.split("=", maxsplit=1)[0] in answer.text
