"""Groups over the API: the keys of the groups file, all problems at once, in force from the next event on."""

from typing import Any

from tests.said import message, process
from tests.serving import Serving, until
from tests.web.api.people import somebody

RULES: list[dict[str, Any]] = [
    {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"], "severity": "High"},
    {"type": "FailedLocalLoginsNotInAllowedRange", "min": 0, "max": 5, "window": "PT10M"},
]


def put(serving: Serving, name: str, body: Any, **headers: str) -> Any:
    return serving.admin.put(f"/v1/groups/{name}", json=body, headers=headers)


def test_a_group_is_made_read_and_replaced_and_its_version_counts_the_edits(serving: Serving) -> None:
    made = put(
        serving, "Cameras", {"description": "at the gate", "rules": RULES, "allowed_lateness": "PT15M"}
    )
    assert made.status_code == 201
    assert made.headers["etag"] == '"1"'
    read = serving.admin.get("/v1/groups/cameras")
    assert read.json() == made.json()
    assert read.json()["name"] == "Cameras"
    assert read.json()["allowed_lateness"] == "PT15M"
    assert read.json()["rules"][1] == {
        "type": "FailedLocalLoginsNotInAllowedRange",
        "enabled": True,
        "min": 0,
        "max": 5,
        "window": "PT10M",
        "count": "attempts",
        "alert_on": "certain",
    }
    again = put(serving, "CAMERAS", {"rules": RULES[:1]})
    assert (again.status_code, again.json()["version"], again.json()["name"]) == (200, 2, "Cameras")
    same = put(serving, "cameras", {"rules": RULES[:1]})
    assert same.json()["version"] == 2, "what stands there already changes nothing"
    names = [group["name"] for group in serving.admin.get("/v1/groups").json()["items"]]
    assert names[0] == "default"
    assert names.count("Cameras") == 1


def test_what_the_api_shows_can_be_put_again_as_it_is(serving: Serving) -> None:
    noted = [{"entry": "/opt/a", "reason": "the vendor's", "until": "2036-01-01T00:00:00Z"}, "/opt/b"]
    rules = [*RULES, {"type": "LocalUserDenied", "deny": noted}]
    put(serving, "round", {"rules": rules, "members": {"globs": ["round-*"]}, "allowed_lateness": "PT15M"})
    shown = serving.admin.get("/v1/groups/round").json()
    assert put(serving, "round", shown).json() == shown
    assert shown["version"] == 1


def test_a_group_is_not_renamed_by_what_is_put(serving: Serving) -> None:
    answer = put(serving, "one-name", {"name": "another", "rules": []})
    assert [one["path"] for one in answer.json()["problems"]] == ["name"]
    assert put(serving, "one-name", {"name": "ONE-name", "rules": []}).status_code == 201


def test_entries_say_who_put_them_there_when_why_and_until_when(serving: Serving) -> None:
    entry = {"entry": "/opt/tool", "reason": "maintenance", "until": "2036-01-01T02:00:00+02:00"}
    rule = {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*", entry]}
    shown = put(serving, "noted", {"rules": [rule]}).json()["rules"][0]
    assert shown["allow"] == ["/usr/bin/*", "/opt/tool"]
    [note] = shown["notes"]
    assert note.pop("at").startswith("20")
    assert note == {
        "entry": "/opt/tool",
        "by": "token/administrator",
        "reason": "maintenance",
        "until": "2036-01-01T00:00:00Z",
        "alert_id": None,
        "expired": False,
    }
    bare = {"type": "ProcessNotAllowed", "allow": ["/opt/tool"]}
    kept = put(serving, "noted", {"rules": [bare]}).json()["rules"][0]
    assert kept["notes"][0]["reason"] == "maintenance", "a bare entry keeps what was known of it"


def test_S28_an_expired_entry_is_shown_as_such_and_anew_when_it_is_put_bare(serving: Serving) -> None:
    past = {"entry": "/opt/old", "reason": "a day's work", "until": "2020-01-01T00:00:00Z"}
    body = {
        "members": {"globs": ["expiring-*"]},
        "rules": [{"type": "ProcessNotAllowed", "allow": [past]}],
    }
    shown = put(serving, "expiring", body).json()
    assert shown["rules"][0]["notes"][0]["expired"] is True
    assert put(serving, "expiring", shown).json()["rules"][0]["notes"][0]["expired"] is True
    serving.send("expiring-1", message(process("/opt/old")))
    assert until(lambda: serving.alerts(device_id="expiring-1")), "it allows nothing any more"
    body["rules"] = [{"type": "ProcessNotAllowed", "allow": ["/opt/old"]}]
    assert "notes" not in put(serving, "expiring", body).json()["rules"][0]


def test_a_note_of_what_is_not_on_the_list_is_a_problem(serving: Serving) -> None:
    note = {"entry": "/opt/nowhere", "reason": "lost"}
    rule = {"type": "ProcessNotAllowed", "allow": ["/opt/a"], "notes": [note]}
    answer = put(serving, "wrong", {"rules": [rule]})
    assert [one["path"] for one in answer.json()["problems"]] == ["rules[0].notes[0]"]
    range_rule = {**RULES[1], "notes": []}
    answer = put(serving, "wrong", {"rules": [range_rule]})
    assert [one["path"] for one in answer.json()["problems"]] == ["rules[0].notes"]


def test_what_is_to_be_new_replaces_nothing(serving: Serving) -> None:
    assert put(serving, "fresh", {"rules": []}, **{"If-None-Match": "*"}).status_code == 201
    assert put(serving, "FRESH", {"description": "x"}, **{"If-None-Match": "*"}).status_code == 412
    assert put(serving, "fresh", {}, **{"If-None-Match": '"1"'}).status_code == 400
    assert serving.admin.get("/v1/groups/fresh").json()["description"] == ""


def test_the_versions_of_a_group_are_all_there_the_latest_first(serving: Serving) -> None:
    for text in ("one", "two", "three"):
        put(serving, "history", {"description": text})
    found = serving.admin.get("/v1/groups/HISTORY/versions").json()["items"]
    assert [one["group"]["description"] for one in found] == ["three", "two", "one"]
    assert [one["group"]["version"] for one in found] == [3, 2, 1]
    assert found[0]["position"] > found[1]["position"]
    page = serving.admin.get("/v1/groups/history/versions?limit=2").json()
    rest = serving.admin.get(f"/v1/groups/history/versions?after={page['next']}").json()
    assert [one["group"]["version"] for one in [*page["items"], *rest["items"]]] == [3, 2, 1]
    assert rest["next"] is None
    for wrong in ("limit=0", "limit=101", "after=x"):
        assert serving.admin.get(f"/v1/groups/history/versions?{wrong}").status_code == 400
    assert serving.admin.get("/v1/groups/nowhere/versions").status_code == 404


def test_an_administrator_of_a_group_edits_it_and_not_which_devices_it_has(serving: Serving) -> None:
    body = {"members": {"globs": ["own-*"]}, "rules": RULES}
    put(serving, "own", body)
    with somebody(serving, ("administrator", "own")) as anna:
        edited = anna.put("/v1/groups/own", json={**body, "description": "mine"})
        assert edited.json()["description"] == "mine"
        for members in ({"globs": ["*"]}, {"globs": ["own-*"], "ids": ["cam-1"]}, {}):
            taken = anna.put("/v1/groups/own", json={**body, "members": members})
            assert taken.status_code == 403
            assert "members" in taken.json()["detail"]
        assert anna.delete("/v1/groups/own").status_code == 403
        assert serving.admin.get("/v1/groups/own").json()["members"]["globs"] == ["own-*"]


def test_a_grant_for_a_group_that_is_not_there_does_not_make_it(serving: Serving) -> None:
    with somebody(serving, ("administrator", "not-yet")) as anna:
        assert anna.put("/v1/groups/not-yet", json={"rules": []}).status_code == 403
        assert anna.put("/v1/groups/other", json={"rules": []}).status_code == 404
        assert anna.put("/v1/groups/default", json={"rules": []}).status_code == 404
    assert serving.admin.get("/v1/groups/not-yet").status_code == 404


def test_all_problems_of_a_group_are_said_at_once_with_their_paths(serving: Serving) -> None:
    rules = [
        {"type": "ProcessNotAllowed", "allow": [], "max": 3},
        {"type": "Nonsense"},
        {"type": "FailedLocalLoginsNotInAllowedRange", "min": 0, "window": "PT10M"},
    ]
    answer = put(serving, "wrong", {"rules": rules})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert [one["path"] for one in answer.json()["problems"]] == [
        "rules[0].max",
        "rules[1].type",
        "rules[2].max",
    ]
    rules = [
        {"type": "ConnectionToIpNotAllowed", "allow": ["10.0.0.0/40", "nowhere"]},
        {"type": "FailedLocalLoginsNotInAllowedRange", "min": 5, "max": 1, "window": "PT0S"},
    ]
    answer = put(serving, "wrong", {"rules": rules})
    assert [one["path"] for one in answer.json()["problems"]] == [
        "rules[0].allow[0]",
        "rules[0].allow[1]",
        "rules[1].max",
        "rules[1].window",
    ]
    assert serving.admin.get("/v1/groups/wrong").status_code == 404, "nothing is half applied"


def test_S16_a_list_that_was_forgotten_is_not_one_that_allows_nothing(serving: Serving) -> None:
    rules = [{"type": "ProcessNotAllowed"}, {"type": "LocalUserDenied"}, {"type": "Nonsense"}]
    answer = put(serving, "wrong", {"rules": rules})
    assert [one["path"] for one in answer.json()["problems"]] == [
        "rules[0].allow",
        "rules[1].deny",
        "rules[2].type",
    ]


def test_if_match_any_asks_for_a_group_that_is_there(serving: Serving) -> None:
    assert put(serving, "nowhere", {}, **{"If-Match": "*"}).status_code == 404


def test_a_member_that_no_group_has_is_a_problem(serving: Serving) -> None:
    answer = put(serving, "wrong", {"rulez": []})
    assert answer.status_code == 400
    assert "rulez" in answer.text


def test_two_editors_cannot_overwrite_each_other_unseen(serving: Serving) -> None:
    put(serving, "shared", {"rules": []})
    assert put(serving, "shared", {"description": "mine"}, **{"If-Match": '"1"'}).status_code == 200
    late = put(serving, "shared", {"description": "theirs"}, **{"If-Match": '"1"'})
    assert late.status_code == 412
    assert serving.admin.get("/v1/groups/shared").json()["description"] == "mine"
    assert put(serving, "shared", {}, **{"If-Match": "garbage"}).status_code == 412
    assert serving.admin.delete("/v1/groups/shared", headers={"If-Match": '"1"'}).status_code == 412
    assert serving.admin.delete("/v1/groups/shared", headers={"If-Match": '"2"'}).status_code == 204
    assert serving.admin.delete("/v1/groups/shared").status_code == 404


def test_the_default_group_stays(serving: Serving) -> None:
    assert serving.admin.delete("/v1/groups/default").status_code == 409


def test_S24_an_edit_takes_effect_at_once_and_judges_open_alerts_again(serving: Serving) -> None:
    put(
        serving,
        "edited",
        {"members": {"globs": ["edited-*"]}, "rules": [{"type": "ProcessNotAllowed", "allow": []}]},
    )
    serving.send("edited-1", message(process("/bin/new"), process("/bin/other")))
    alerts = until(lambda: serving.alerts(device_id="edited-1"))
    assert {alert["value"] for alert in alerts} == {"/bin/new", "/bin/other"}
    put(
        serving,
        "edited",
        {"members": {"globs": ["edited-*"]}, "rules": [{"type": "ProcessNotAllowed", "allow": ["/bin/new"]}]},
    )
    states = {alert["value"]: alert["state"] for alert in serving.alerts(device_id="edited-1")}
    assert states == {"/bin/new": "Resolved", "/bin/other": "Active"}
    audit = serving.admin.get("/v1/audit").json()["items"][0]
    assert (audit["subject"], audit["action"], audit["actor"]) == (
        "group/edited",
        "put",
        "token/administrator",
    )
    assert audit["effect"] == "1 alert changed its state"
    assert audit["before"]["version"] == 1
    assert audit["after"]["version"] == 2
    serving.send("edited-1", message(process("/bin/new")))
    serving.settle()
    assert len(serving.alerts(device_id="edited-1")) == 2


def test_S25_a_tag_moves_a_device_to_its_group(serving: Serving) -> None:
    put(serving, "strict", {"rules": [{"type": "ProcessNotAllowed", "allow": []}]})
    answer = serving.admin.put("/v1/devices/moving-1", json={"SecurityGroup": "STRICT"})
    assert answer.status_code == 200
    assert answer.json()["device"]["group"] == "strict"
    serving.send("moving-1", message(process("/bin/x")))
    assert until(lambda: serving.alerts(device_id="moving-1"))[0]["group"] == "strict"
    answer = serving.admin.put("/v1/devices/moving-1", json={"SecurityGroup": None})
    assert answer.json()["device"]["group"] == "default"
    answer = serving.admin.put("/v1/devices/moving-1", json={"SecurityGroup": "nowhere"})
    assert answer.json()["device"]["group"] == "default"
    tallies = serving.admin.get("/v1/devices/moving-1").json()["tallies"]
    assert [(one["kind"], one["subject"]) for one in tallies] == [("unassigned", "nowhere")]


def test_names_that_no_group_can_have_are_refused(serving: Serving) -> None:
    for name in ("a%0Ab", "%20a", "x" * 129, "a%E2%80%AEb"):
        answer = put(serving, name, {"rules": []})
        assert answer.status_code == 400, name


def test_a_list_of_a_hundred_thousand_entries_is_taken(serving: Serving) -> None:
    entries = [f"/opt/{number}" for number in range(100_000)]
    assert (
        put(serving, "long", {"rules": [{"type": "ProcessNotAllowed", "allow": entries}]}).status_code == 201
    )
    assert serving.admin.delete("/v1/groups/long").status_code == 204
