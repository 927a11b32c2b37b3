"""Lists of what some devices have, for who may see no others, on both databases."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.store.control.material import commit

from fencepost.model.page import Page
from fencepost.model.record import DeviceRecord, Quarantined, Tally
from fencepost.store.control import ControlStore
from fencepost.testing import at

Ask = Callable[..., Page[Any]]


@pytest.fixture
def filled(store: ControlStore) -> ControlStore:
    """Give a store in which every third of thirty devices is ours, each with two tallies and two refusals."""
    ids = [f"{'ours' if number % 3 == 0 else 'hidden'}-{number:02}" for number in range(30)]
    moment = at("10:00")
    commit(
        store,
        devices=[DeviceRecord(device_id=one, position=1, registered_at=moment) for one in ids],
        tallies=[
            Tally(device_id=one, kind=kind, subject="x", count=1, first_at=moment, last_at=moment, detail={})
            for one in ids
            for kind in ("late", "duplicate")
        ],
        quarantined=[
            Quarantined(
                position=1,
                number=2 * number + part,
                device_id=one,
                received_at=moment,
                size=1,
                where="",
                reason="x",
                whole=True,
            )
            for number, one in enumerate(ids)
            for part in (0, 1)
        ],
    )
    return store


@pytest.mark.parametrize("name", ["devices", "tallies", "quarantine"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 20, 21, 1000])
def test_pages_hold_what_is_wanted_once_and_in_the_order_of_the_whole(
    filled: ControlStore, name: str, limit: int
) -> None:
    ask: Ask = getattr(filled, name)
    wanted = [one for one in ask(limit=1000).items if one.device_id.startswith("ours")]
    found: list[Any] = []
    after = None
    while True:
        page = ask(after=after, limit=limit, among=lambda device_id: device_id.startswith("ours"))
        assert 0 < len(page.items) <= limit
        found += page.items
        after = page.after
        if after is None:
            break
    assert found == wanted


@pytest.mark.parametrize("name", ["devices", "tallies", "quarantine"])
def test_nobody_sees_nothing(filled: ControlStore, name: str) -> None:
    ask: Ask = getattr(filled, name)
    assert ask(among=lambda _: False) == Page([])
    assert ask(among=lambda _: True, limit=1000) == ask(limit=1000)


def test_other_questions_are_asked_as_well(filled: ControlStore) -> None:
    def ours(device_id: str) -> bool:
        return device_id.startswith("ours")

    assert [one.device_id for one in filled.devices(text="-1", among=ours).items] == [
        "ours-12",
        "ours-15",
        "ours-18",
    ]
    assert {one.kind for one in filled.tallies(kind="late", among=ours).items} == {"late"}
    assert filled.quarantine(device_id="hidden-01", among=ours).items == []
