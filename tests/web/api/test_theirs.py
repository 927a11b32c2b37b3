"""
A role for one group sees nothing of another, in whatever is read.

One world, in which everything of the group `theirs` is allowed to be seen, and everything of the group `hidden`
bears a mark that nobody may find. All that can be read is read.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from tests.said import call, failed_login, message, process
from tests.serving import Serving
from tests.web.api.people import somebody

from fencepost.web.api.application import OPERATIONS

MARK = "q7zmark"
RULES = [
    {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]},
    {"type": "ConnectionToIpNotAllowed", "allow": ["10.0.0.0/8"]},
    {"type": "FailedLocalLoginsNotInAllowedRange", "min": 0, "max": 3, "window": "PT5M"},
]
HIDDEN_DEVICES = [f"{MARK}-cam-{number}" for number in range(4)]
THEIR_DEVICES = [f"open-cam-{number}" for number in range(4)]
STREAM = "/v1/alerts/stream"


class World:
    """What there is, and the ids of it."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self._groups()
        for device_id in HIDDEN_DEVICES:
            self._happen(device_id, f"/opt/{MARK}")
        for device_id in THEIR_DEVICES:
            self._happen(device_id, "/opt/open")
        serving.settle()
        self.theirs = self._ids(THEIR_DEVICES)
        self.hidden = self._ids(HIDDEN_DEVICES)
        self._work()

    def _groups(self) -> None:
        for name, glob in (("theirs", "open-*"), (f"hidden-{MARK}", f"{MARK}-*")):
            body = {"members": {"globs": [glob]}, "rules": RULES, "description": f"of {glob}"}
            self.serving.admin.put(f"/v1/groups/{name}", json=body).raise_for_status()

    def _happen(self, device_id: str, program: str) -> None:
        bodies = [
            message(process(program), call("203.0.113.7"), *(failed_login() for _ in range(5))),
            b'{"Events": [' + device_id.encode(),
        ]
        again = message(process(program))
        self.serving.send(device_id, *bodies, again, again).raise_for_status()

    def _ids(self, devices: list[str]) -> list[str]:
        found = [alert for one in devices for alert in self.serving.alerts(device_id=one)]
        assert len(found) >= 3 * len(devices)
        return [alert["alert_id"] for alert in found]

    def _work(self) -> None:
        """People do in the hidden group what leaves traces everywhere."""
        admin, alert_id = self.serving.admin, self.hidden[0]
        admin.put(f"/v1/alerts/{alert_id}/assignment", json={"assigned_to": MARK}).raise_for_status()
        admin.post(f"/v1/alerts/{alert_id}/comments", json={"comment": MARK}).raise_for_status()
        by_value = {one["value"]: one["alert_id"] for one in self.serving.alerts(device_id=HIDDEN_DEVICES[1])}
        self.mended = by_value["203.0.113.7"]
        wish = {"scope": "fleet", "entry": "203.0.113.7", "reason": "for all"}
        admin.post(f"/v1/alerts/{self.mended}/allow", json=wish).raise_for_status()
        layer = {"rules": [{"type": "ProcessNotAllowed", "allow": [f"/opt/{MARK}-own"]}]}
        admin.put(f"/v1/devices/{HIDDEN_DEVICES[2]}/overrides", json=layer).raise_for_status()
        rule = {
            "alert_type": "*",
            "reason": MARK,
            "conditions": [{"field": "alert.deviceId", "among": [MARK]}],
        }
        admin.put(f"/v1/suppressions/{MARK}", json=rule).raise_for_status()
        self.refused = [one["position"] for one in admin.get("/v1/quarantine").json()["items"]]
        assert len(self.refused) == 8

    def paths(self) -> Iterator[str]:
        """Yield everything that can be read, with ids of both groups."""
        fillings: dict[str, list[str]] = {
            "{alert_id}": [*self.theirs[:3], *self.hidden[:3], self.mended, "none"],
            "{name}": ["theirs", f"hidden-{MARK}", "default", MARK, "none"],
            "{device_id}": [*THEIR_DEVICES[:2], *HIDDEN_DEVICES[:3], "none"],
            "{position}": [*map(str, self.refused), "1", "999999"],
            "{rule_type}": ["ProcessNotAllowed", "LocalUserDenied"],
            "{token_id}": ["none"],
        }
        for path in templates():
            filled = [path]
            for name, values in fillings.items():
                if name in path:
                    filled = [one.replace(name, quote(value, safe="")) for one in filled for value in values]
            yield from filled


