"""Lists of everything but alerts: all of it, once, in order."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, get_args

from tests.store.control.material import alert, commit

from fencepost.model.alert import State
from fencepost.model.catalog import Severity
from fencepost.model.page import Counts, Page
from fencepost.model.record import AuditRecord, DeviceRecord, Quarantined, Tally, TallyKind
from fencepost.store.control import ControlStore
from fencepost.testing import at

KINDS: tuple[TallyKind, ...] = get_args(TallyKind)


def whole(ask: Callable[..., Page[Any]], **options: Any) -> list[Any]:
    """Return a list page by page, once with small pages and once with the largest."""
    small = [one for page in pages(ask, limit=3, **options) for one in page]
    assert small == [one for page in pages(ask, limit=1000, **options) for one in page]
    return small


def pages(ask: Callable[..., Page[Any]], **options: Any) -> Iterator[list[Any]]:
    page = ask(**options)
    yield page.items
    while page.after is not None:
        assert len(page.items) == options["limit"]
        page = ask(**options, after=page.after)
        yield page.items


def test_an_empty_store_has_nothing_of_anything(store: ControlStore) -> None:
    """And says so."""
    for ask in (store.devices, store.tallies, store.quarantine, store.audit):
        assert ask() == Page([])
    assert store.groups() == ()
    assert store.notices(0) == []
    assert store.device("cam-1") is None
    assert store.counts() == Counts({}, 0, 0)


def test_devices_come_by_their_ids(store: ControlStore) -> None:
    """In the order of their letters, whatever the database's language."""
    ids = ["b", "B", "a", "A", "\u00e4", "_", "10", "9", "cam 1", "cam-1", "\U0001f600", "\ufffd"]
    records = [
        DeviceRecord(device_id=one, position=n, registered_at=at("10:00")) for n, one in enumerate(ids, 1)
    ]
    commit(store, devices=records)
    assert [one.device_id for one in whole(store.devices)] == sorted(ids)
    assert [one.device_id for one in whole(store.devices, text="CAM")] == ["cam 1", "cam-1"]
    assert store.device("B") == records[1]


def test_tallies_come_by_device_kind_and_subject(store: ControlStore) -> None:
    """Of all, of one device, of one kind, of both."""
    tallies = [
        Tally(
            device_id=f"cam-{device}",
            kind=kind,
            subject=subject,
            count=device + 1,
            first_at=at("10:00"),
            last_at=at("10:01"),
            detail={"said": None, "times": [1, 2.5]},
        )
        for device in range(3)
        for kind in KINDS
        for subject in ("", "Login", "ProcessCreate")
    ]
    commit(store, tallies=tallies)
    expected = sorted(tallies, key=lambda one: (one.device_id, one.kind, one.subject))
    assert whole(store.tallies) == expected
    assert whole(store.tallies, device_id="cam-1") == [one for one in expected if one.device_id == "cam-1"]
    assert whole(store.tallies, kind="skewed") == [one for one in expected if one.kind == "skewed"]
    both = [one for one in expected if one.device_id == "cam-2" and one.kind == "gap"]
    assert whole(store.tallies, device_id="cam-2", kind="gap") == both


def test_S31_the_quarantine_comes_newest_first(store: ControlStore) -> None:
    """Several refusals of one message in their places."""
    refused = [
        Quarantined(
            position=position,
            number=number,
            device_id=f"cam-{position % 3}",
            received_at=at("10:00") + timedelta(seconds=position),
            size=position * 100,
            where=f"Events[{number}]",
            reason="no Id",
            whole=number == 0,
            more=number,
        )
        for position in range(1, 9)
        for number in range(position % 4)
    ]
    commit(store, quarantined=refused)
    expected = refused[::-1]
    assert whole(store.quarantine) == expected
    assert whole(store.quarantine, device_id="cam-2") == [one for one in expected if one.device_id == "cam-2"]


def test_S24_the_audit_comes_newest_first(store: ControlStore) -> None:
    """With what was before and what was after, and None where there was nothing."""
    records = [
        AuditRecord(
            position=number,
            at=at("10:00"),
            actor="ann",
            action="put",
            subject=f"group/{number}",
            before={} if number % 2 else None,
            after={"rules": [number]} if number % 3 else None,
            effect="",
        )
        for number in range(10)
    ]
    commit(store, audit=records)
    assert whole(store.audit) == records[::-1]


def test_the_audit_is_searched_by_who_what_whom_and_when(store: ControlStore) -> None:
    """By each, and by all together; a kind of subjects by its beginning, in which no letter is a wildcard."""
    records = [
        AuditRecord(
            position=number,
            at=at("10:00") + timedelta(minutes=number),
            actor=("ann", "token/nightly", "ann b")[number % 3],
            action=("put", "delete")[number % 2],
            subject=("group/a", "group/b", "groups/a", "device/a", "gro_p/a")[number % 5],
            before=None,
            after=None,
            effect="",
        )
        for number in range(40)
    ]
    commit(store, audit=records)

    def expected(fits: Callable[[AuditRecord], bool]) -> list[AuditRecord]:
        return [one for one in records[::-1] if fits(one)]

    assert whole(store.audit, actor="ann") == expected(lambda one: one.actor == "ann")
    assert whole(store.audit, action="delete") == expected(lambda one: one.action == "delete")
    assert whole(store.audit, subject="group/a") == expected(lambda one: one.subject == "group/a")
    assert whole(store.audit, subject="group/") == expected(lambda one: one.subject.startswith("group/"))
    assert whole(store.audit, subject="gro_p/") == expected(lambda one: one.subject.startswith("gro_p/"))
    assert whole(store.audit, subject="group") == whole(store.audit, subject="GROUP/") == []
    assert whole(store.audit, since=at("10:09")) == records[:8:-1]
    assert whole(store.audit, until=at("10:09")) == records[8::-1]
    assert whole(
        store.audit, actor="ann", action="put", subject="device/", since=at("10:05"), until=at("10:30")
    ) == expected(lambda one: one.actor == "ann" and one.position == 18)


def test_counts_are_of_what_people_see(store: ControlStore) -> None:
    """An alert that came to nothing is none."""
    alerts = [
        alert("cam-1"),
        alert("cam-2"),
        alert("cam-3", severity="High"),
        alert("cam-4", state="Resolved"),
        alert("cam-5", merged_into="another"),
    ]
    records = [DeviceRecord(device_id=f"cam-{n}", position=1, registered_at=at("10:00")) for n in range(7)]
    commit(store, *alerts, devices=records)
    by_state: dict[tuple[State, Severity], int] = {
        ("Active", "Low"): 2,
        ("Active", "High"): 1,
        ("Resolved", "Low"): 1,
    }
    assert store.counts() == Counts(by_state, 7, 0)
