"""Mending the list from the alert: what is offered, what a preview says, what an edit does, and taking it back."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.said import call, failed_login, process, sign_in
from tests.service.running import CAMERAS, Running, run

from fencepost.model.alert import Alert
from fencepost.model.errors import OperatorError
from fencepost.model.layer import Layer
from fencepost.model.rule import AllowlistRule, DenylistRule, SecurityGroup, TimeWindowRule
from fencepost.service.commands import Conflict, Missing
from fencepost.service.mending import Mended, Preview
from fencepost.service.wishes import Wish

IPS, PROCESSES = "ConnectionToIpNotAllowed", "ProcessNotAllowed"
STRANGER = "203.0.113.9"


def wish(entry: str = STRANGER, **members: Any) -> Wish:
    return Wish(**{"scope": "group", "entry": entry, **members})


def rule_of(holder: SecurityGroup | Layer, rule_type: str = IPS) -> Any:
    return next((rule for rule in holder.rules if rule.type == rule_type), None)


def offered(made: Running, alert: Alert) -> dict[str, str]:
    return {choice.entry: choice.form for choice in made.mending.choices(alert)}


def problems_of(caught: "pytest.ExceptionInfo[OperatorError]") -> dict[str, str]:
    return {problem.path: problem.reason for problem in caught.value.problems}


# choices


def test_an_address_is_offered_alone_with_its_port_and_as_wider_networks(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        assert offered(made, made.alert()) == {
            "203.0.113.9:443/tcp": "endpoint",
            "203.0.113.9:443": "endpoint",
            "203.0.113.9": "exact",
            "203.0.113.0/24": "network",
            "203.0.0.0/16": "site",
        }
        words = {choice.entry: choice.covers for choice in made.mending.choices(made.alert())}
        assert words["203.0.113.0/24"] == ("the 256 addresses from 203.0.113.0 to 203.0.113.255, every port")
        await made.say("cam-1", call(STRANGER, port="8443"))
        assert [*offered(made, made.alert())] == ["203.0.113.9", "203.0.113.0/24", "203.0.0.0/16"]

    run(tmp_path, story)


def test_an_ipv6_address_is_offered_in_brackets_with_its_port(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call("2001:DB8::9"))
        assert offered(made, made.alert()) == {
            "[2001:db8::9]:443/tcp": "endpoint",
            "[2001:db8::9]:443": "endpoint",
            "2001:db8::9": "exact",
            "2001:db8::/64": "network",
            "2001:db8::/48": "site",
        }

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("said", "digest", "expected"),
    [
        (
            "/opt/app/bin/run",
            "ab" * 32,
            {
                f"sha256:{'ab' * 32}": "hash",
                "/opt/app/bin/run": "exact",
                "/opt/app/bin/*": "wildcard",
                "run": "base_name",
            },
        ),
        ("/run", None, {"/run": "exact", "run": "base_name"}),
        ("run", None, {"run": "exact"}),
        (
            "C:\\Tools\\Run.exe",
            None,
            {"c:\\tools\\run.exe": "exact", "c:\\tools\\*": "wildcard", "run.exe": "base_name"},
        ),
    ],
)
def test_a_program_is_offered_by_path_folder_name_and_hash(
    tmp_path: Path, said: str, digest: str | None, expected: dict[str, str]
) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", process(said, digest=digest))
        assert offered(made, made.alert()) == expected

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("name", "uid", "expected"),
    [
        ("anna", "1000", {"anna": "exact", "1000": "uid"}),
        ("CORP\\Anna", None, {"corp\\anna": "exact", "anna": "base_name"}),
        (None, "1000", {"1000": "exact"}),
    ],
)
def test_a_user_is_offered_by_name_and_by_number(
    tmp_path: Path, name: str | None, uid: str | None, expected: dict[str, str]
) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", sign_in(name, uid))
        assert offered(made, made.alert()) == expected

    run(tmp_path, story)


def test_whatever_is_offered_resolves_the_alert(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        said = [call(STRANGER), process("/opt/a*b/run", digest="cd" * 20), sign_in("CORP\\Anna", "7")]
        for event in said:
            await made.say("cam-1", event)
            alert = made.alert()
            for choice in made.mending.choices(alert):
                told = await made.mending.preview(alert.alert_id, wish(choice.entry))
                assert told.resolves == [alert.alert_id], choice
                await made.mending.allow(alert.alert_id, wish(choice.entry), "me")
                assert made.reread(alert).state == "Resolved", choice
                await made.mending.undo(alert.alert_id, "me")
                assert made.reread(alert).state == "Active", choice

    run(tmp_path, story)


# what is asked for must make sense


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        (wish("no address"), {"entry"}),
        (wish(""), {"entry"}),
        (wish("203.0.113.10"), {"entry"}),
        (wish("203.0.113.9:80"), {"entry"}),
        (wish(reason="x" * 501), {"reason"}),
        (wish(reason="known \u202e"), {"reason"}),
        (wish("203.0.113.9\0"), {"entry"}),
        (wish("300.1.1.1", reason="x" * 501), {"entry", "reason"}),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_with_all_its_problems(
    tmp_path: Path, wanted: Wish, paths: set[str]
) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        before = made.journal.last_position
        for ask in (made.mending.preview(made.alert().alert_id, wanted), _allow(made, wanted)):
            with pytest.raises(OperatorError) as caught:
                await ask
            assert {*problems_of(caught)} == paths
        assert made.journal.last_position == before

    run(tmp_path, story)


async def _allow(made: Running, wanted: Wish, device_id: str = "cam-1") -> Mended:
    return await made.mending.allow(made.alert(device_id).alert_id, wanted, "anna")


def test_the_end_of_an_entry_lies_ahead(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        with pytest.raises(OperatorError) as caught:
            await _allow(made, wish(until=made.clock()))
        assert problems_of(caught) == {"until": "the end lies in the past"}

    run(tmp_path, story)


def test_an_entry_that_covers_only_a_part_of_the_alert_is_refused(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER), call(STRANGER, port="8443"))
        with pytest.raises(OperatorError, match="covers only a part of what this alert is about"):
            await _allow(made, wish("203.0.113.9:443"))
        edited = structs.replace(rule_of(CAMERAS), allow=("203.0.113.9:8443",))
        await made.commands.put_layer(Layer(rules=(edited,)), "me")
        await _allow(made, wish("203.0.113.9:443"))
        assert made.alert().state == "Resolved"

    run(tmp_path, story)


def test_an_alert_of_a_range_is_mended_by_its_bounds(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        window = TimeWindowRule(
            type="FailedLocalLoginsNotInAllowedRange", min=0, max=1, window=timedelta(minutes=5)
        )
        await made.commands.put_group(structs.replace(CAMERAS, rules=(window,)), "me")
        await made.say("cam-1", failed_login(), failed_login(user="a"), failed_login(user="b"))
        with pytest.raises(Conflict, match="has no list: change the bounds, of the group cams"):
            made.mending.choices(made.alert())
        with pytest.raises(Conflict, match="change the bounds"):
            await _allow(made, wish())

    run(tmp_path, story)


def test_what_is_no_longer_there_cannot_be_mended(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        with pytest.raises(Missing):
            await made.mending.allow("nothing", wish(), "me")
        with pytest.raises(Missing):
            await made.mending.undo("nothing", "me")
        await made.say("cam-1", call(STRANGER))
        alert = made.alert()
        with pytest.raises(OperatorError, match="days is between 1 and 90"):
            await made.mending.preview(alert.alert_id, wish(), days=91)
        with pytest.raises(Conflict, match="nothing that was allowed from this alert"):
            await made.mending.undo(alert.alert_id, "me")
        await made.commands.put_group(structs.replace(CAMERAS, rules=()), "me")
        with pytest.raises(Conflict, match="the group cams no longer has the rule"):
            await made.mending.allow(alert.alert_id, wish(), "me")
        await made.commands.delete_group("cams", "me")
        with pytest.raises(Conflict, match="the group cams is no longer there"):
            await made.mending.allow(alert.alert_id, wish(), "me")

    run(tmp_path, story)


def test_a_device_that_has_left_the_group_is_not_mended_from_there(tmp_path: Path) -> None:
    """Who may mend is asked of the alert's group."""

    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        alert = made.alert()
        await made.commands.act(alert.alert_id, "resolve", "me", None)
        await made.commands.assign_device("cam-1", "default", "me")
        with pytest.raises(Conflict, match="the device cam-1 has left the group cams"):
            await made.mending.allow(alert.alert_id, wish(scope="device"), "me")

    run(tmp_path, story)


