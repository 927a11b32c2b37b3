"""Who changed what, found by who, what and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.serving import Serving
from tests.web.api.people import somebody


@pytest.fixture(scope="module", autouse=True)
def changes(serving: Serving) -> None:
    for name in ("north", "south"):
        serving.admin.put(f"/v1/groups/{name}", json={"rules": []}).raise_for_status()
    serving.admin.put(
        "/v1/fleet", json={"rules": [{"type": "ProcessDenied", "deny": ["/x"]}]}
    ).raise_for_status()
    serving.admin.delete("/v1/groups/south").raise_for_status()


def found(serving: Serving, **wanted: Any) -> list[tuple[str, str]]:
    items = serving.admin.get("/v1/audit", params=wanted).raise_for_status().json()["items"]
    return [(one["action"], one["subject"]) for one in items]


def test_the_audit_is_found_by_actor_action_subject_and_time(serving: Serving) -> None:
    assert found(serving, subject="group/south") == [("delete", "group/south"), ("put", "group/south")]
    assert found(serving, subject="group/south", action="delete") == [("delete", "group/south")]
    assert ("put", "layer/fleet") in found(serving, actor="token/administrator")
    assert found(serving, actor="user/nobody") == []
    assert len(found(serving, subject="group/")) >= 3
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert found(serving, since=ahead) == []
    assert found(serving, until=ahead, subject="layer/fleet") == [("put", "layer/fleet")]


def test_pages_go_on_with_the_same_question(serving: Serving) -> None:
    whole = found(serving, action="put")
    first = serving.admin.get("/v1/audit?action=put&limit=1").json()
    rest = serving.admin.get(f"/v1/audit?action=put&after={first['next']}").json()
    seen = [(one["action"], one["subject"]) for one in [*first["items"], *rest["items"]]]
    assert seen == whole


def test_the_audit_is_for_administrators_of_everything(serving: Serving) -> None:
    with somebody(serving, ("administrator", "north"), ("viewer", None)) as anna:
        assert anna.get("/v1/audit").status_code == 403
    assert serving.admin.get("/v1/audit?since=yesterday").status_code == 400


def test_a_record_says_what_stood_there_before_and_after(serving: Serving) -> None:
    serving.admin.put("/v1/groups/north", json={"description": "new"}).raise_for_status()
    record = serving.admin.get("/v1/audit?subject=group/north&limit=1").json()["items"][0]
    assert (record["before"]["description"], record["after"]["description"]) == ("", "new")
    assert (record["before"]["version"], record["after"]["version"]) == (1, 2)
