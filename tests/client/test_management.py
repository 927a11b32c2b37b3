"""The management API, asked by programs: what is sent, what is understood, what is said of refusals."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx2
import pytest
from msgspec import json, structs

from fencepost.client.access import Access
from fencepost.client.management import Api
from fencepost.client.management_access import People
from fencepost.client.management_alerts import Alerts, AlertWish
from fencepost.client.management_groups import MEANWHILE, Expectations
from fencepost.client.management_shapes import body_of_group, rule_of
from fencepost.client.requests import Requests
from fencepost.model.errors import OperatorError
from fencepost.model.instant import EPOCH
from fencepost.model.layer import Layer
from fencepost.model.rule import AllowlistRule, EntryNote, SecurityGroup, TimeWindowRule

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NOTE = EntryNote(
    entry="b", by="user/anna", at=NOW - timedelta(days=1), reason="why", until=NOW + timedelta(days=9)
)
USERS = AllowlistRule(type="LocalUserNotAllowed", allow=("a", "b"), notes=(NOTE,))
GROUP = SecurityGroup(name="cameras", rules=(USERS,), version=3)
SHOWN = {
    "name": "cameras",
    "version": 3,
    "description": "",
    "members": {"ids": [], "globs": []},
    "allowed_lateness": None,
    "implicit_entries": ["loopback", "link_local", "server"],
    "server_addresses": [],
    "rules": [
        {
            "type": "LocalUserNotAllowed",
            "enabled": True,
            "allow": ["a", "b"],
            "notes": [json.decode(json.encode(NOTE)) | {"expired": False}],
        }
    ],
    "unheardOf": 1,
}
ALERT = {
    "alert_type": "IoT_CA_LocalUserNotAllowed",
    "rule_type": "LocalUserNotAllowed",
    "device_id": "cam-1",
    "group": "cameras",
    "severity": "Low",
    "state": "Active",
    "title": "t",
    "description": "d",
    "remediation": "r",
    "data_source": "legacy",
    "value": "eve",
    "count": 1,
    "started_at": "2026-11-24T00:00:00Z",
    "last_seen_at": "2026-11-24T00:00:00Z",
    "received_at": "2026-11-24T00:00:00Z",
    "certainty": "certain",
}
T = TypeVar("T")


class Answers:
    """Answers requests one after the other, and keeps them."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.requests: list[httpx2.Request] = []
        self._answers = iter(answers)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(request.method, request.url.raw_path.decode()) for request in self.requests]

    def body(self, number: int) -> Any:
        return json.decode(self.requests[number].content)

    def ask(self, work: Callable[[Api], Awaitable[T]]) -> T:
        async def no_pause(_: float) -> None:
            pass

        async def go() -> T:
            access = Access("https://hub", "secret")
            transport = httpx2.MockTransport(self)
            async with Requests(access, connections=1, sleep=no_pause, transport=transport) as requests:
                return await work(Api(requests))

        return asyncio.run(go())


def ok(body: Any, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, content=json.encode(body))


def problem(status: int, detail: str = "", *faults: tuple[str, str]) -> httpx2.Response:
    problems = [{"path": path, "reason": reason} for path, reason in faults]
    return httpx2.Response(status, content=json.encode({"detail": detail, "problems": problems}))


# groups


def test_a_group_is_read_with_the_notes_of_its_entries() -> None:
    answers = Answers(ok(SHOWN))
    assert answers.ask(lambda api: Expectations(api).group("cameras")) == GROUP
    assert answers.said == [("GET", "/v1/groups/cameras")]


def test_an_entry_may_be_a_mapping_with_what_is_known_of_it() -> None:
    note = json.decode(json.encode(NOTE))
    shown = {"type": "LocalUserNotAllowed", "enabled": True, "allow": ["a", {**note, "expired": False}]}
    assert rule_of(shown) == USERS