def templates() -> list[str]:
    """Return the paths of all operations that read something of our own."""
    found = [
        path.replace(":str", "").replace(":int", "")
        for handler in OPERATIONS
        if "GET" in handler.http_methods and handler.include_in_schema is not False
        for path in handler.paths
    ]
    assert len(found) > 20
    return [path for path in found if path != STREAM]


QUERIES = {
    "/v1/alerts/summary": [
        f"?by={by}" for by in ("rule_type", "group", "device_id", "severity", "state", "value", "day")
    ],
    "/v1/alerts": [
        *(f"?sort={sign}{key}" for sign in ("", "-") for key in ("started_at", "last_seen_at", "severity")),
        f"?text={MARK}",
        f"?assigned_to={MARK}",
        f"?group=hidden-{MARK}",
        f"?device_id={HIDDEN_DEVICES[0]}",
        "?state=Active&state=InProgress",
        "?limit=1",
    ],
    "/v1/devices": [f"?text={MARK}", "?limit=2"],
    "/v1/tallies": ["?kind=duplicate", f"?device_id={HIDDEN_DEVICES[0]}", "?limit=1"],
    "/v1/quarantine": [f"?device_id={HIDDEN_DEVICES[0]}", "?limit=1"],
}


@pytest.fixture(scope="module")
def world(serving: Serving) -> World:
    return World(serving)


@pytest.fixture(scope="module")
def reader(world: World) -> Iterator[httpx2.Client]:
    with somebody(world.serving, ("viewer", "THEIRS")) as client:
        yield client


def names_nothing_hidden(answer: httpx2.Response, asked: str) -> bool:
    """Whether an answer tells nothing but what was in the question."""
    said = answer.text.replace(asked.partition("?")[0], "")
    return MARK not in said or (answer.status_code == 404 and said.count(MARK) <= 1)


def test_nothing_that_can_be_read_tells_of_the_hidden_group(world: World, reader: httpx2.Client) -> None:
    read = 0
    for path in world.paths():
        for query in ("", *QUERIES.get(path, [])):
            answer = reader.get(f"{path}{query}")
            assert answer.status_code in (200, 400, 403, 404, 409), (path, answer.text)
            assert names_nothing_hidden(answer, path), (path + query, answer.text)
            read += answer.status_code == 200
    assert read > 40


def test_what_is_hidden_is_answered_as_what_does_not_exist(world: World, reader: httpx2.Client) -> None:
    pairs = [
        *((f"/v1/alerts/{one}", "/v1/alerts/none") for one in world.hidden),
        *((f"/v1/alerts/{one}/allow", "/v1/alerts/none/allow") for one in world.hidden[:3]),
        *((f"/v1/devices/{one}", "/v1/devices/none") for one in HIDDEN_DEVICES),
        *((f"/v1/devices/{one}/rules", "/v1/devices/none/rules") for one in HIDDEN_DEVICES),
        *((f"/v1/devices/{one}/overrides", "/v1/devices/none/overrides") for one in HIDDEN_DEVICES),
        (f"/v1/groups/hidden-{MARK}", "/v1/groups/none"),
        (f"/v1/groups/hidden-{MARK}/rules", "/v1/groups/none/rules"),
        (f"/v1/groups/hidden-{MARK}/versions", "/v1/groups/none/versions"),
        (f"/v1/groups/hidden-{MARK}/rules/ProcessNotAllowed", "/v1/groups/none/rules/ProcessNotAllowed"),
    ]
    for there, nowhere in pairs:
        answers = [reader.get(path) for path in (there, nowhere)]
        assert [one.status_code for one in answers] == [404, 404], there
        texts = [one.text.replace(f"hidden-{MARK}", "none") for one in answers]
        assert texts[0] == texts[1], there