# preview


async def story_of_many(made: Running) -> None:
    """Three devices of the group and one of another call the same stranger; one alert is closed by hand."""
    for device_id in ("cam-1", "cam-2", "cam-3", "gw-1"):
        await made.say(device_id, call(STRANGER), call(STRANGER), call("192.0.2.1"))
    resolved = next(one for one in made.store.standing(device_id="cam-3") if one.value == STRANGER)
    await made.commands.act(resolved.alert_id, "resolve", "me", None)


@pytest.mark.parametrize(
    ("scope", "groups", "devices", "events"),
    [
        ("device", None, {"cam-1"}, 2),
        ("group", None, {"cam-1", "cam-2"}, 6),
        ("fleet", None, {"cam-1", "cam-2", "gw-1"}, 8),
        ("fleet", frozenset({"cams"}), {"cam-1", "cam-2"}, 6),
    ],
)
def test_a_preview_counts_what_the_edit_would_change(
    tmp_path: Path, scope: Any, groups: frozenset[str] | None, devices: set[str], events: int
) -> None:
    async def story(made: Running) -> None:
        await story_of_many(made)
        (alert,) = (one for one in made.store.standing(device_id="cam-1") if one.value == STRANGER)
        before = made.journal.last_position
        asked = wish(scope=scope)
        told = await made.mending.preview(alert.alert_id, asked, groups=groups)
        assert {made.store.alert(one).device_id for one in told.resolves} == devices  # type: ignore[union-attr]
        assert (told.resolves_count, told.events, told.days) == (len(devices), events, 7)
        assert told.subject == {"device": "cam-1", "group": "cams", "fleet": None}[scope]
        assert (told.covering, told.warnings) == ([], [])
        assert made.journal.last_position == before
        if groups is None:
            done = await made.mending.allow(alert.alert_id, asked, "me")
            assert {*done.resolved} == {*told.resolves}
            assert {one.device_id for one in made.store.standing() if one.value == STRANGER} == (
                {"cam-1", "cam-2", "gw-1"} - devices
            )

    run(tmp_path, story)


