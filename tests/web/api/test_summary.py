"""Alerts counted by what they have in common."""

from typing import Any

import pytest
from tests.said import call, failed_login, message, process
from tests.serving import Serving


@pytest.fixture(scope="module", autouse=True)
def alerts(serving: Serving) -> None:
    rules = [
        {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]},
        {"type": "ConnectionToIpNotAllowed", "allow": [], "severity": "Medium"},
        {
            "type": "FailedLocalLoginsNotInAllowedRange",
            "min": 0,
            "max": 3,
            "window": "PT5M",
            "severity": "High",
        },
    ]
    for name in ("north", "south"):
        body = {"members": {"globs": [f"{name}-*"]}, "rules": rules}
        serving.admin.put(f"/v1/groups/{name}", json=body).raise_for_status()
    for device_id in ("north-1", "north-2", "south-1"):
        serving.send(device_id, message(process("/opt/a"), process("/opt/b"), call("203.0.113.7")))
        serving.send(device_id, message(process("/opt/a")))
    serving.send("north-1", message(*(failed_login() for _ in range(5))))
    serving.settle()
    [first] = serving.alerts(device_id="north-1", text="/opt/a")
    serving.admin.post(f"/v1/alerts/{first['alert_id']}/resolve").raise_for_status()


def rows(serving: Serving, by: str, **wanted: Any) -> dict[str | None, tuple[int, int, int, int]]:
    """Return alerts, open ones, occurrences and devices by key."""
    answer = serving.admin.get("/v1/alerts/summary", params={"by": by, **wanted}).raise_for_status().json()
    assert answer["by"] == by
    return {
        row["key"]: (row["alerts"], row["open"], row["occurrences"], row["devices"])
        for row in answer["items"]
    }


def test_rows_have_the_numbers_of_alerts_open_ones_occurrences_and_devices(serving: Serving) -> None:
    assert rows(serving, "rule_type") == {
        "ProcessNotAllowed": (6, 5, 9, 3),
        "ConnectionToIpNotAllowed": (3, 3, 3, 3),
        "FailedLocalLoginsNotInAllowedRange": (1, 1, 5, 1),
    }
    assert rows(serving, "group") == {"north": (7, 6, 13, 2), "south": (3, 3, 4, 1)}
    assert rows(serving, "severity")["Medium"] == (3, 3, 3, 3)
    assert rows(serving, "state") == {"Active": (9, 9, 15, 3), "Resolved": (1, 0, 2, 1)}
    assert rows(serving, "value")["/opt/a"] == (3, 2, 6, 3)
    assert rows(serving, "device_id")["south-1"] == (3, 3, 4, 1)
    assert sum(row[0] for row in rows(serving, "day").values()) == 10


def test_the_filters_are_those_of_the_list(serving: Serving) -> None:
    assert rows(serving, "rule_type", group="SOUTH", state="Active") == {
        "ProcessNotAllowed": (2, 2, 3, 1),
        "ConnectionToIpNotAllowed": (1, 1, 1, 1),
    }
    assert rows(serving, "device_id", text="/opt/b", severity="Low", limit=2) in (
        {"north-1": (1, 1, 1, 1), "north-2": (1, 1, 1, 1)},
        {"north-2": (1, 1, 1, 1), "south-1": (1, 1, 1, 1)},
        {"north-1": (1, 1, 1, 1), "south-1": (1, 1, 1, 1)},
    )
    assert rows(serving, "group", since="2100-01-01T00:00:00Z") == {}


@pytest.mark.parametrize(
    ("query", "path"),
    [("", "by"), ("by=colour", "by"), ("by=group&limit=0", "limit"), ("by=group&since=now", "since")],
)
def test_a_question_that_cannot_be_answered_names_what_is_wrong(
    serving: Serving, query: str, path: str
) -> None:
    answer = serving.admin.get(f"/v1/alerts/summary?{query}")
    assert answer.status_code == 400
    assert path in answer.text
