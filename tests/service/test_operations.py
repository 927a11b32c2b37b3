"""Operations on their way into the journal: noted at their time, bounded, and in nobody's way."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from fencepost.model.entry import Entry, Operated
from fencepost.service.operations import MOST_UNDER_WAY, Operations
from fencepost.service.pipeline import Busy, Item, Pipeline

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Slow(Pipeline):
    """A pipeline that takes what comes once its gate is open, or fails at once."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.gate = asyncio.Event()
        self.fault = fault
        self.taken: list[Entry] = []

    async def submit(self, items: Sequence[Item], *, patience: float | None = None) -> int:
        if self.fault is not None:
            raise self.fault
        await self.gate.wait()
        self.taken += [item.entry for item in items]
        return len(self.taken)


class Clock:
    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def test_an_operation_is_noted_at_the_time_of_the_call_and_on_disk_at_the_end_of_it() -> None:
    async def scene() -> None:
        pipeline = Slow()
        operations = Operations(pipeline, Clock())
        noting = asyncio.create_task(operations.note("cam-1", "TwinUpdates"))
        await asyncio.sleep(0)
        assert not noting.done()
        pipeline.gate.set()
        await noting
        assert pipeline.taken == [Operated("cam-1", AT + timedelta(seconds=1), "TwinUpdates")]
        assert operations.dropped == 0

    asyncio.run(scene())


def test_who_need_not_wait_does_not_and_what_is_too_much_is_dropped_and_counted() -> None:
    async def scene() -> None:
        pipeline = Slow()
        operations = Operations(pipeline, Clock())
        for _ in range(MOST_UNDER_WAY + 7):
            operations.note_soon("cam-1", "QueuePurges")
        assert operations.dropped == 7
        pipeline.gate.set()
        async with asyncio.timeout(10):
            while len(pipeline.taken) < MOST_UNDER_WAY:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)
        times = [entry.at for entry in pipeline.taken if isinstance(entry, Operated)]
        assert times == [AT + timedelta(seconds=number) for number in range(1, MOST_UNDER_WAY + 1)]
        operations.note_soon("cam-1", "QueuePurges")
        assert operations.dropped == 7

    asyncio.run(scene())


@pytest.mark.parametrize("fault", [Busy("no room"), RuntimeError("the journal takes nothing more")])
def test_what_finds_no_room_is_dropped_and_the_caller_goes_on(fault: Exception) -> None:
    async def scene() -> None:
        operations = Operations(Slow(fault), Clock())
        await operations.note("cam-1", "TwinUpdates")
        operations.note_soon("cam-1", "TwinUpdates")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert operations.dropped == 2

    asyncio.run(scene())


def test_a_fault_of_ours_is_in_the_log_and_a_full_service_is_not(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(Operations(Slow(Busy("no room")), Clock()).note("cam-1", "TwinUpdates"))
    assert caplog.records == []
    asyncio.run(Operations(Slow(RuntimeError("ours")), Clock()).note("cam-1", "TwinUpdates"))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