def test_a_rule_that_this_version_does_not_know_is_said() -> None:
    answers = Answers(ok({**SHOWN, "rules": [{"type": "FutureNotAllowed", "allow": []}]}))
    with pytest.raises(OperatorError, match="another version"):
        answers.ask(lambda api: Expectations(api).group("cameras"))


def test_what_is_changed_is_the_version_that_was_seen_and_what_is_made_must_not_be_there() -> None:
    answers = Answers(ok(SHOWN), ok(SHOWN, 201))
    answers.ask(lambda api: Expectations(api).put_group(GROUP, GROUP, NOW))
    answers.ask(lambda api: Expectations(api).put_group(GROUP, None, NOW))
    first, second = (request.headers for request in answers.requests)
    assert (first.get("If-Match"), first.get("If-None-Match")) == ('"3"', None)
    assert (second.get("If-Match"), second.get("If-None-Match")) == (None, "*")


def test_a_note_that_stays_is_not_sent_and_one_that_is_new_or_other_is() -> None:
    def items(known: SecurityGroup | None, *notes: EntryNote) -> Any:
        rule = structs.replace(USERS, notes=notes)
        return body_of_group(structs.replace(GROUP, rules=(rule,)), known, NOW)["rules"][0]["allow"]

    authorship = {"by": "user/anna", "at": NOTE.at.isoformat()}
    stated = {"entry": "b", "reason": "why", "until": NOTE.until.isoformat()} if NOTE.until else {}
    assert items(GROUP) == ["a", "b"]
    assert items(GROUP, NOTE) == ["a", "b"]
    assert items(None, NOTE) == ["a", {**stated, **authorship}]
    unsigned = structs.replace(NOTE, by="", at=EPOCH, reason="else")
    assert items(GROUP, unsigned) == ["a", {**stated, "reason": "else"}]
    assert items(None, structs.replace(NOTE, until=NOW)) == ["a"]


def test_an_edit_whose_answer_was_lost_is_not_taken_for_somebody_elses() -> None:
    answers = Answers(httpx2.ReadError("lost"), problem(412), ok(SHOWN))
    assert answers.ask(lambda api: Expectations(api).put_group(GROUP, GROUP, NOW)) == GROUP
    assert [method for method, _ in answers.said] == ["PUT", "PUT", "GET"]


def test_an_edit_that_somebody_else_was_faster_with_is_refused() -> None:
    answers = Answers(problem(412), ok({**SHOWN, "description": "theirs", "version": 4}))
    with pytest.raises(OperatorError, match=MEANWHILE):
        answers.ask(lambda api: Expectations(api).put_group(GROUP, GROUP, NOW))


def test_everything_that_is_wrong_with_a_group_is_said_with_its_path() -> None:
    answers = Answers(
        problem(400, "no", ("rules[0].allow[1]", "an entry is not empty"), ("name", "too long"))
    )
    with pytest.raises(OperatorError) as raised:
        answers.ask(lambda api: Expectations(api).put_group(GROUP, None, NOW))
    assert [str(one) for one in raised.value.problems] == [
        "cameras: rules[0].allow[1]: an entry is not empty",
        "cameras: name: too long",
    ]


def test_a_layer_is_put_where_it_belongs() -> None:
    rule = TimeWindowRule(type="TwinUpdatesNotInAllowedRange", min=0, max=2, window=timedelta(minutes=5))
    wanted = Layer(device_id="cam#1", rules=(rule,))
    shown = {
        "device_id": "cam#1",
        "version": 8,
        "rules": [{"type": rule.type, "min": 0, "max": 2, "window": "PT5M"}],
    }
    answers = Answers(ok(shown))
    known = Layer(device_id="cam#1", version=7)
    put = answers.ask(lambda api: Expectations(api).put_layer(wanted, known, NOW))
    assert put == structs.replace(wanted, version=8)
    assert answers.said == [("PUT", "/v1/devices/cam%231/overrides")]
    assert answers.requests[0].headers["If-Match"] == '"7"'


