"""The store as a whole: what the pipeline relies on, with readers beside it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.store.control.material import alert, commit

from fencepost.model.alert import State
from fencepost.model.page import AlertFilter
from fencepost.model.record import Changes
from fencepost.service.ports import AlertStore
from fencepost.store.control import ControlStore

FLEET = 40


def test_it_is_what_the_pipeline_asks_for(store: ControlStore) -> None:
    """By shape; the type checker reads this line."""
    port: AlertStore = store
    assert port.position() == 0


def test_readers_see_whole_commits_while_others_go_on(store: ControlStore) -> None:
    """Every commit changes all alerts alike; nobody waits for anybody, and nobody sees two of them mixed."""
    commit(store, *(alert(f"cam-{n}", count=1) for n in range(FLEET)))
    done = threading.Event()

    def read() -> int:
        rounds = 0
        while not done.is_set():
            with store.everything() as (position, alerts):
                assert {one.count for one in alerts} == {position}
            page = store.alerts(AlertFilter(states=frozenset({"Active", "Resolved"})), limit=1000)
            assert len({one.count for one in page.items}) == 1
            assert len(page.items) == FLEET
            rounds += 1
        return rounds

    with ThreadPoolExecutor(4) as readers:
        reading = [readers.submit(read) for _ in range(4)]
        try:
            for count in range(2, 60):
                state: State = "Active" if count % 2 else "Resolved"
                changed = [(alert(f"cam-{n}", count=count, state=state), count) for n in range(FLEET)]
                store.commit(Changes(after=count - 1, position=count, alerts=changed))
        finally:
            done.set()
        assert all(one.result() > 1 for one in reading)


def test_a_store_that_is_only_read_follows_the_one_that_serves(url: str) -> None:
    """As `fencepost rebuild` compares while the service runs."""
    with ControlStore.open(url) as store, ControlStore.open(url, read_only=True) as reader:
        for position in range(1, 4):
            commit(store, alert(f"cam-{position}"))
            with reader.everything() as (found, alerts):
                assert (found, len(list(alerts))) == (position, position)
        with pytest.raises(ValueError, match="is open for reading only"):
            reader.commit(Changes(after=3, position=4))


def test_a_store_is_closed_with_its_block(url: str) -> None:
    """Its lock too: the next may serve."""
    for position in range(3):
        with ControlStore.open(url) as store:
            assert store.position() == position
            commit(store, alert())
