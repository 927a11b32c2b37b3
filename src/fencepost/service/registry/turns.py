"""One change after the other, each to its end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from fencepost.model.errors import StoreUnavailable

PATIENCE = 10.0
"""Seconds that somebody waits for a turn: behind a store that does not answer nobody should for long."""
MOST = 10_000
"""Who waits at once."""

P = ParamSpec("P")
T = TypeVar("T")


class Turns:
    """
    Lets one coroutine at a time work, in the order in which they came.

    Whoever waits may be cancelled: what it has asked for is done nevertheless, for a thread that writes
    cannot be called back, and the next must not begin beside it.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def take(
        self, work: Callable[P, Coroutine[Any, Any, T]], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """
        Return what the work returns, or raise what it raises, when its turn is over.

        Raises StoreUnavailable, and does not begin, where the turn does not come in time.
        """
        if len(self._tasks) >= MOST:
            raise StoreUnavailable("too many changes of the registry wait already")

        async def one() -> T:
            await self._wait()
            try:
                return await work(*arguments, **named)
            finally:
                self._lock.release()

        task = asyncio.create_task(one())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._lock.acquire()
        except TimeoutError:
            raise StoreUnavailable("the changes of the registry before this one take too long") from None