def test_the_effect_of_an_edit_that_cannot_be_learnt_is_no_failure() -> None:
    for answer in (problem(403), problem(500), ok({"items": []})):
        assert Answers(answer).ask(lambda api: Expectations(api).effect_on("group/cameras")) == ""


# alerts


def alert(alert_id: str) -> dict[str, Any]:
    return {**ALERT, "alert_id": alert_id}


def test_pages_are_asked_for_until_there_is_enough() -> None:
    answers = Answers(
        ok({"items": [alert("a"), alert("b")], "next": "n"}), ok({"items": [alert("c")], "next": "m"})
    )

    async def ids(api: Api) -> list[str]:
        wish = AlertWish(states=("Active", "InProgress"), assigned_to="", since=NOW)
        return [one.alert_id async for one in Alerts(api).find(wish, limit=3)]

    assert answers.ask(ids) == ["a", "b", "c"]
    first, second = (request.url.params for request in answers.requests)
    assert first.get_list("state") == ["Active", "InProgress"]
    assert (first["assigned_to"], first["since"], first["limit"]) == ("", "2026-11-24T00:00:00+00:00", "3")
    assert (second["after"], second["limit"]) == ("n", "1")


def test_the_beginning_of_an_id_names_an_alert_that_is_the_only_one() -> None:
    ids = ["abcdef01-" + "0" * 27, "abcdef02-" + "0" * 27, "123456-" + "0" * 29]
    whole = "f" * 36

    def named(*names: str) -> list[str]:
        answers = Answers(ok({"items": [alert(one) for one in ids], "next": None}))
        return answers.ask(lambda api: Alerts(api).whole_ids(names))

    assert named("123456", whole, "ABCDEF01") == [ids[2], whole, ids[0]]
    with pytest.raises(OperatorError) as raised:
        named("abcdef", "12345", "999999")
    assert [one.reason for one in raised.value.problems] == [
        "2 alerts have ids that begin so: write more of it",
        "name an alert by at least 6 characters of its id",
        "no id among the latest 2,000 alerts begins so; an older one is named by its whole id",
    ]


def test_whole_ids_are_not_looked_for() -> None:
    answers = Answers()
    assert answers.ask(lambda api: Alerts(api).whole_ids(["f" * 36, "F" * 36])) == ["f" * 36]


def test_many_alerts_are_moved_a_thousand_at_a_time_each_with_a_key_of_its_own() -> None:
    def results(ids: list[str]) -> httpx2.Response:
        return ok({"results": [{"alert_id": one, "state": "Resolved", "reason": None} for one in ids]})

    ids = [f"{number:036}" for number in range(1001)]
    answers = Answers(results(ids[:1000]), httpx2.ReadError("lost"), results(ids[1000:]))

    async def moved(api: Api) -> int:
        return len([one async for one in Alerts(api).act(ids, "resolve", "done")])

    assert answers.ask(moved) == 1001
    assert [len(answers.body(number)["alert_ids"]) for number in range(3)] == [1000, 1, 1]
    first, second, again = (request.headers["Idempotency-Key"] for request in answers.requests)
    assert second == again != first


def test_an_alert_that_is_not_there_is_said_by_its_id() -> None:
    for work in (
        lambda api: Alerts(api).get("x"),
        lambda api: Alerts(api).assign("x", None),
        lambda api: Alerts(api).undo("x"),
    ):
        with pytest.raises(OperatorError, match="x: there is no alert of this id"):
            Answers(problem(404)).ask(work)


# users


def test_a_user_that_somebody_else_changed_meanwhile_is_not_overwritten() -> None:
    shown = {
        "name": "anna",
        "grants": [],
        "created_at": "2026-11-24T00:00:00Z",
        "created_by": "x",
        "version": 4,
    }
    answers = Answers(ok(shown), problem(412))

    async def work(api: Api) -> Any:
        people = People(api)
        return await people.put(await people.get("anna"), [], disabled=True)

    with pytest.raises(OperatorError, match=f"anna: {MEANWHILE}"):
        answers.ask(work)
    assert answers.requests[1].headers["If-Match"] == '"4"'
