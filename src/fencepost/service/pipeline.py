"""
The one loop: what has been journalled is judged, committed and published, in order (S30).

The loop lives on the event loop and does the work in one thread of its own. What waits is bounded:
when the control store or the processor cannot keep up, senders are made to wait, then told to come later.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct, field

from fencepost.model.entry import Entry, Received, Ticked
from fencepost.model.errors import FencepostError
from fencepost.model.event import SecurityMessage
from fencepost.service.feed import Feed
from fencepost.service.judge import Decoded
from fencepost.service.ledger import Refusal
from fencepost.service.patience import Stopped
from fencepost.service.processor import Processed, Processor

BATCH = 1024
BATCH_BYTES = 512 << 10
"""Entries, and bytes of them, of one commit: a commit is what everybody waits for."""
SHARE = 1 << 20
"""Bytes of one device that may wait: a chatty one delays no other (S26)."""
PATIENCE = 2.0
"""Seconds that a sender waits for room before it is told to come later."""
BETWEEN_TICKS = timedelta(milliseconds=250)
LONGEST_SLEEP = 1.0
OVERHEAD = 500
DECODED = 3
REFUSAL = 300
"""What an entry costs in memory: bytes, bytes for each of its body, and bytes for each refusal."""

_log = logging.getLogger(__name__)


class Busy(FencepostError):  # noqa: N818 - a state, not somebody's error
    """
    There is no room now: the sender is to come again after `retry_after` seconds.

    `is_kept` says that what was sent is journalled all the same, and will be carried out.
    """

    def __init__(self, reason: str, retry_after: int = 1, *, is_kept: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.is_kept = is_kept


class Item(Struct, eq=False):
    """An entry on its way; `done` is resolved with nothing when it is committed, or with its refusal."""

    entry: Entry
    decoded: Decoded = None
    done: "asyncio.Future[None] | None" = None
    since: float = field(default_factory=time.perf_counter)

    @property
    def bytes(self) -> int:
        return len(self.entry.body) if isinstance(self.entry, Received) else 0

    @property
    def size(self) -> int:
        """Return about how much memory it takes."""
        refusals = len(self.decoded.rejected) if isinstance(self.decoded, SecurityMessage) else 0
        return OVERHEAD + DECODED * self.bytes + REFUSAL * refusals


class Commits(Protocol):
    """The group commit of the journal."""

    async def append(self, items: Sequence[Item]) -> int:
        """Return the position of the first item once all are on disk; raises OSError."""


TakeSnapshot = Callable[[Processor], Callable[[], None]]
"""Takes a snapshot of the processor at once, and returns what writes it down, in any thread."""


class Pace(Struct, frozen=True, kw_only=True):
    """How much may wait, in bytes, and how often a snapshot is due: after a time or a number of entries."""

    queue_bytes: int = 64 << 20
    snapshot_interval: timedelta = timedelta(minutes=5)
    snapshot_entries: int = 100_000


class Pipeline:
    """
    Takes entries, makes them durable, and lets the processor do the rest.

    `clock` gives receive times, aware UTC. `delayed` hears for each commit the seconds since the oldest of its
    items was submitted. `commits` is to be set before anything is submitted: its callback is `committed`.
    """

    commits: Commits

    def __init__(
        self,
        processor: Processor,
        feed: Feed,
        take_snapshot: TakeSnapshot,
        *,
        clock: Callable[[], datetime],
        pace: Pace,
    ) -> None:
        self.processor = processor
        self.feed = feed
        self._take_snapshot = take_snapshot
        self._clock = clock
        self._pace = pace
        self.delayed: Callable[[float], None] = lambda _: None
        self._queue: deque[tuple[int, Item]] = deque()
        self._waiting = 0
        self._of_device: dict[str, int] = {}
        self._room = asyncio.Event()
        self._work = asyncio.Event()
        self._worker = ThreadPoolExecutor(1, "fencepost-processor")
        self._snapshot_at = clock()
        self._snapshot_position = processor.position
        self._writing: asyncio.Task[None] | None = None
        self._is_closing = self._ended = self._is_over = False
        self.journal_trouble: str | None = None

    @property
    def waiting_bytes(self) -> int:
        """Return the bytes of what was taken and is not committed yet."""
        return self._waiting

    @property
    def waiting_entries(self) -> int:
        return len(self._queue)

    async def submit(self, items: Sequence[Item], *, patience: float | None = None) -> int:
        """
        Return the position of the first of the items when all are on disk: now they may be acknowledged.

        The items of a call are of one device, or of none. Raises Busy where there is no room within
        `patience` seconds (None: the usual), on the disk or behind it; then none of them is kept.
        """
        if self._is_closing:
            raise Busy("the service ends", 5)
        load = _Load(getattr(items[0].entry, "device_id", ""), sum(item.size for item in items))
        await self._wait_for_room(load, PATIENCE if patience is None else patience)
        if self._is_closing:
            raise Busy("the service ends", 5)
        self._take(load)
        return await asyncio.shield(self._append(items, load))

    async def _append(self, items: Sequence[Item], load: "_Load") -> int:
        try:
            first = await self.commits.append(items)
        except BaseException as error:
            self._give_back(load)
            if not isinstance(error, OSError):
                raise
            if self.journal_trouble is None:
                _log.error("the journal cannot be written: %s", error)
            self.journal_trouble = error.strerror or str(error)
            raise Busy(f"the journal cannot be written: {self.journal_trouble}", 5) from error
        if self.journal_trouble is not None:
            _log.warning("the journal can be written again")
            self.journal_trouble = None
        return first

    async def carry_out(self, entry: Entry) -> int:
        """
        Return an entry's position when it is committed with all that follows from it.

        Raises Busy as `submit` does, and OperatorError or Outdated for an action that is not allowed.
        """
        position, (refusal,) = await self.carry_out_all([entry])
        if refusal is not None:
            raise refusal
        return position

    async def carry_out_all(self, entries: Sequence[Entry]) -> tuple[int, list[Refusal | None]]:
        """
        Return the position of the first of some entries that follow each other when all are committed.

        For each entry there is what `carry_out` would raise, or None. Raises Busy as `submit` does.
        """
        loop = asyncio.get_running_loop()
        done: list[asyncio.Future[None]] = [loop.create_future() for _ in entries]
        items = [Item(entry, done=one) for entry, one in zip(entries, done, strict=True)]
        first = await self.submit(items)
        if self._is_over:
            for one in done:
                _tell_of_the_end(one)
        answers = await asyncio.gather(*done, return_exceptions=True)
        for answer in answers:
            if answer is not None and not isinstance(answer, Refusal):
                raise answer
        return first, [answer if isinstance(answer, Refusal) else None for answer in answers]

    def committed(self, first: int, items: Sequence[Item]) -> None:
        """Take items over from the journal, in order: the callback of its group commit."""
        self._queue.extend(enumerate(items, first))
        self._work.set()

    async def run(self) -> None:
        """Process what is journalled until `stop`; ends with an exception only for a fault of ours."""
        ticking = asyncio.create_task(self._tick())
        ticking.add_done_callback(lambda _: self._work.set())
        try:
            while not (self._ended and not self._queue):
                await self._work.wait()
                self._work.clear()
                while self._queue:
                    await self._process_some()
                    await self._snapshot_if_due()
                if ticking.done() and not self._ended:
                    await ticking
        except Stopped:
            _log.warning("ending while the control store is away: the journal holds the rest")
        finally:
            ticking.cancel()
            self._is_over = True
            for _, item in self._queue:
                _tell_of_the_end(item.done)

    def close_the_door(self) -> None:
        """Take nothing more, from nobody: the journal is about to be closed."""
        self._is_closing = True

    def stop(self) -> None:
        """Let `run` end when all is processed that has been journalled."""
        self._ended = True
        self._work.set()

    async def close(self) -> None:
        """Write a last snapshot and let the threads go; to be called when `run` has ended."""
        if self._writing is not None:
            await self._writing
        if self.processor.position > self._snapshot_position:
            await self._write_snapshot(await self._snapshot())
        self.feed.close()
        self._worker.shutdown()

    async def _process_some(self) -> None:
        batch = self._next_batch()
        entries = [(item.entry, item.decoded) for _, item in batch]
        loop = asyncio.get_running_loop()
        try:
            processed = await loop.run_in_executor(self._worker, self.processor.process, batch[0][0], entries)
        except BaseException:
            self._queue.extendleft(reversed(batch))
            raise
        self.feed.publish(processed.alerts)
        _answer(batch, processed)
        for _, item in batch:
            self._give_back(_Load(getattr(item.entry, "device_id", ""), item.size))
        self.delayed(time.perf_counter() - batch[0][1].since)

    def _next_batch(self) -> list[tuple[int, Item]]:
        batch = [self._queue.popleft()]
        size = batch[0][1].bytes
        while self._queue and len(batch) < BATCH and size < BATCH_BYTES:
            batch.append(self._queue.popleft())
            size += batch[-1][1].bytes
        return batch

    async def _tick(self) -> None:
        """Journal the passing of time whenever it alone has something to judge (S05)."""
        while not self._is_closing:
            due, now = await self._next_wakeup(), self._clock()
            if (due is None or due > now) and self.journal_trouble is None:
                await asyncio.sleep(_pause(due, now))
                continue
            try:  # where the journal cannot be written, this also finds out when it can again
                await self.carry_out(Ticked(now))
            except Busy:
                await asyncio.sleep(LONGEST_SLEEP)
            due = await self._next_wakeup()
            if due is None or due > now:  # a tick judges so many devices at most
                await asyncio.sleep(BETWEEN_TICKS.total_seconds())

    async def _next_wakeup(self) -> datetime | None:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self.processor.detector.next_wakeup)

    async def _snapshot_if_due(self) -> None:
        entries = self.processor.position - self._snapshot_position
        elapsed = self._clock() - self._snapshot_at
        is_due = entries >= self._pace.snapshot_entries or (
            entries and elapsed >= self._pace.snapshot_interval
        )
        if is_due and (self._writing is None or self._writing.done()):
            # taken before anything else is judged, written while it is
            self._writing = asyncio.create_task(self._write_snapshot(await self._snapshot()))

    async def _snapshot(self) -> Callable[[], None] | None:
        """Return what writes a snapshot down, None while the store is behind the detector."""
        if not self.processor.is_settled:
            return None
        self._snapshot_at, self._snapshot_position = self._clock(), self.processor.position
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._take_snapshot, self.processor)

    async def _write_snapshot(self, write: Callable[[], None] | None) -> None:
        """A snapshot that cannot be written makes the next restart longer, no more."""
        if write is None:
            return
        position, began = self._snapshot_position, time.perf_counter()
        try:
            await asyncio.to_thread(write)
        except OSError as error:
            _log.error("a snapshot cannot be written: %s", error)
        else:
            seconds = round(time.perf_counter() - began, 3)
            _log.info("snapshot written", extra={"position": position, "seconds": seconds})

    async def _wait_for_room(self, load: "_Load", patience: float) -> None:
        if self._has_room(load):
            return
        try:
            async with asyncio.timeout(patience):
                while not self._has_room(load):
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            reason = (
                "the control store cannot be reached"
                if self.processor.trouble
                else "more comes than can be judged"
            )
            raise Busy(f"no room: {reason}") from None

    def _has_room(self, load: "_Load") -> bool:
        of_device = self._of_device.get(load.device_id, 0)
        if load.device_id and of_device and of_device + load.size > SHARE:
            return False
        return not self._waiting or self._waiting + load.size <= self._pace.queue_bytes

    def _take(self, load: "_Load") -> None:
        self._waiting += load.size
        if load.device_id:
            self._of_device[load.device_id] = self._of_device.get(load.device_id, 0) + load.size

    def _give_back(self, load: "_Load") -> None:
        self._waiting -= load.size
        if load.device_id and (left := self._of_device.get(load.device_id, 0) - load.size) > 0:
            self._of_device[load.device_id] = left
        else:
            self._of_device.pop(load.device_id, None)
        self._room.set()


def _pause(due: datetime | None, now: datetime) -> float:
    seconds = (due - now).total_seconds() if due is not None else LONGEST_SLEEP
    return min(max(seconds, BETWEEN_TICKS.total_seconds()), LONGEST_SLEEP)


class _Load(Struct, frozen=True):
    """Bytes that wait, and whose they are; no device's where it is empty."""

    device_id: str
    size: int


def _tell_of_the_end(done: "asyncio.Future[None] | None") -> None:
    if done is not None and not done.done():
        reason = "the service ends: this is journalled, and carried out at the next start"
        done.set_exception(Busy(reason, is_kept=True))


def _answer(batch: Sequence[tuple[int, Item]], processed: Processed) -> None:
    for position, item in batch:
        if item.done is None or item.done.done():
            continue
        refusal = processed.refused.get(position)
        if refusal is None:
            item.done.set_result(None)
        else:
            item.done.set_exception(refusal)
