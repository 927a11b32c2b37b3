"""One commit is one transaction, made once however often it is asked for."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy.exc import StatementError
from tests.store.control.material import HOSTILE, alert, commit, opened

from fencepost.model.entry import Mend
from fencepost.model.layer import Layer
from fencepost.model.page import AlertFilter, Page
from fencepost.model.record import AuditRecord, Changes, DeviceRecord, Notice, Quarantined, Tally
from fencepost.model.rule import Members
from fencepost.model.suppression import SuppressionRule
from fencepost.store.control import ControlStore, writing
from fencepost.testing import active_connections, allowing, at, group


def device(device_id: str = "cam-1", position: int = 1, **members: Any) -> DeviceRecord:
    return DeviceRecord(
        **{"device_id": device_id, "position": position, "registered_at": at("09:00"), **members}
    )


def tally(device_id: str = "cam-1", **members: Any) -> Tally:
    first = {
        "kind": "late",
        "subject": "ProcessCreate",
        "count": 1,
        "first_at": at("10:00"),
        "last_at": at("10:00"),
    }
    return Tally(**{"device_id": device_id, "detail": {}, **first, **members})


def quarantined(position: int, number: int = 0, **members: Any) -> Quarantined:
    first = {
        "device_id": "cam-1",
        "received_at": at("10:00"),
        "size": 3,
        "where": "Events[0]",
        "reason": "no Id",
    }
    return Quarantined(**{"position": position, "number": number, "whole": False, **first, **members})


def notice(position: int) -> Notice:
    return Notice(alert_id="a", position=position, at=at("10:00"), state="Resolved", previous="Active")


def everything_at_once(after: int) -> Changes:
    """Return a commit with something of each kind."""
    one, position = alert(), after + 3
    return Changes(
        after=after,
        position=position,
        alerts=[(one, position)],
        history=[opened(one, position)],
        notices=[
            Notice(alert_id=one.alert_id, position=position, at=at("10:00"), state="Active", previous=None)
        ],
        tallies=[tally()],
        quarantined=[quarantined(position)],
        groups_put=[(group(name="Cameras"), position)],
        layers=[(Layer(version=1), position)],
        mends={position: Mend(one.alert_id, "allow")},
        suppressions_put=[
            SuppressionRule(name="known", alert_type="*", reason="known", changed_at=at("10:00"))
        ],
        audit=[
            AuditRecord(
                position=position,
                at=at("10:00"),
                actor="ann",
                action="put",
                subject="group/Cameras",
                before=None,
                after={"name": "Cameras"},
                effect="no alert moved",
            )
        ],
        devices=[device(messages=1, tag="Cameras", tagged=True)],
    )


def contents(store: ControlStore) -> list[Any]:
    with store.everything() as (position, alerts):
        found = [position, *alerts]
    return [
        *found,
        store.changes_of(alert().alert_id),
        store.notices(0),
        store.tallies(),
        store.quarantine(),
        store.groups(),
        store.group_versions("cameras"),
        store.layers(),
        store.suppressions(),
        len(store.mends(alert().alert_id)),
        store.audit(),
        store.devices(),
        store.counts(),
    ]


def test_S30_a_commit_that_is_made_twice_is_made_once(store: ControlStore) -> None:
    """A connection that is lost at COMMIT leaves open whether it was made: it is asked for again."""
    changes = everything_at_once(after=0)
    store.commit(changes)
    once = contents(store)
    assert once == [
        3,
        alert(),
        changes.history,
        [(1, changes.notices[0])],
        Page(changes.tallies),
        Page(changes.quarantined),
        (group(name="Cameras"),),
        [(group(name="Cameras"), 3)],
        (Layer(version=1),),
        (changes.suppressions_put[0],),
        2,
        Page(changes.audit),
        Page([device(messages=1, tag="Cameras")]),
        store.counts(),
    ]
    store.commit(changes)
    assert contents(store) == once
    with pytest.raises(ValueError, match="something else has written to it"):
        store.commit(Changes(after=0, position=2, alerts=[(alert("cam-2"), 2)]))
    assert contents(store) == once


def test_a_commit_that_does_not_follow_is_refused(store: ControlStore) -> None:
    """Somebody else has written, or something was left out: neither is passed over."""
    commit(store, alert())
    before = contents(store)
    for after in (0, 2):
        changes = replace(everything_at_once(after), position=7)
        with pytest.raises(
            ValueError, match=f"the store stands at 1, not at {after}: something else has written"
        ):
            store.commit(changes)
    with pytest.raises(ValueError, match="changes after 1 up to 1 are of no entry"):
        store.commit(Changes(after=1, position=1))
    assert contents(store) == before


def test_a_commit_that_fails_in_the_middle_changes_nothing(store: ControlStore) -> None:
    """A fault of ours is loud, and leaves no half of a commit behind."""
    before = contents(store)
    wrong = replace(everything_at_once(after=0), devices=[device(last_seen_at=datetime(2026, 3, 2))])
    with pytest.raises(StatementError, match="naive"):
        store.commit(wrong)
    assert contents(store) == before
    store.commit(everything_at_once(after=0))
    assert store.position() == 3


def test_a_position_alone_may_be_committed(store: ControlStore) -> None:
    """Most messages change nothing."""
    assert store.position() == 0
    store.commit(Changes(after=0, position=17))
    assert store.position() == 17


# alerts


def test_an_alert_that_changes_takes_the_place_of_what_it_was(store: ControlStore) -> None:
    """In each column that it can be found by."""
    commit(store, alert())
    changed = alert(
        state="Resolved",
        group="Cameras",
        severity="High",
        last_seen_at=at("12:00"),
        count=7,
        events=4,
        started="09:30",
    )
    assert commit(store, changed) == 2
    assert store.alert(changed.alert_id) == changed
    for wanted in (
        AlertFilter(states=frozenset({"Resolved"})),
        AlertFilter(group="CAMERAS"),
        AlertFilter(severities=frozenset({"High"})),
        AlertFilter(since=at("12:00")),
    ):
        assert store.alerts(wanted).items == [changed]
    for wanted in (
        AlertFilter(states=frozenset({"Active"})),
        AlertFilter(group="default"),
        AlertFilter(severities=frozenset({"Low"})),
        AlertFilter(until=at("12:00")),
    ):
        assert store.alerts(wanted).items == []
    assert store.changed_after(1, 10) == [(changed, 2)]
    assert store.standing() == []


def test_what_a_hostile_device_says_is_kept_as_it_is(store: ControlStore) -> None:
    """In every place that takes a text of a device, an agent or a person."""
    for text in HOSTILE:
        check_that_it_is_kept(store, text)
    assert store.counts().devices == len(HOSTILE)


def check_that_it_is_kept(store: ControlStore, text: str) -> None:
    one = alert(text, text, group=text, events=2)
    after = store.position()
    position = after + 1
    changes = Changes(
        after=after,
        position=position,
        alerts=[(one, position)],
        history=[replace(opened(one, position), actor=text, reason=text, comment=text)],
        tallies=[tally(text, subject=text, detail={text: [text]})],
        quarantined=[quarantined(position, device_id=text, where=text, reason=text)],
        groups_put=[(group(name=text, description=text, members=Members(ids=(text,))), position)],
        audit=[
            AuditRecord(
                position=position,
                at=at("10:00"),
                actor=text,
                action=text,
                subject=text,
                before={text: text},
                after={text: None},
                effect=text,
            )
        ],
        devices=[device(text, position, tag=text, tagged=True)],
    )
    store.commit(changes)
    assert store.alert(one.alert_id) == one
    assert store.alerts(AlertFilter(device_id=text, group=text)).items == [one]
    assert one in store.alerts(AlertFilter(text=text)).items
    assert store.histories([(text, one.rule_type, text)]) == [one]
    assert store.standing(group=text, device_id=text) == [one]
    assert store.changes_of(one.alert_id) == changes.history
    assert store.tallies(device_id=text).items == changes.tallies
    assert store.quarantine(device_id=text).items == changes.quarantined
    assert store.groups()[-1:] == (changes.groups_put[0][0],)
    assert store.group_versions(text) == changes.groups_put
    assert store.audit(limit=1).items == changes.audit
    assert store.device(text) == device(text, position, tag=text)
    assert device(text, position, tag=text) in store.devices(text=text).items


# devices


def test_a_device_is_counted_on(store: ControlStore) -> None:
    """Counts add up, times reach from the first to the last, the source is the latest that is known."""
    commit(store, devices=[device(position=1)])
    assert store.device("cam-1") == device(position=1)
    first = device(
        position=2, first_seen_at=at("10:00"), last_seen_at=at("10:05"), source="legacy", messages=2
    )
    commit(store, devices=[first])
    assert store.device("cam-1") == first
    more = device(
        position=3, first_seen_at=at("09:59"), last_seen_at=at("10:03"), messages=1, events=8, rejected=1
    )
    again = device(position=3, source="hub", registered_at=at("08:00"))
    commit(store, devices=[more, again])
    assert store.device("cam-1") == device(
        position=3,
        registered_at=at("08:00"),
        first_seen_at=at("09:59"),
        last_seen_at=at("10:05"),
        source="hub",
        messages=3,
        events=8,
        rejected=1,
    )


def test_S25_a_tag_changes_only_where_it_was_set(store: ControlStore) -> None:
    """A message says nothing of the tag; a tag that is taken away is gone."""
    commit(store, devices=[device(tag="ignored")])
    assert store.device("cam-1") == device()
    commit(store, devices=[device(tag="Cameras", tagged=True)])
    commit(store, devices=[device(messages=1)])
    assert store.device("cam-1") == device(messages=1, tag="Cameras")
    commit(store, devices=[device(tag=None, tagged=True)])
    assert store.device("cam-1") == device(messages=1)


# tallies


def test_a_tally_counts_on(store: ControlStore) -> None:
    """What happened to a device before, and the latest case of it."""
    commit(store, tallies=[tally(count=2, detail={"event": "first"})])
    early = tally(count=1, first_at=at("09:00"), last_at=at("09:30"), detail={"event": "second"})
    late = tally(count=3, first_at=at("11:00"), last_at=at("11:30"), detail={"event": "third"})
    other = tally(subject="Login"), tally(kind="skewed"), tally("cam-2")
    commit(store, tallies=[early, late, *other])
    assert store.tallies().items == [
        tally(subject="Login"),
        tally(count=6, first_at=at("09:00"), last_at=at("11:30"), detail={"event": "third"}),
        tally(kind="skewed"),
        tally("cam-2"),
    ]


# groups


def test_groups_keep_the_order_in_which_they_were_made(store: ControlStore) -> None:
    """An edit does not move a group; one that is made again is the last."""
    one, two, three = (group(name=name) for name in ("Zebra", "Ant", "Moose"))
    commit(store, groups_put=[one, two])
    commit(store, groups_put=[three])
    assert store.groups() == (one, two, three)
    edited = group(allowing("ProcessNotAllowed", "sh"), name="zebra", version=2)
    commit(store, groups_put=[edited])
    assert store.groups() == (edited, two, three)
    commit(store, groups_deleted=["ANT"])
    assert store.groups() == (edited, three)
    commit(store, groups_put=[two])
    assert store.groups() == (edited, three, two)
    commit(store, groups_put=[edited], groups_deleted=["Zebra", "nobody"])
    assert store.groups() == (three, two, edited)


def test_S24_every_version_of_a_group_is_kept(store: ControlStore) -> None:
    """Also when the group is gone."""
    versions = [group(active_connections(high=n), name="Cameras", version=n) for n in range(1, 5)]
    commit(store, groups_put=versions[:2])
    commit(store, groups_put=[versions[2], group(name="other")])
    commit(store, groups_put=[replace(versions[3], name="CAMERAS")])
    commit(store, groups_deleted=["cameras"])
    assert store.group_versions("cameras") == [
        (replace(versions[3], name="CAMERAS"), 3),
        (versions[2], 2),
        (versions[1], 1),
        (versions[0], 1),
    ]
    assert store.group_versions("nobody") == []


# what does not grow without end


def test_only_the_newest_of_the_quarantine_and_the_outbox_are_kept(
    store: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are trimmed now and then, and hold a little more between."""
    monkeypatch.setattr(writing, "QUARANTINE_KEPT", 50)
    monkeypatch.setattr(writing, "OUTBOX_KEPT", 80)
    monkeypatch.setattr(writing, "TRIM_EVERY", 20)
    most = 0
    for position in range(1, 101):
        many = [quarantined(position, number) for number in range(3)]
        commit(store, quarantined=many, notices=[notice(position)] * 2)
        most = max(most, store.counts().quarantined)
    assert 50 < most <= 50 + 20 + 3
    newest = store.quarantine(limit=1000).items
    assert len(newest) >= 50
    assert [(one.position, one.number) for one in newest[:4]] == [(100, 2), (100, 1), (100, 0), (99, 2)]
    kept = store.notices(0, limit=1000)
    assert 80 <= len(kept) <= 80 + 20 + 2
    assert [number for number, _ in kept] == list(range(kept[0][0], 201))