def test_every_change_of_what_is_hidden_is_answered_as_one_of_what_does_not_exist(world: World) -> None:
    bodies: dict[str, Any] = {
        "": None,
        "group": {"rules": []},
        "rule": {"type": "ProcessNotAllowed", "allow": []},
        "comment": {"comment": "x"},
        "to": {"assigned_to": None},
        "wish": {"scope": "group"},
    }
    hidden, device_id = world.hidden[0], HIDDEN_DEVICES[0]
    asked = [
        ("PUT", f"/v1/groups/hidden-{MARK}", "/v1/groups/none", "group"),
        (
            "PUT",
            f"/v1/groups/hidden-{MARK}/rules/ProcessNotAllowed",
            "/v1/groups/none/rules/ProcessNotAllowed",
            "rule",
        ),
        (
            "DELETE",
            f"/v1/groups/hidden-{MARK}/rules/ProcessNotAllowed",
            "/v1/groups/none/rules/ProcessNotAllowed",
            "",
        ),
        ("PUT", f"/v1/devices/{device_id}/overrides", "/v1/devices/none/overrides", "group"),
        ("DELETE", f"/v1/devices/{device_id}/overrides", "/v1/devices/none/overrides", ""),
        ("POST", f"/v1/alerts/{hidden}/resolve", "/v1/alerts/none/resolve", ""),
        ("POST", f"/v1/alerts/{hidden}/comments", "/v1/alerts/none/comments", "comment"),
        ("PUT", f"/v1/alerts/{hidden}/assignment", "/v1/alerts/none/assignment", "to"),
        ("POST", f"/v1/alerts/{hidden}/allow", "/v1/alerts/none/allow", "wish"),
        ("POST", f"/v1/alerts/{hidden}/allow?preview=true", "/v1/alerts/none/allow?preview=true", "wish"),
        ("POST", f"/v1/alerts/{hidden}/allow/undo", "/v1/alerts/none/allow/undo", ""),
    ]
    with somebody(world.serving, ("administrator", "theirs")) as anna:
        for method, there, nowhere, body in asked:
            answers = [anna.request(method, path, json=bodies[body]) for path in (there, nowhere)]
            assert [one.status_code for one in answers] == [404, 404], there
            assert answers[0].text.replace(f"hidden-{MARK}", "none") == answers[1].text, there


def test_they_see_all_that_is_theirs_and_count_nothing_else(world: World, reader: httpx2.Client) -> None:
    admin = world.serving.admin
    own = {one["alert_id"] for one in reader.get("/v1/alerts?limit=1000").json()["items"]}
    assert own == {*world.theirs}
    for by in ("rule_type", "severity", "state", "day", "value"):
        seen = reader.get(f"/v1/alerts/summary?by={by}").json()
        of_theirs = admin.get(f"/v1/alerts/summary?by={by}&group=theirs").json()
        assert seen == of_theirs, by
    devices = [one["device_id"] for one in reader.get("/v1/devices").json()["items"]]
    assert devices == THEIR_DEVICES
    refused = reader.get("/v1/quarantine").json()["items"]
    assert sorted({one["device_id"] for one in refused}) == THEIR_DEVICES
    tallied = reader.get("/v1/tallies").json()["items"]
    assert sorted({one["device_id"] for one in tallied}) == THEIR_DEVICES
    assert [one["name"] for one in reader.get("/v1/groups").json()["items"]] == ["theirs"]


def test_pages_of_what_is_theirs_hold_everything_once_whatever_stands_between(
    world: World, reader: httpx2.Client
) -> None:
    for path in ("/v1/devices", "/v1/tallies", "/v1/quarantine", "/v1/alerts"):
        whole = reader.get(f"{path}?limit=1000").json()
        assert whole["next"] is None
        for limit in (1, 2, 3, len(whole["items"]), len(whole["items"]) + 1):
            found: list[Any] = []
            after = ""
            while True:
                page = reader.get(f"{path}?limit={limit}{after}").json()
                assert 0 < len(page["items"]) <= limit
                found += page["items"]
                if page["next"] is None:
                    break
                assert MARK not in json.dumps(page)
                after = f"&after={page['next']}"
            assert found == whole["items"], (path, limit)


def test_the_fleets_entries_are_seen_and_not_from_which_alert_they_came(
    world: World, reader: httpx2.Client
) -> None:
    def notes(client: httpx2.Client) -> list[Any]:
        return [note for rule in client.get("/v1/fleet").json()["rules"] for note in rule.get("notes", ())]

    assert [one["alert_id"] for one in notes(world.serving.admin)] == [world.mended]
    assert [(one["entry"], one["reason"], one["alert_id"]) for one in notes(reader)] == [
        ("203.0.113.7", "for all", None)
    ]
    rules = reader.get(f"/v1/devices/{THEIR_DEVICES[0]}/rules").json()["rules"]
    entries = [entry for rule in rules for entry in rule.get("entries", ()) if entry["origin"] == "fleet"]
    assert [entry["note"]["alert_id"] for entry in entries] == [None]


def test_whoever_sees_everything_finds_the_mark_everywhere(world: World) -> None:
    """What makes the other tests mean something: there is much to be hidden."""
    found = {path for path in world.paths() if MARK in world.serving.admin.get(path).text}
    assert len(found) > 30
