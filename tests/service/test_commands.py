"""What people change, and about alerts do: kept, counted, refused with the reason, and all of it in the audit."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.said import call, failed_login, process
from tests.service.running import CAMERAS, Running, run

from fencepost.model.alert_view import etag_of
from fencepost.model.errors import OperatorError
from fencepost.model.layer import Layer
from fencepost.model.page import AlertFilter
from fencepost.model.rule import AllowlistRule, EntryNote, SecurityGroup, TimeWindowRule
from fencepost.model.suppression import Condition, SuppressionRule
from fencepost.service.commands import MOST_AT_ONCE, Outdated
from fencepost.service.expectations import Expectations

IPS = "ConnectionToIpNotAllowed"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def with_list(allow: tuple[str, ...], *notes: EntryNote) -> SecurityGroup:
    return SecurityGroup(name="one", rules=(AllowlistRule(type=IPS, allow=allow, notes=notes),))


def note(entry: str, **members: Any) -> EntryNote:
    return EntryNote(**{"entry": entry, "by": "", "at": LONG_AGO, **members})


def notes_of(group: SecurityGroup | Layer) -> tuple[EntryNote, ...]:
    (rule,) = group.rules
    assert isinstance(rule, AllowlistRule)
    return rule.notes


# notes


def test_a_note_without_an_author_is_of_who_puts_it_now(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        draft = with_list(("10.0.0.1", "10.0.0.2"), note("10.0.0.2", reason="printer"))
        put, _ = await made.commands.put_group(draft, "anna")
        (known,) = notes_of(put)
        assert (known.entry, known.by, known.reason) == ("10.0.0.2", "anna", "printer")
        assert known.at > LONG_AGO
        assert (await made.commands.put_group(draft, "bert")) == (put, False)
        assert (await made.commands.put_group(put, "bert")) == (put, False)

    run(tmp_path, story)


def test_an_entry_given_as_bare_text_keeps_its_note_while_that_counts(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        until = made.clock() + timedelta(hours=1)
        ends, stays = note("10.0.0.1", by="anna", until=until), note("10.0.0.2", by="anna", reason="why")
        await made.commands.put_group(with_list(("10.0.0.1", "10.0.0.2"), ends, stays), "me")
        put, _ = await made.commands.put_group(with_list(("10.0.0.3", "10.0.0.2", "10.0.0.1")), "bert")
        assert notes_of(put) == (stays, ends)
        made.clock.ahead = timedelta(hours=2)
        put, _ = await made.commands.put_group(with_list(("10.0.0.1", "10.0.0.2")), "bert")
        assert notes_of(put) == (stays,)  # what had expired is anew, and permanent
        put, _ = await made.commands.put_group(with_list(("10.0.0.1",)), "bert")
        assert notes_of(put) == ()

    run(tmp_path, story)


def test_a_note_in_the_draft_holds_against_the_one_that_is_known(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.commands.put_group(with_list(("10.0.0.1",), note("10.0.0.1", by="anna")), "me")
        written = note("10.0.0.1", by="the file", until=LONG_AGO, reason="expired as it stands there")
        put, _ = await made.commands.put_group(with_list(("10.0.0.1",), written), "me")
        assert notes_of(put) == (written,)

    run(tmp_path, story)


# layers


def test_layers_are_put_counted_and_taken_away(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        commands = made.commands
        assert commands.fleet() == Layer()
        rule = AllowlistRule(type=IPS, allow=("192.0.2.0/24",), notes=(note("192.0.2.0/24", reason="ntp"),))
        first = await commands.put_layer(Layer(rules=(rule,)), "anna", version=0, reason="time")
        assert (first.version, notes_of(first)[0].by) == (1, "anna")
        assert commands.fleet() == commands.layers().fleet == first
        assert await commands.put_layer(Layer(rules=(rule,)), "bert") == first
        with pytest.raises(Outdated):
            await commands.put_layer(Layer(), "bert", version=0)
        gone = await commands.put_layer(Layer(rules=(AllowlistRule(type=IPS),)), "bert", version=1)
        assert (gone, commands.fleet()) == (Layer(version=2), Layer(version=2))
        assert commands.layers().fleet.rules == ()
        assert (await commands.put_layer(Layer(rules=(rule,)), "anna")).version == 3
        records = made.store.audit(limit=3).items
        assert [one.subject for one in records] == ["layer/fleet"] * 3
        assert records[-1].effect == "0 alerts changed their state: time"

    run(tmp_path, story)


def test_a_devices_layer_is_of_that_device_alone(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call("203.0.113.9"))
        await made.say("cam-2", call("203.0.113.9"))
        window = TimeWindowRule(
            type="ActiveConnectionsNotInAllowedRange", min=0, max=3, window=timedelta(minutes=5)
        )
        rules = (AllowlistRule(type=IPS, allow=("203.0.113.9",)), window)
        await made.commands.put_layer(Layer(device_id="cam-1", rules=rules), "me")
        assert made.alert("cam-1").state == "Resolved"
        assert made.alert("cam-2").state == "Active"
        assert made.commands.device_layer("cam-1").rules == rules
        assert made.commands.device_layer("cam-2") == Layer(device_id="cam-2")
        (record,) = made.store.audit(limit=1).items
        assert (record.subject, record.effect) == ("layer/device/cam-1", "1 alert changed its state")

    run(tmp_path, story)


def test_the_problems_of_a_layer_are_named_with_their_paths(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        window = TimeWindowRule(
            type="ActiveConnectionsNotInAllowedRange", min=5, max=3, window=timedelta(minutes=5)
        )
        draft = Layer(rules=(window, AllowlistRule(type=IPS, allow=("no address",))))
        with pytest.raises(OperatorError) as caught:
            await made.commands.put_layer(draft, "me")
        paths = {problem.path for problem in caught.value.problems}
        assert {"rules[0].max", "rules[0].type", "rules[1].allow[0]"} <= paths
        assert made.commands.fleet() == Layer()

    run(tmp_path, story)


# alerts


def test_who_has_seen_another_state_of_an_alert_is_refused(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call("203.0.113.9"))
        seen = etag_of(made.alert())
        await made.say("cam-1", call("203.0.113.9"))  # more of the same changes no mind
        await made.commands.act(made.alert().alert_id, "start", "anna", None, seen=seen)
        with pytest.raises(Outdated):
            await made.commands.act(made.alert().alert_id, "resolve", "bert", None, seen=seen)
        with pytest.raises(Outdated):
            await made.commands.assign_alert(made.alert().alert_id, "bert", "bert", seen=seen)
        assert made.alert().state == "InProgress"

    run(tmp_path, story)


def test_an_alert_is_given_to_somebody_and_spoken_of(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call("203.0.113.9"))
        opened, told = made.alert(), len(made.store.notices(0))
        await made.commands.assign_alert(opened.alert_id, "anna", "bert", seen=etag_of(opened))
        await made.commands.assign_alert(opened.alert_id, "anna", "bert")  # says nothing new
        await made.commands.comment(opened.alert_id, "it is the printer", "anna")
        assert made.alert() == structs.replace(opened, assigned_to="anna")
        steps = made.store.changes_of(opened.alert_id)[1:]
        assert [(one.action, one.actor, one.reason, one.comment) for one in steps] == [
            ("assign", "bert", "assigned to anna", None),
            ("comment", "anna", None, "it is the printer"),
        ]
        assert all(one.before == one.after == "Active" for one in steps)
        records = made.store.audit(limit=2).items
        assert [(one.action, one.before, one.after, one.effect) for one in records] == [
            ("comment", {"state": "Active"}, {"state": "Active"}, "it is the printer"),
            ("assign", {"assigned_to": None}, {"assigned_to": "anna"}, ""),
        ]
        assert len(made.store.notices(0)) == told
        await made.say("cam-1", call("203.0.113.9"))
        assert (made.alert().assigned_to, made.alert().count) == ("anna", 2)
        await made.commands.assign_alert(opened.alert_id, None, "anna")
        assert made.alert().assigned_to is None

    run(tmp_path, story)


@pytest.mark.parametrize("comment", ["", "  \n", "x" * 2001])
def test_a_comment_says_something_and_ends(tmp_path: Path, comment: str) -> None:
    async def story(made: Running) -> None:
        with pytest.raises(OperatorError) as caught:
            await made.commands.comment("any", comment, "me")
        assert [problem.path for problem in caught.value.problems] == ["comment"]

    run(tmp_path, story)


def test_many_alerts_are_moved_at_once_and_each_says_what_became_of_it(tmp_path: Path, url: str) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", *(process(f"/opt/{number}") for number in range(5)))
        ids = sorted(alert.alert_id for alert in made.store.standing())
        await made.commands.act(ids[2], "resolve", "me", None)
        before = made.journal.last_position
        wanted = [ids[0], "nothing", ids[1], ids[2], ids[0]]
        results = await made.commands.act_on_many(wanted, "resolve", "anna", "all known")
        assert [(one.alert_id, one.state, one.reason) for one in results] == [
            (ids[0], "Resolved", None),
            ("nothing", None, "there is no such alert"),
            (ids[1], "Resolved", None),
            (ids[2], None, "an alert that is Resolved cannot resolve"),
            (ids[0], None, "an alert that is Resolved cannot resolve"),
        ]
        assert made.journal.last_position == before + len(wanted)
        assert {alert.alert_id for alert in made.store.standing()} == {*ids[3:]}
        assert await made.commands.act_on_many([], "resolve", "anna", None) == []
        with pytest.raises(OperatorError, match="at most 1,000 alerts at once"):
            await made.commands.act_on_many(["x"] * (MOST_AT_ONCE + 1), "resolve", "anna", None)

    run(tmp_path, story, url)


# suppression rules


def rule(**members: Any) -> SuppressionRule:
    known = Condition(field="alert.value", among=("203.0.113.9",))
    first = {"name": "Known", "alert_type": "*", "reason": "known", "conditions": (known,)}
    return SuppressionRule(**{**first, "changed_at": LONG_AGO, **members})


def test_what_a_rule_names_is_dismissed_as_it_opens_and_nobody_is_told(tmp_path: Path, url: str) -> None:
    async def story(made: Running) -> None:
        await made.say("cam-1", call("203.0.113.9"))
        put, is_new = await made.commands.put_suppression(rule(), "anna")
        assert (is_new, put.changed_at > LONG_AGO) == (True, True)
        told = len(made.store.notices(0))
        await made.say("cam-2", call("203.0.113.9"), call("203.0.113.9"))
        dismissed = made.alert("cam-2")
        assert (dismissed.state, dismissed.count) == ("Dismissed", 2)
        assert "Known" in (dismissed.reason or "")
        steps = made.store.changes_of(dismissed.alert_id)
        assert [(one.action, one.before, one.after) for one in steps] == [
            ("open", None, "Active"),
            ("suppress", "Active", "Dismissed"),
        ]
        assert len(made.store.notices(0)) == told
        assert made.alert("cam-1").state == "Active"  # what was open before stays
        await made.say("cam-3", call("203.0.113.8"))
        assert made.alert("cam-3").state == "Active"

    run(tmp_path, story, url)


def test_S29_nobody_is_told_of_what_a_rule_names_and_is_over_when_it_comes(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        window = timedelta(minutes=5)
        few = TimeWindowRule(type="FailedLocalLoginsNotInAllowedRange", min=0, max=1, window=window)
        cameras = made.commands.group("cams")
        await made.commands.put_group(structs.replace(cameras, rules=(*cameras.rules, few)), "me")
        now = made.clock()
        await made.say("cam-1", *(failed_login(now) for _ in range(3)))
        await made.commands.put_suppression(rule(alert_type="*", conditions=()), "anna")
        told = len(made.store.notices(0))
        await made.say("cam-1", *(failed_login(now - timedelta(minutes=8)) for _ in range(3)))
        states = [one.state for one in made.store.alerts(AlertFilter(device_id="cam-1")).items]
        assert sorted(states) == ["Active", "Resolved"]
        assert len(made.store.notices(0)) == told

    run(tmp_path, story)


def test_a_rule_counts_until_its_end_and_until_it_is_taken_away(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        commands = made.commands
        ending = made.clock() + timedelta(hours=1)
        put, _ = await commands.put_suppression(rule(expires_at=ending), "anna")
        assert await commands.put_suppression(rule(name="KNOWN", expires_at=ending), "bert") == (put, False)
        again, is_new = await commands.put_suppression(rule(name="KNOWN", enabled=False), "bert")
        assert (again.name, is_new, commands.suppressions()) == ("Known", False, (again,))
        await made.say("cam-1", call("203.0.113.9"))
        assert made.alert("cam-1").state == "Active"
        await commands.put_suppression(rule(expires_at=ending), "anna")
        made.clock.ahead = timedelta(hours=2)
        await made.say("cam-2", call("203.0.113.9"))
        assert made.alert("cam-2").state == "Active"
        await commands.put_suppression(rule(), "anna")
        assert await commands.delete_suppression("kNOWN", "anna")
        assert not await commands.delete_suppression("known", "anna")
        await made.say("cam-3", call("203.0.113.9"))
        assert made.alert("cam-3").state == "Active"
        records = made.store.audit(limit=5).items
        assert {one.subject for one in records} == {"suppression/Known"}
        assert [one.action for one in records] == ["delete", *["put"] * 4]

    run(tmp_path, story)


def test_the_problems_of_a_rule_are_named(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        wrong = rule(name="a/b", alert_type=" ", conditions=(Condition(field="nonsense"),))
        with pytest.raises(OperatorError) as caught:
            await made.commands.put_suppression(wrong, "me")
        assert len(caught.value.problems) == 4
        assert made.commands.suppressions() == ()

    run(tmp_path, story)


def test_what_is_expected_is_known_again_after_a_restart(tmp_path: Path, url: str) -> None:
    """From the store alone: the versions of what was taken away, too."""

    async def story(made: Running) -> None:
        allow = AllowlistRule(type=IPS, allow=("192.0.2.1",))
        await made.commands.put_layer(Layer(rules=(allow,)), "me")
        await made.commands.put_layer(Layer(device_id="cam-1", rules=(allow,)), "me")
        await made.commands.put_layer(Layer(device_id="cam-1"), "me")
        await made.commands.put_suppression(rule(), "me")
        again = Expectations(made.store)
        assert again.layer(None) == made.commands.fleet()
        assert again.layer("cam-1") == Layer(device_id="cam-1", version=2)
        assert again.suppressions == made.commands.suppressions()

    run(tmp_path, story, url)


def test_the_audit_shows_the_beginning_of_a_very_long_list(tmp_path: Path) -> None:
    async def story(made: Running) -> None:
        allow = tuple(f"10.{number >> 8}.{number & 255}.1" for number in range(1000))
        long = AllowlistRule(type=IPS, allow=allow, notes=tuple(note(one, by="me") for one in allow))
        await made.commands.put_group(structs.replace(CAMERAS, rules=(long,)), "me")
        (record,) = made.store.audit(limit=1).items
        assert record.after is not None
        shown = record.after["rules"][0]
        assert [len(shown[name]) for name in ("allow", "notes")] == [101, 101]
        assert shown["allow"][-1] == shown["notes"][-1] == "... 900 more"

    run(tmp_path, story)