def test_a_quarantine_that_comes_at_once_is_trimmed_at_once(store: ControlStore) -> None:
    """The real bound, in one commit."""
    many = [quarantined(1, number) for number in range(writing.QUARANTINE_KEPT + 3000)]
    commit(store, quarantined=many)
    assert store.counts().quarantined == writing.QUARANTINE_KEPT
    assert store.quarantine(limit=1).items == many[-1:]


def test_what_a_former_process_left_is_trimmed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is restarted often must not collect more and more."""
    monkeypatch.setattr(writing, "QUARANTINE_KEPT", 10)
    for number in range(5):
        with ControlStore.open(url) as store:
            commit(store, quarantined=[quarantined(number + 1, one) for one in range(10)])
            assert store.counts().quarantined == 10


def test_numbers_of_notices_are_never_used_twice(store: ControlStore) -> None:
    """Who has told up to a number must hear of the next."""
    commit(store, notices=[notice(1), notice(1)])
    failing = Changes(
        after=1, position=2, notices=[notice(2)], devices=[device(last_seen_at=datetime(2026, 3, 2))]
    )
    with pytest.raises(StatementError, match="naive"):
        store.commit(failing)
    commit(store, notices=[notice(2)])
    numbers = [number for number, _ in store.notices(0)]
    assert numbers == sorted(set(numbers))
    assert [one for _, one in store.notices(numbers[1])] == [notice(2)]


def test_a_thousand_devices_are_one_commit(store: ControlStore) -> None:
    """With everything that may be told of each of them."""
    many = range(1000)
    commit(
        store,
        *(alert(f"cam-{number}") for number in many),
        devices=[
            device(f"cam-{number}", messages=1, last_seen_at=at("10:00") + timedelta(seconds=number))
            for number in many
        ],
        tallies=[tally(f"cam-{number}") for number in many],
    )
    assert store.counts().devices == 1000
    assert store.counts().alerts == {("Active", "Low"): 1000}
