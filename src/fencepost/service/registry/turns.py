"""One change after the other, each to its end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

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
        """Return what the work returns, or raise what it raises, when its turn is over."""

        async def one() -> T:
            async with self._lock:
                return await work(*arguments, **named)

        task = asyncio.create_task(one())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)
