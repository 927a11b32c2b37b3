"""Connections of more clients than may be open at a time."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

from msgspec import Struct


class Closable(Protocol):
    async def close(self) -> None: ...


K = TypeVar("K", bound=Hashable)
C = TypeVar("C", bound=Closable)


class _Held(Struct, Generic[C]):
    client: C
    users: int = 0


class Pool(Generic[K, C]):
    """
    A client for each key, made by `make` when it is wanted first.

    Where there are more than `most`, the one that has been idle longest is closed; one that is in use is not.
    """

    def __init__(self, most: int, make: Callable[[K], C]) -> None:
        self._most = most
        self._make = make
        self._held: OrderedDict[K, _Held[C]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    @asynccontextmanager
    async def client(self, key: K) -> AsyncIterator[C]:
        """Lend the client of a key."""
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = _Held(self._make(key))
        self._held.move_to_end(key)
        held.users += 1
        try:
            await self._make_room()
            yield held.client
        finally:
            held.users -= 1

    async def close(self) -> None:
        """Close all clients."""
        while self._held:
            _, held = self._held.popitem()
            await held.client.close()

    async def _make_room(self) -> None:
        while len(self._held) > self._most:
            idle = next((key for key, held in self._held.items() if not held.users), None)
            if idle is None:
                return
            await self._held.pop(idle).client.close()
