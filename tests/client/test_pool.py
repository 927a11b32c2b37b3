"""No more clients are connected than may be, and none that is in use is closed."""

import asyncio
from contextlib import AsyncExitStack

from fencepost.client.pool import Pool


class Client:
    def __init__(self, key: str) -> None:
        self.key = key
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True


class Made:
    """Makes clients and keeps them."""

    def __init__(self) -> None:
        self.clients: list[Client] = []

    def __call__(self, key: str) -> Client:
        self.clients.append(Client(key))
        return self.clients[-1]

    @property
    def open(self) -> str:
        return "".join(client.key for client in self.clients if not client.is_closed)


def test_the_client_that_was_idle_longest_makes_room() -> None:
    async def go() -> None:
        made = Made()
        pool = Pool(2, made)
        for key in "abac":
            async with pool.client(key) as client:
                assert client.key == key
        assert (made.open, len(pool)) == ("ac", 2)
        await pool.close()
        assert (made.open, len(pool)) == ("", 0)

    asyncio.run(go())


def test_a_key_has_one_client_however_many_use_it() -> None:
    async def go() -> None:
        made = Made()
        pool = Pool(1, made)
        async with pool.client("a") as first, pool.client("a") as second:
            assert first is second
        assert len(made.clients) == 1

    asyncio.run(go())


def test_clients_in_use_are_not_closed() -> None:
    async def go() -> None:
        made = Made()
        pool = Pool(1, made)
        async with AsyncExitStack() as stack:
            for key in "abc":
                await stack.enter_async_context(pool.client(key))
            assert made.open == "abc"
        async with pool.client("d"):
            assert made.open == "d"

    asyncio.run(go())