def test_a_preview_looks_back_as_many_days_as_it_is_asked(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        old = made.clock() - timedelta(days=1, hours=12)
        await made.say("cam-2", call(STRANGER, old))
        await made.say("cam-1", call(STRANGER))
        for days, events in ((1, 1), (2, 2)):
            told = await made.mending.preview(made.alert("cam-1").alert_id, wish(), days=days)
            assert (told.events, told.days) == (events, days)

    run(tmp_path, story)


async def _preview(made: Running, wanted: Wish) -> Preview:
    return await made.mending.preview(made.alert("cam-1").alert_id, wanted)


@pytest.mark.parametrize(
    ("entry", "warning"),
    [
        ("0.0.0.0/0", "0.0.0.0/0 allows every IPv4 address"),
        ("203.0.0.0/7", "203.0.0.0/7 allows 33,554,432 addresses"),
        ("0.0.0.0-255.255.255.255:443", "0.0.0.0-255.255.255.255:443 allows every IPv4 address on port 443"),
    ],
)
def test_an_entry_that_allows_very_much_is_warned_of(tmp_path: Path, entry: str, warning: str) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        assert (await _preview(made, wish(entry))).warnings == [warning]
        assert (await _preview(made, wish("203.0.0.0/8"))).warnings == []
        await made.say("cam-1", process("/opt/strange"))
        alert = made.alert("cam-1", PROCESSES)
        for everything in ("*", "/*", "*/*"):
            told = await made.mending.preview(alert.alert_id, wish(everything))
            assert told.warnings == [f"{everything} allows every process"]

    run(tmp_path, story)


def test_a_preview_tells_what_covers_it_already_and_what_has_expired(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        until = made.clock() + timedelta(hours=1)
        await _allow(made, wish("203.0.113.0/24", until=until, reason="a visit"))
        await _allow(made, wish("203.0.0.0/16", scope="fleet"))
        told = await _preview(made, wish())
        assert [(one.entry, one.origin) for one in told.covering] == [
            ("203.0.113.0/24", "group"),
            ("203.0.0.0/16", "fleet"),
        ]
        assert told.covering[0].note is not None
        assert told.covering[0].note.reason == "a visit"
        assert (told.resolves, told.events) == ([], 0)
        made.clock.ahead = timedelta(hours=2)
        told = await _preview(made, wish())
        assert [one.entry for one in told.covering] == ["203.0.0.0/16"]
        assert told.warnings == [
            f"203.0.113.0/24 (group) allowed this until {until:%Y-%m-%d %H:%M} UTC: it has expired"
        ]

    run(tmp_path, story)


def test_a_preview_says_where_the_edit_would_have_no_effect(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        await _allow(made, wish())
        told = await _preview(made, wish())
        assert told.warnings == [f"{STRANGER} is on the list of the group cams already: nothing changes"]
        off = structs.replace(rule_of(made.commands.group("cams")), enabled=False)
        await made.commands.put_group(structs.replace(CAMERAS, rules=(off,)), "me")
        told = await _preview(made, wish("203.0.113.0/24"))
        assert told.warnings == [f"the rule {IPS} of the group cams is disabled: nothing alerts by it now"]
        assert (told.resolves, told.events) == ([], 0)

    run(tmp_path, story)


def test_a_preview_says_that_the_deny_list_has_it_too(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", process("/opt/evil/run"))
        alert = made.alert("cam-1", PROCESSES)
        told = await made.mending.preview(alert.alert_id, wish("/opt/evil/run"))
        assert told.warnings == ["the deny-list has /opt/evil/* (group): what it means goes on to alert"]

    run(tmp_path, story)


# allow


@pytest.mark.parametrize("scope", ["device", "group", "fleet"])
def test_S24_allowing_resolves_the_alert_and_leaves_word_of_who_and_why(tmp_path: Path, scope: Any) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        alert, until = made.alert(), made.clock() + timedelta(days=30)
        done = await _allow(made, wish(f" {STRANGER} ", scope=scope, reason="the printer", until=until))
        assert (done.changed, done.entry, done.resolved) == (True, STRANGER, [alert.alert_id])
        holders: dict[str, SecurityGroup | Layer] = {
            "device": made.commands.device_layer("cam-1"),
            "group": made.commands.group("cams"),
            "fleet": made.commands.fleet(),
        }
        holder = holders[scope]
        (note,) = rule_of(holder).notes
        assert (note.entry, note.by, note.reason, note.until, note.alert_id) == (
            STRANGER,
            "anna",
            "the printer",
            until,
            alert.alert_id,
        )
        assert done.version == holder.version
        (record,) = made.store.audit(limit=1).items
        subject = {"device": "layer/device/cam-1", "group": "group/cams", "fleet": "layer/fleet"}[scope]
        assert (record.action, record.subject, record.actor) == ("allow", subject, "anna")
        assert record.effect == (f"1 alert changed its state (alert {alert.alert_id}): the printer")
        step = made.store.changes_of(alert.alert_id)[-1]
        assert (step.action, step.actor, step.comment) == ("allow", "anna", "the printer")
        await made.say("cam-1", call(STRANGER))
        assert made.alert() == made.reread(alert)
        assert made.alert().count == 1

    run(tmp_path, story)


def test_an_entry_that_has_ended_alerts_again_and_can_be_allowed_anew(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        first = made.alert()
        await _allow(made, wish(until=made.clock() + timedelta(hours=1)))
        made.clock.ahead = timedelta(hours=2)
        await made.say("cam-1", call(STRANGER, made.clock()))
        second = made.alert()
        assert (second.state, second.previous_id) == ("Active", first.alert_id)
        done = await _allow(made, wish(reason="for good"))
        assert (done.changed, made.alert().state) == (True, "Resolved")
        listed = rule_of(made.commands.group("cams"))
        assert listed.allow.count(STRANGER) == 1
        assert [(note.until, note.reason) for note in listed.notes] == [(None, "for good")]

    run(tmp_path, story)


def test_an_entry_that_is_there_is_prolonged_and_never_shortened(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        soon, later = (made.clock() + timedelta(hours=hours) for hours in (1, 2))
        assert (await _allow(made, wish(until=soon))).changed
        for until, changed in ((soon, False), (later, True), (soon, False), (None, True), (later, False)):
            assert (await _allow(made, wish(until=until))).changed is changed
        (note,) = rule_of(made.commands.group("cams")).notes
        assert note.until is None
        told = await _allow(made, wish())
        assert told.warnings == [f"{STRANGER} is on the list of the group cams already: nothing changes"]

    run(tmp_path, story)


def test_two_who_mend_at_the_same_time_both_succeed(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        for number in range(4):
            await made.say(f"cam-{number}", call(f"203.0.113.{number}"))
        alerts = [made.alert(f"cam-{number}") for number in range(4)]
        await asyncio.gather(
            *(made.mending.allow(one.alert_id, wish(one.value or ""), one.device_id) for one in alerts)
        )
        listed = rule_of(made.commands.group("cams"))
        assert {*listed.allow} == {"198.51.100.0/24", *(one.value for one in alerts)}
        assert {note.by for note in listed.notes} == {one.device_id for one in alerts}
        assert made.store.standing() == []

    run(tmp_path, story)


# deny-lists


def test_what_a_deny_list_denies_is_allowed_by_taking_the_entry_off(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", process("/opt/evil/run"))
        alert = made.alert("cam-1", "ProcessDenied")
        (choice,) = made.mending.choices(alert)
        assert (choice.form, choice.entry, choice.scope) == ("removal", "/opt/evil/*", "group")
        told = await made.mending.preview(alert.alert_id, wish("/opt/evil/*"))
        assert (told.resolves, told.warnings) == ([alert.alert_id], [])
        with pytest.raises(Conflict, match="the deny-list of the fleet has no entry"):
            await made.mending.allow(alert.alert_id, wish("/opt/evil/*", scope="fleet"), "me")
        with pytest.raises(OperatorError, match="nc is not what denies /opt/evil/run"):
            await made.mending.allow(alert.alert_id, wish("nc"), "me")
        until = made.clock() + timedelta(days=1)
        with pytest.raises(OperatorError, match="does not come back by itself"):
            await made.mending.allow(alert.alert_id, wish("/opt/evil/*", until=until), "me")
        done = await made.mending.allow(alert.alert_id, wish("/opt/evil/*", reason="ours"), "anna")
        assert (done.resolved, made.reread(alert).state) == ([alert.alert_id], "Resolved")
        assert rule_of(made.commands.group("cams"), "ProcessDenied").deny == ("nc",)
        back = await made.mending.undo(alert.alert_id, "anna")
        assert [(one.scope, one.removed, one.restored) for one in back.edits] == [
            ("group", [], ["/opt/evil/*"])
        ]
        assert made.reread(alert).state == "Active"
        assert {*rule_of(made.commands.group("cams"), "ProcessDenied").deny} == {"nc", "/opt/evil/*"}

    run(tmp_path, story)


def test_what_several_entries_deny_stays_until_the_last_is_gone(tmp_path: Path, url: str) -> None:
    async def story(made: Running) -> None:
        denied = DenylistRule(type="ProcessDenied", deny=("run",))
        await made.commands.put_layer(Layer(rules=(denied,)), "me")
        await made.say("cam-1", process("/opt/evil/run"))
        alert = made.alert("cam-1", "ProcessDenied")
        assert {choice.entry: choice.scope for choice in made.mending.choices(alert)} == {
            "/opt/evil/*": "group",
            "run": "fleet",
        }
        done = await made.mending.allow(alert.alert_id, wish("/opt/evil/*"), "me")
        assert done.warnings == ["the deny-list also has run (fleet): the alert stays until that goes, too"]
        assert made.reread(alert).state == "Active"
        await made.mending.allow(alert.alert_id, wish("run", scope="fleet"), "me")
        assert made.reread(alert).state == "Resolved"
        assert made.commands.fleet().rules == ()
        back = await made.mending.undo(alert.alert_id, "me")
        assert {one.scope: one.restored for one in back.edits} == {"fleet": ["run"], "group": ["/opt/evil/*"]}
        assert rule_of(made.commands.fleet(), "ProcessDenied").deny == ("run",)
        assert made.reread(alert).state == "Active"

    run(tmp_path, story, url)


# undo


def test_undoing_opens_again_what_the_edit_resolved_each_as_it_was(tmp_path: Path, url: str) -> None:
    async def story(made: Running) -> None:
        for number in range(1, 6):
            await made.say(f"cam-{number}", call(STRANGER))
        alerts = {f"cam-{number}": made.alert(f"cam-{number}") for number in range(1, 6)}
        await made.commands.act(alerts["cam-2"].alert_id, "start", "me", None)
        await made.commands.act(alerts["cam-3"].alert_id, "dismiss", "me", None)
        await made.commands.act(alerts["cam-4"].alert_id, "resolve", "me", None)
        before = made.commands.group("cams")
        await _allow(made, wish())
        assert made.store.standing() == []
        back = await made.mending.undo(alerts["cam-1"].alert_id, "bert")
        assert [(one.scope, one.subject, one.removed) for one in back.edits] == [
            ("group", "cams", [STRANGER])
        ]
        assert back.reopened_count == 4
        states = {device_id: made.reread(alert).state for device_id, alert in alerts.items()}
        assert states == {
            "cam-1": "Active",
            "cam-2": "InProgress",
            "cam-3": "Dismissed",
            "cam-4": "Resolved",
            "cam-5": "Active",
        }
        now = made.commands.group("cams")
        assert structs.replace(now, version=before.version) == before
        (record,) = (one for one in made.store.audit(limit=50).items if one.action == "undo")
        assert (record.subject, record.actor) == ("group/cams", "bert")
        step = made.store.changes_of(alerts["cam-1"].alert_id)[-1]
        assert (step.action, step.actor, step.comment) == (
            "activate",
            "bert",
            "what was allowed has been taken back",
        )
        with pytest.raises(Conflict, match="nothing that was allowed from this alert"):
            await made.mending.undo(alerts["cam-1"].alert_id, "bert")

    run(tmp_path, story, url)


def test_undoing_goes_through_all_scopes_or_those_that_one_may(tmp_path: Path, url: str) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        for scope in ("device", "group", "fleet"):
            await _allow(made, wish(scope=scope))
        alert = made.alert()
        back = await made.mending.undo(alert.alert_id, "me", scopes=frozenset({"device", "group"}))
        assert {one.scope for one in back.edits} == {"device", "group"}
        assert (back.reopened, made.alert().state) == ([], "Resolved")  # the fleet's entry still allows it
        back = await made.mending.undo(alert.alert_id, "me")
        assert [one.scope for one in back.edits] == ["fleet"]
        assert (made.commands.fleet().rules, made.commands.device_layer("cam-1").rules) == ((), ())

    run(tmp_path, story, url)


def test_undoing_leaves_alone_what_others_have_put_since(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        await made.say("cam-2", call(STRANGER))
        one, other = made.alert("cam-1"), made.alert("cam-2")
        await made.mending.allow(one.alert_id, wish(until=made.clock() + timedelta(hours=1)), "anna")
        await made.mending.allow(other.alert_id, wish(reason="for good"), "bert")
        with pytest.raises(Conflict, match="nothing that was allowed from this alert"):
            await made.mending.undo(one.alert_id, "anna")
        back = await made.mending.undo(other.alert_id, "bert")
        assert [(edit.removed, edit.restored) for edit in back.edits] == [([], [STRANGER])]
        (note,) = rule_of(made.commands.group("cams")).notes
        assert (note.by, note.alert_id) == ("anna", one.alert_id)
        assert made.store.standing() == []

    run(tmp_path, story)


def test_undoing_leaves_other_edits_of_the_group_as_they_are(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        alert = made.alert()
        await _allow(made, wish())
        known = made.commands.group("cams")
        longer = structs.replace(rule_of(known), allow=(*rule_of(known).allow, "192.0.2.1"))
        edited = structs.replace(known, description="edited", rules=(longer, *known.rules[1:]))
        await made.commands.put_group(edited, "bert")
        await made.mending.undo(alert.alert_id, "anna")
        now = made.commands.group("cams")
        assert (now.description, rule_of(now).allow) == ("edited", ("198.51.100.0/24", "192.0.2.1"))
        assert now.rules[1:] == known.rules[1:]

    run(tmp_path, story)


def test_undoing_puts_back_what_had_expired_as_expired(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        first = made.alert()
        await _allow(made, wish(until=made.clock() + timedelta(hours=1), reason="a visit"))
        made.clock.ahead = timedelta(hours=2)
        await made.say("cam-1", call(STRANGER, made.clock()))
        second = made.alert()
        await _allow(made, wish(reason="for good"))
        await made.mending.undo(second.alert_id, "me")
        (note,) = rule_of(made.commands.group("cams")).notes
        assert (note.reason, note.alert_id) == ("a visit", first.alert_id)
        assert made.reread(second).state == "Active"
        assert made.reread(first).state == "Resolved"

    run(tmp_path, story)


def test_S20_undoing_does_not_open_an_alert_beside_a_later_one_of_the_same(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        first = made.alert()
        await _allow(made, wish(until=made.clock() + timedelta(hours=1)))
        made.clock.ahead = timedelta(hours=2)
        await made.say("cam-1", call(STRANGER, made.clock()))
        back = await made.mending.undo(first.alert_id, "me")
        assert (back.edits[0].removed, back.reopened) == ([STRANGER], [])
        assert [one.alert_id for one in made.store.standing()] == [made.alert().alert_id]
        assert made.reread(first).state == "Resolved"

    run(tmp_path, story)


@pytest.mark.parametrize("leaving", ["moved", "without the group"])
def test_S25_undoing_opens_nothing_in_a_group_that_the_device_has_left(tmp_path: Path, leaving: str) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        alert = made.alert()
        await made.mending.allow(alert.alert_id, wish(scope="device"), "me")
        if leaving == "moved":
            await made.commands.assign_device("cam-1", "default", "me")
        else:
            await made.commands.delete_group("cams", "me")
        back = await made.mending.undo(alert.alert_id, "me")
        assert (back.edits[0].removed, back.reopened) == ([STRANGER], [])
        assert made.reread(alert).state == "Resolved"
        await made.say("cam-1", call(STRANGER))
        again = made.alert()
        assert (again.state, again.group, again.previous_id) == ("Active", "default", alert.alert_id)

    run(tmp_path, story)


def test_many_who_mend_at_the_same_time_all_succeed(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        entries = [f"203.0.113.{number}" for number in range(1, 13)]
        await made.say("cam-1", *(call(entry) for entry in entries))
        by_value = {one.value: one.alert_id for one in made.store.standing()}
        allowing = (made.mending.allow(by_value[entry], wish(entry), "me") for entry in entries)
        assert all(one.changed for one in await asyncio.gather(*allowing))
        assert made.store.standing() == []
        await asyncio.gather(*(made.mending.undo(by_value[entry], "me") for entry in entries))
        assert len(made.store.standing()) == len(entries)

    run(tmp_path, story)


def test_a_mended_rule_of_a_device_goes_with_its_last_entry(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call(STRANGER))
        own = AllowlistRule(type=PROCESSES, allow=("/opt/own",))
        await made.commands.put_layer(Layer(device_id="cam-1", rules=(own,)), "me")
        await _allow(made, wish(scope="device"))
        assert len(made.commands.device_layer("cam-1").rules) == 2
        await made.mending.undo(made.alert().alert_id, "me")
        assert made.commands.device_layer("cam-1").rules == (own,)

    run(tmp_path, story)
