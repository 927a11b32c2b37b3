"""What solutions decide, and how they are changed."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from fencepost.model.solution import SecuritySolution
from fencepost.service.solutions import Solutions
from fencepost.store.control import ControlStore

AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ControlStore]:
    with ControlStore.open(f"sqlite:///{tmp_path / 'control.db'}") as opened:
        yield opened


def draft(name: str = "main", **said: object) -> SecuritySolution:
    known = SecuritySolution(
        name=name,
        location="local",
        workspace="/w",
        display_name="Main",
        iot_hubs=("/h",),
        unmasked_ip_logging="Enabled",
        created_at=AT,
        created_by="",
        changed_at=AT,
        changed_by="",
    )
    return structs.replace(known, **said)


def put(solutions: Solutions, one: SecuritySolution, actor: str) -> tuple[SecuritySolution, bool]:
    return asyncio.run(solutions.put(one, actor))


def delete(solutions: Solutions, name: str, actor: str) -> bool:
    return asyncio.run(solutions.delete(name, actor))


def test_without_a_solution_raw_events_are_kept_and_addresses_shown(store: ControlStore) -> None:
    solutions = Solutions(store, lambda: AT)
    assert solutions.keeps_raw_events()
    assert not solutions.masks_addresses()


def test_export_switches_raw_events_on_and_off(store: ControlStore) -> None:
    solutions = Solutions(store, lambda: AT)
    put(solutions, draft(), "user/anna")
    assert not solutions.keeps_raw_events()
    put(solutions, draft(export=("RawEvents",)), "user/anna")
    assert solutions.keeps_raw_events()
    put(solutions, draft(export=("RawEvents",), status="Disabled"), "user/anna")
    assert not solutions.keeps_raw_events()
    put(solutions, draft("other", export=("RawEvents",)), "user/anna")
    assert solutions.keeps_raw_events()


def test_one_solution_that_says_so_masks_addresses(store: ControlStore) -> None:
    solutions = Solutions(store, lambda: AT)
    put(solutions, draft(), "user/anna")
    assert not solutions.masks_addresses()
    put(solutions, draft("other", unmasked_ip_logging="Disabled"), "user/anna")
    assert solutions.masks_addresses()
    assert delete(solutions, "OTHER", "user/anna")
    assert not solutions.masks_addresses()
    assert not delete(solutions, "other", "user/anna")


def test_a_change_says_who_and_when_and_is_there_after_a_restart(store: ControlStore) -> None:
    times = iter([AT, AT, AT.replace(hour=1), AT.replace(hour=1)])
    solutions = Solutions(store, lambda: next(times))
    _, is_new = put(solutions, draft("Main"), "user/anna")
    assert is_new
    again, is_new = put(solutions, draft("MAIN", display_name="Other"), "user/otto")
    assert not is_new
    assert (again.name, again.created_by, again.created_at) == ("Main", "user/anna", AT)
    assert (again.changed_by, again.changed_at) == ("user/otto", AT.replace(hour=1))
    assert Solutions(store, lambda: AT).all() == (again,)
    latest, earliest = store.audit().items
    assert (latest.actor, latest.action, latest.subject) == ("user/otto", "put", "solution/Main")
    assert latest.before is not None
    assert (latest.before["display_name"], earliest.before) == ("Main", None)


def test_two_who_change_a_solution_at_once_lose_nothing_of_each_other(store: ControlStore) -> None:
    solutions = Solutions(store, lambda: AT)
    put(solutions, draft(), "user/anna")

    async def both() -> None:
        await asyncio.gather(
            solutions.change("MAIN", lambda known: structs.replace(known, tags={"a": "b"}), "user/anna"),
            solutions.change("main", lambda known: structs.replace(known, workspace="/x"), "user/otto"),
        )

    asyncio.run(both())
    one = solutions.named("main")
    assert one is not None
    assert (one.tags, one.workspace) == ({"a": "b"}, "/x")


def test_a_solution_that_is_gone_does_not_come_back_by_a_change(store: ControlStore) -> None:
    solutions = Solutions(store, lambda: AT)
    assert asyncio.run(solutions.change("main", lambda known: known, "user/anna")) is None
    assert solutions.all() == ()


def test_putting_what_stands_there_changes_nothing(store: ControlStore) -> None:
    solutions = Solutions(store, lambda: AT)
    first, _ = put(solutions, draft(), "user/anna")
    assert put(solutions, draft(), "user/otto") == (first, False)
    assert len(store.audit().items) == 1
