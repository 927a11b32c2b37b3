"""What devices say of themselves: many at once in one transaction, for all of a fleet may come back together."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct, structs

from fencepost.model.errors import DeviceError
from fencepost.model.identity import IdentityKey
from fencepost.model.registry import Registered, RegistryChange
from fencepost.service.commands import Missing
from fencepost.service.registry.identities import there
from fencepost.service.registry.ports import RegistryStore
from fencepost.service.registry.turns import Turns
from fencepost.service.registry.twins import reported

MOST = 100
"""Reports of one transaction."""


class _Report(Struct, eq=False):
    key: IdentityKey
    patch: bytes
    version: "asyncio.Future[int]"


class Reports:
    """
    Writes reports in the order in which they came; `clock` gives aware UTC.

    The audit does not hold them: it is for what people do, and devices talk a lot.
    """

    def __init__(self, store: RegistryStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._waiting: deque[_Report] = deque()

    async def add(self, key: IdentityKey, patch: bytes, turns: Turns) -> int:
        """Return the version of the reported properties; raises DeviceError, Missing, StoreUnavailable."""
        one = _Report(key, patch, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        try:
            await turns.take(self._write_some)
            return await one.version
        finally:
            one.version.cancel()  # nobody waits for it any more

    async def _write_some(self) -> None:
        """Write the oldest ones; whoever comes later may find its own written already."""
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]
        if not batch:
            return
        try:
            outcomes = await asyncio.to_thread(self._write, [(one.key, one.patch) for one in batch])
        except Exception as error:  # noqa: BLE001 - it is raised where it belongs, to those who wait
            outcomes = [error] * len(batch)
        for one, outcome in zip(batch, outcomes, strict=True):
            if one.version.cancelled():
                continue
            if isinstance(outcome, int):
                one.version.set_result(outcome)
            else:
                one.version.set_exception(outcome)

    def _write(self, batch: Sequence[tuple[IdentityKey, bytes]]) -> list[int | Exception]:
        now = self._clock()
        after: dict[IdentityKey, Registered] = {}
        outcomes: list[int | Exception] = []
        for key, patch in batch:
            try:
                known = after.get(key) or there(self._store.registered(key), key)
                twin = reported(known, patch, now)
            except (DeviceError, Missing) as error:
                outcomes.append(error)
                continue
            after[key] = structs.replace(known, twin=twin)
            outcomes.append(twin.reported.version)
        if after:
            self._store.change_registry(RegistryChange(put=[*after.values()]))
        return outcomes
