"""What clients are subscribed to: kept before it is said to be, written only where it must be."""

import asyncio
from collections.abc import Mapping
from threading import Event

from fencepost.model.errors import StoreUnavailable
from fencepost.model.identity import IdentityKey
from fencepost.service.subscriptions import Subscriptions

CAM, OTHER, THIRD = (IdentityKey(f"cam-{number}") for number in (1, 2, 3))
METHODS = {"$iothub/methods/POST/#": 0}


class Store:
    """Rows in memory, and what was written, transaction by transaction; it may be slow, or away."""

    def __init__(self) -> None:
        self.rows: dict[IdentityKey, dict[str, int]] = {}
        self.written: list[set[IdentityKey]] = []
        self.goes_on = Event()
        self.goes_on.set()
        self.is_away = False

    def subscriptions(self, wanted: IdentityKey) -> dict[str, int]:
        return self.rows.get(wanted, {})

    def put_subscriptions(self, of_identities: Mapping[IdentityKey, dict[str, int]]) -> None:
        self.written.append(set(of_identities))
        assert self.goes_on.wait(10)
        if self.is_away:
            raise StoreUnavailable("away")
        self.rows.update(of_identities)


def test_what_is_put_is_there_and_in_the_store() -> None:
    async def work() -> None:
        store = Store()
        subscriptions = Subscriptions(store)
        await subscriptions.put(CAM, METHODS)
        assert store.rows == {CAM: METHODS}
        assert await subscriptions.of(CAM) == METHODS
        assert await subscriptions.of(OTHER) == {}

    asyncio.run(work())


def test_only_who_has_subscriptions_is_written_for_when_they_are_forgotten() -> None:
    async def work() -> None:
        store = Store()
        subscriptions = Subscriptions(store)
        await subscriptions.forget(CAM)
        assert store.written == []
        await subscriptions.put(CAM, METHODS)
        await subscriptions.forget(CAM)
        await subscriptions.forget(CAM)
        assert len(store.written) == 2
        assert await subscriptions.of(CAM) == {}

    asyncio.run(work())


def test_what_comes_while_a_thread_writes_is_written_together_and_known_at_once() -> None:
    async def work() -> None:
        store = Store()
        subscriptions = Subscriptions(store)
        store.goes_on.clear()
        first = asyncio.create_task(subscriptions.put(CAM, METHODS))
        while not store.written:
            await asyncio.sleep(0)
        rest = [asyncio.create_task(subscriptions.put(key, METHODS)) for key in (OTHER, THIRD)]
        rest.append(asyncio.create_task(subscriptions.forget(CAM)))
        await asyncio.sleep(0)
        assert [await subscriptions.of(key) for key in (CAM, OTHER)] == [{}, METHODS]
        assert not any(task.done() for task in (first, *rest))
        store.goes_on.set()
        await asyncio.gather(first, *rest)
        assert store.written == [{CAM}, {CAM, OTHER, THIRD}]
        assert store.rows == {CAM: {}, OTHER: METHODS, THIRD: METHODS}

    asyncio.run(work())


def test_who_goes_leaves_its_write_to_those_who_wait_for_the_same() -> None:
    async def work() -> None:
        store = Store()
        subscriptions = Subscriptions(store)
        gone = asyncio.create_task(subscriptions.put(CAM, METHODS))
        stays = asyncio.create_task(subscriptions.put(OTHER, METHODS))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        assert store.rows == {CAM: METHODS, OTHER: METHODS}

    asyncio.run(work())


def test_everybody_hears_that_the_store_is_away_and_it_works_again_afterwards() -> None:
    async def work() -> None:
        store = Store()
        subscriptions = Subscriptions(store)
        store.is_away = True
        outcomes = await asyncio.gather(
            *(subscriptions.put(key, METHODS) for key in (CAM, OTHER)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
        assert await subscriptions.of(CAM) == {}
        store.is_away = False
        await subscriptions.put(CAM, METHODS)
        assert store.rows == {CAM: METHODS}

    asyncio.run(work())
