"""One rule of a group by itself."""

import threading
from typing import Any

from tests.serving import Serving
from tests.web.api.people import somebody

RANGE = {"type": "FailedLocalLoginsNotInAllowedRange", "min": 0, "max": 5, "window": "PT10M"}
LIST = {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]}


def made(serving: Serving, name: str, *rules: Any) -> str:
    serving.admin.put(f"/v1/groups/{name}", json={"rules": rules}).raise_for_status()
    return f"/v1/groups/{name}/rules"


def test_rules_are_read_one_by_one_with_the_groups_etag(serving: Serving) -> None:
    rules = made(serving, "read", RANGE, LIST)
    answer = serving.admin.get(rules)
    assert [one["type"] for one in answer.json()["items"]] == [RANGE["type"], LIST["type"]]
    assert answer.headers["etag"] == '"1"'
    one = serving.admin.get(f"{rules}/ProcessNotAllowed")
    assert one.json() == {**LIST, "enabled": True}
    assert one.headers["etag"] == '"1"'
    missing = serving.admin.get(f"{rules}/LocalUserNotAllowed")
    assert (missing.status_code, "LocalUserNotAllowed" in missing.json()["detail"]) == (404, True)


def test_a_rule_is_made_replaced_and_deleted_and_the_others_stay(serving: Serving) -> None:
    rules = made(serving, "edit", RANGE)
    new = serving.admin.put(f"{rules}/ProcessNotAllowed", json=LIST)
    assert (new.status_code, new.headers["etag"]) == (201, '"2"')
    again = serving.admin.put(f"{rules}/ProcessNotAllowed", json={**LIST, "allow": []})
    assert (again.status_code, again.json()["allow"], again.headers["etag"]) == (200, [], '"3"')
    assert serving.admin.delete(f"{rules}/{RANGE['type']}").status_code == 204
    assert serving.admin.delete(f"{rules}/{RANGE['type']}").status_code == 404
    assert [one["type"] for one in serving.admin.get(rules).json()["items"]] == ["ProcessNotAllowed"]


def test_an_edit_of_a_rule_is_refused_where_the_group_was_changed_meanwhile(serving: Serving) -> None:
    rules = made(serving, "raced", RANGE)
    serving.admin.put(f"{rules}/ProcessNotAllowed", json=LIST)
    stale = {"If-Match": '"1"'}
    assert serving.admin.put(f"{rules}/{RANGE['type']}", json=RANGE, headers=stale).status_code == 412
    assert serving.admin.delete(f"{rules}/{RANGE['type']}", headers=stale).status_code == 412
    assert serving.admin.delete(f"{rules}/{RANGE['type']}", headers={"If-Match": "x"}).status_code == 412
    fresh = {"If-Match": '"1", "2"'}
    assert serving.admin.delete(f"{rules}/{RANGE['type']}", headers=fresh).status_code == 204


def test_editors_of_different_rules_who_name_no_version_do_not_undo_each_other(serving: Serving) -> None:
    rules = made(serving, "crowd")
    kinds = ["LocalUserNotAllowed", "LocalUserDenied", "ProcessDenied", "ProcessNotAllowed"]

    def edit(kind: str) -> None:
        member = "deny" if kind.endswith("Denied") else "allow"
        for number in range(5):
            body = {"type": kind, member: [f"{kind}-{number}"]}
            serving.admin.put(f"{rules}/{kind}", json=body).raise_for_status()

    editors = [threading.Thread(target=edit, args=(kind,)) for kind in kinds]
    for editor in editors:
        editor.start()
    for editor in editors:
        editor.join()
    found = serving.admin.get(rules).json()["items"]
    assert {one["type"] for one in found} == {*kinds}
    assert all((one.get("allow") or one["deny"]) == [f"{one['type']}-4"] for one in found)


def test_all_problems_of_a_rule_are_named_with_their_paths(serving: Serving) -> None:
    rules = made(serving, "wrong")
    body = {"type": "FailedLocalLoginsNotInAllowedRange", "min": 7, "max": 3, "window": "5m"}
    answer = serving.admin.put(f"{rules}/{body['type']}", json=body)
    assert [one["path"] for one in answer.json()["problems"]] == ["window"]
    answer = serving.admin.put(f"{rules}/{body['type']}", json={**body, "window": "PT0S"})
    assert [one["path"] for one in answer.json()["problems"]] == ["max", "window"]
    answer = serving.admin.put(f"{rules}/ProcessNotAllowed", json={**body, "max": 9, "window": "PT5M"})
    assert [one["path"] for one in answer.json()["problems"]] == ["type"]
    answer = serving.admin.put(f"{rules}/Nonsense", json={"type": "Nonsense"})
    assert [one["path"] for one in answer.json()["problems"]] == ["type"]
    assert serving.admin.get(rules).json()["items"] == []


def test_a_viewer_reads_rules_and_changes_none(serving: Serving) -> None:
    rules = made(serving, "seen", LIST)
    with somebody(serving, ("viewer", "seen"), ("administrator", "else")) as viewer:
        assert viewer.get(rules).status_code == 200
        refused = viewer.put(f"{rules}/ProcessNotAllowed", json=LIST)
        assert (refused.status_code, "administrator" in refused.json()["detail"]) == (403, True)
        assert viewer.delete(f"{rules}/ProcessNotAllowed").status_code == 403
        assert viewer.delete("/v1/groups/default/rules/ProcessNotAllowed").status_code == 404
