"""One fsync for all who wait: the items of concurrent callers go into the journal together."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from fencepost.model.entry import Entry
from fencepost.store.journal.frame import size_of

INTERVAL = 0.005
MOST_BYTES = 8 << 20
MOST_ITEMS = 8192

Item = TypeVar("Item")


class Appendable(Protocol):
    """What of the journal is needed here."""

    def append(self, entries: Sequence[Entry]) -> int:
        """Put entries on disk and return the position of the first; raises OSError, and then none is kept."""


class _Call(Struct, Generic[Item]):
    items: Sequence[Item]
    entries: list[Entry]
    size: int
    committed: "asyncio.Future[int]"


class GroupCommit(Generic[Item]):
    """
    Appends for any number of tasks of one event loop, with at most one fsync every `interval` seconds.

    `entry_of` makes the journal entry of an item. `on_commit` is given the items of every commit with the
    position of the first, in the order of positions, before any caller hears of it; what it raises is raised
    to the callers of that commit. A commit takes the items of whole calls, up to 8 MiB or 8,192 of them
    together; a larger call has a commit of its own.
    """

    def __init__(
        self,
        journal: Appendable,
        entry_of: Callable[[Item], Entry],
        on_commit: Callable[[int, Sequence[Item]], None],
        interval: float = INTERVAL,
    ) -> None:
        self._journal = journal
        self._entry_of = entry_of
        self._on_commit = on_commit
        self._interval = interval
        self._calls: deque[_Call[Item]] = deque()
        self._worker = ThreadPoolExecutor(1, "fencepost-journal")
        self._committing: asyncio.Task[None] | None = None
        self._closed = False
        self.pending = 0
        self.pending_bytes = 0

    async def append(self, items: Sequence[Item]) -> int:
        """
        Return the position of the first item when all are on disk; the others follow it without a hole.

        The caller sees to it that `pending` and `pending_bytes`, which are those of all calls that wait, stay
        within bounds. Raises OSError, and then none of the items is kept, ValueError for none, RuntimeError
        after `close`. A caller that is cancelled changes nothing: its items are committed in their turn.
        """
        if self._closed:
            raise RuntimeError("the journal takes nothing more: it is closed")
        if not items:
            raise ValueError("there is nothing to append")
        entries = [self._entry_of(item) for item in items]
        call = _Call(items, entries, sum(map(size_of, entries)), asyncio.get_running_loop().create_future())
        self._calls.append(call)
        self.pending += len(items)
        self.pending_bytes += call.size
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        return await call.committed

    async def close(self) -> None:
        """Commit what is waiting and take nothing more; once more does nothing."""
        self._closed = True
        if self._committing is not None:
            await asyncio.wait([self._committing])
        self._worker.shutdown()

    async def _commit_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._calls:
            due = loop.time() + self._interval
            await self._commit(self._next_calls())
            # also when nobody waits now: who comes next must not have an fsync right behind this one
            await asyncio.sleep(due - loop.time())

    def _next_calls(self) -> list[_Call[Item]]:
        calls = [self._calls.popleft()]
        size, number = calls[0].size, len(calls[0].items)
        while self._calls:
            size, number = size + self._calls[0].size, number + len(self._calls[0].items)
            if size > MOST_BYTES or number > MOST_ITEMS:
                break
            calls.append(self._calls.popleft())
        return calls

    async def _commit(self, calls: list[_Call[Item]]) -> None:
        entries = [entry for call in calls for entry in call.entries]
        outcome: int | Exception
        try:
            loop = asyncio.get_running_loop()
            outcome = await loop.run_in_executor(self._worker, self._journal.append, entries)
            self._on_commit(outcome, [item for call in calls for item in call.items])
        except Exception as error:  # noqa: BLE001 - it is raised where it belongs, to those who wait
            outcome = error
        self.pending -= len(entries)
        self.pending_bytes -= sum(call.size for call in calls)
        self._answer(calls, outcome)

    def _answer(self, calls: list[_Call[Item]], outcome: int | Exception) -> None:
        for call in calls:
            if call.committed.done():  # cancelled
                pass
            elif isinstance(outcome, Exception):
                call.committed.set_exception(outcome)
            else:
                call.committed.set_result(outcome)
            if isinstance(outcome, int):
                outcome += len(call.items)
