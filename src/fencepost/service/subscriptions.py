"""What clients that will come back are subscribed to: MQTT with clean session 0."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from fencepost.model.identity import IdentityKey

Filters = dict[str, int]
"""Topic filters as a client wrote them, with the QoS of each."""


class SubscriptionStore(Protocol):
    """The control store, by shape. Every call may block, and raises StoreUnavailable while it is away."""

    def subscriptions(self, wanted: IdentityKey) -> Filters:
        """Return the filters of an identity, with the QoS of each."""

    def put_subscriptions(self, of_identities: Mapping[IdentityKey, Filters]) -> None:
        """Set the filters of some identities durably; whoever is not registered gets none."""


class Subscriptions:
    """
    The subscriptions of all identities, over restarts. Everything raises StoreUnavailable.

    One thread writes: what comes meanwhile waits, and is written together. All of it is of one event loop.
    """

    def __init__(self, store: SubscriptionStore) -> None:
        self._store = store
        self._coming: dict[IdentityKey, Filters] = {}
        self._under_way: dict[IdentityKey, Filters] = {}
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def of(self, key: IdentityKey) -> Filters:
        """Return the filters of an identity, with the QoS of each."""
        for known in (self._coming, self._under_way):
            if key in known:
                return known[key]
        return await asyncio.to_thread(self._store.subscriptions, key)

    async def put(self, key: IdentityKey, filters: Filters) -> None:
        """Set the filters of an identity, and return when they are kept."""
        self._coming[key] = filters
        if self._next is None:
            self._next = asyncio.create_task(self._write())
        await asyncio.shield(self._next)

    async def forget(self, key: IdentityKey) -> None:
        """Let an identity have none; nothing is written where it has none."""
        if await self.of(key):
            await self.put(key, {})

    async def _write(self) -> None:
        async with self._turn:
            self._under_way, self._coming, self._next = self._coming, {}, None
            try:
                await asyncio.to_thread(self._store.put_subscriptions, self._under_way)
            finally:
                self._under_way = {}
