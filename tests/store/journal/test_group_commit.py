"""Group commit: few fsyncs, many callers, one order."""

import asyncio
import errno
import os
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.journal.material import START, opened, property_settings

from fencepost.model.entry import Entry, Received
from fencepost.store.journal.frame import MOST_ENTRIES
from fencepost.store.journal.group_commit import MOST_BYTES, MOST_ITEMS, GroupCommit
from fencepost.store.journal.journal import Journal


class Watched:
    """A journal that tells of its commits, and whose disk can be held up or out of order."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.commits: list[int] = []
        self.times: list[float] = []
        self.errors: list[Exception] = []
        self.free = Event()
        self.free.set()

    def append(self, entries: Sequence[Entry]) -> int:
        self.times.append(monotonic())
        assert self.free.wait(10)
        if self.errors:
            raise self.errors.pop(0)
        first = self.journal.append(entries)
        self.commits.append(len(entries))
        return first

    def bodies(self) -> list[str]:
        return [entry.body.decode() for _, entry in self.journal.read() if isinstance(entry, Received)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Watched]:
    journal = opened(tmp_path / "journal")
    yield Watched(journal)
    journal.close()


def entry_of(text: str) -> Entry:
    return Received("cam-1", START, text.encode())


class Committed(GroupCommit[str]):
    """A group commit of texts that remembers what was told of them."""

    def __init__(self, journal: Watched, interval: float = 0.001) -> None:
        self.heard: list[tuple[int, str]] = []
        super().__init__(journal, entry_of, self.hear, interval)

    def hear(self, first: int, items: Sequence[str]) -> None:
        self.heard += enumerate(items, first)


async def settled(count: int = 5) -> None:
    """Let every task run until it waits for something outside."""
    for _ in range(count):
        await asyncio.sleep(0)


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_S30_an_append_returns_the_position_when_its_items_are_on_disk(journal: Watched) -> None:
    async def story() -> None:
        commit = Committed(journal)
        assert await commit.append(["a", "b"]) == 1
        assert journal.bodies() == ["a", "b"]
        assert commit.heard == [(1, "a"), (2, "b")]
        assert await commit.append(["c"]) == 3
        await commit.close()

    run(story())


def test_callers_at_the_same_time_share_a_commit(journal: Watched) -> None:
    async def story() -> None:
        commit = Committed(journal)
        positions = await asyncio.gather(*(commit.append([f"{n}a", f"{n}b"]) for n in range(50)))
        assert positions == [1 + 2 * n for n in range(50)]
        assert journal.commits == [100]
        await commit.close()

    run(story())


def test_callers_during_a_commit_share_the_next(journal: Watched) -> None:
    async def story() -> None:
        commit = Committed(journal)
        journal.free.clear()
        first = asyncio.create_task(commit.append(["first"]))
        await settled()
        others = [asyncio.create_task(commit.append([f"{n}"])) for n in range(20)]
        await settled()
        assert (commit.pending, first.done()) == (21, False)
        journal.free.set()
        assert await first == 1
        assert await asyncio.gather(*others) == list(range(2, 22))
        assert journal.commits == [1, 20]
        await commit.close()

    run(story())


def test_when_nobody_has_waited_an_append_goes_at_once_and_the_next_a_whole_interval_later(
    journal: Watched,
) -> None:
    async def story() -> None:
        commit = Committed(journal, interval=0.4)
        start = monotonic()
        await commit.append(["a"])
        assert monotonic() - start < 0.3
        await commit.append(["b"])
        assert monotonic() - start >= 0.4
        await asyncio.sleep(0.45)
        start = monotonic()
        await commit.append(["c"])
        assert monotonic() - start < 0.3
        await commit.close()

    run(story())


def test_there_is_at_most_one_fsync_in_an_interval(journal: Watched) -> None:
    async def story() -> None:
        commit = Committed(journal, interval=0.02)

        async def sender(number: int) -> None:
            for _ in range(20):
                await commit.append([f"{number}"])
                await asyncio.sleep(0.001 * number)

        await asyncio.gather(*map(sender, range(5)))
        await commit.close()
        number, span = len(journal.times), journal.times[-1] - journal.times[0]
        assert number >= 20
        assert (number - 1) * 0.02 < span + 0.01

    run(story())


def test_what_was_committed_is_heard_in_the_order_of_positions_before_any_caller_goes_on(
    journal: Watched,
) -> None:
    async def story() -> None:
        commit = Committed(journal)

        async def caller(number: int) -> None:
            for turn in range(10):
                items = [f"{number}/{turn}/{part}" for part in range(3)]
                first = await commit.append(items)
                assert commit.heard[first - 1 : first + 2] == list(enumerate(items, first))
                await asyncio.sleep(0.001 * (number % 3))

        await asyncio.gather(*map(caller, range(10)))
        await commit.close()
        assert [position for position, _ in commit.heard] == list(range(1, 301))
        assert journal.bodies() == [text for _, text in commit.heard]
        assert len(journal.commits) < 100

    run(story())


def test_S30_a_disk_that_fails_is_told_to_all_who_shared_the_commit_and_to_nobody_else(
    journal: Watched,
) -> None:
    async def story() -> None:
        commit = Committed(journal)
        assert await commit.append(["before"]) == 1
        journal.errors = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))]
        failed = await asyncio.gather(*(commit.append([f"{n}"]) for n in range(3)), return_exceptions=True)
        assert [getattr(one, "errno", None) for one in failed] == [errno.ENOSPC] * 3
        assert (commit.pending, commit.pending_bytes) == (0, 0)
        assert await commit.append(["after"]) == 2
        assert commit.heard == [(1, "before"), (2, "after")]
        assert journal.bodies() == ["before", "after"]
        await commit.close()

    run(story())


def test_a_commit_is_bounded_and_takes_whole_calls(journal: Watched) -> None:
    async def story() -> None:
        commit = Committed(journal, interval=0)
        half = ["x"] * (MOST_ITEMS // 2)
        large = ["y" * (MOST_BYTES // 2 - 40)]
        calls = [half, half, ["z"], large, large, ["z"], ["w"] * (MOST_ITEMS + 1), ["z"]]
        positions = await asyncio.gather(*map(commit.append, calls))
        assert journal.commits == [MOST_ITEMS, 2, 2, MOST_ITEMS + 1, 1]
        assert positions == [1 + sum(map(len, calls[:index])) for index in range(len(calls))]
        await commit.close()

    run(story())


def test_more_than_a_commit_can_hold_fails_alone(journal: Watched) -> None:
    async def story() -> None:
        commit = Committed(journal)
        calls = [["a"], ["b"] * (MOST_ENTRIES + 1), ["c"]]
        first, second, third = await asyncio.gather(*map(commit.append, calls), return_exceptions=True)
        assert (first, third) == (1, 2)
        assert isinstance(second, ValueError)
        with pytest.raises(ValueError, match="nothing to append"):
            await commit.append([])
        await commit.close()

    run(story())


def test_a_caller_that_is_cancelled_loses_and_disturbs_nothing(journal: Watched) -> None:
    async def story() -> None:
        commit = Committed(journal)
        journal.free.clear()
        tasks = [asyncio.create_task(commit.append([f"{n}"])) for n in range(3)]
        await settled()
        tasks += [asyncio.create_task(commit.append([f"{n}"])) for n in range(3, 6)]
        await settled()
        for cancelled in (tasks[0], tasks[4]):
            cancelled.cancel()
        await settled()
        journal.free.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [one for one in done if isinstance(one, int)] == [2, 3, 4, 6]
        await commit.close()
        assert commit.heard == [(n + 1, f"{n}") for n in range(6)]
        assert (commit.pending, commit.pending_bytes) == (0, 0)

    run(story())


def test_a_failure_that_all_callers_have_left_goes_unheard(journal: Watched) -> None:
    async def story() -> None:
        commit = Committed(journal)
        journal.free.clear()
        journal.errors = [OSError(errno.EIO, "Input/output error")]
        task = asyncio.create_task(commit.append(["a"]))
        await settled()
        task.cancel()
        await settled()
        journal.free.set()
        await commit.close()
        assert commit.heard == []

    run(story())


def test_closing_commits_what_waits_and_takes_nothing_more(journal: Watched) -> None:
    async def story() -> None:
        commit = Committed(journal)
        journal.free.clear()
        waiting = [asyncio.create_task(commit.append([f"{n}"])) for n in range(3)]
        await settled()
        waiting.append(asyncio.create_task(commit.append(["last"])))
        await settled()
        closing = asyncio.create_task(commit.close())
        await settled()
        with pytest.raises(RuntimeError, match="closed"):
            await commit.append(["too late"])
        closing.cancel()  # who gives up waiting for the end does not prevent it
        await settled()
        journal.free.set()
        assert await asyncio.gather(*waiting) == [1, 2, 3, 4]
        await commit.close()
        await commit.close()
        assert journal.bodies() == ["0", "1", "2", "last"]

    run(story())


def test_closing_what_was_never_used_is_nothing(journal: Watched) -> None:
    async def story() -> None:
        await Committed(journal).close()

    run(story())


def test_what_waits_is_counted_so_that_senders_can_be_held_back(journal: Watched) -> None:
    async def story() -> None:
        commit = Committed(journal)
        journal.free.clear()
        task = asyncio.create_task(commit.append(["x" * 1000] * 10))
        await settled()
        assert commit.pending == 10
        assert 10_000 < commit.pending_bytes < 11_000
        journal.free.set()
        await task
        assert (commit.pending, commit.pending_bytes) == (0, 0)
        await commit.close()

    run(story())


def test_a_fault_of_ours_in_taking_up_a_commit_is_raised_to_its_callers(journal: Watched) -> None:
    async def story() -> None:
        def stumbles(first: int, items: Sequence[str]) -> None:
            if first == 1:
                raise KeyError("a fault of ours")

        commit = GroupCommit(journal, entry_of, stumbles, 0.001)
        with pytest.raises(KeyError, match="a fault of ours"):
            await commit.append(["a"])
        assert await commit.append(["b"]) == 2
        await commit.close()

    run(story())


Script = list[tuple[str, int]]
scripts = st.lists(
    st.tuples(st.sampled_from(["append", "cancelled", "pause", "fail"]), st.integers(1, 4)), max_size=30
)


@property_settings
@given(script=scripts)
def test_S30_what_callers_are_told_is_what_the_journal_holds(
    tmp_path_factory: pytest.TempPathFactory, script: Script
) -> None:
    journal = opened(tmp_path_factory.mktemp("journal"))
    watched = Watched(journal)
    told: dict[int, str] = {}

    async def caller(commit: Committed, items: list[str]) -> None:
        try:
            first = await commit.append(items)
        except OSError:
            assert not set(items) & set(watched.bodies())
        else:
            told.update(enumerate(items, first))

    async def story() -> None:
        commit = Committed(watched, interval=0)
        tasks = []
        for turn, (step, number) in enumerate(script):
            match step:
                case "append" | "cancelled":
                    items = [f"{turn}/{part}" for part in range(number)]
                    tasks.append(asyncio.create_task(caller(commit, items)))
                    if step == "cancelled":
                        await settled(number)
                        tasks[-1].cancel()
                case "pause":
                    await settled(number)
                case "fail":
                    watched.errors.append(OSError(errno.EIO, "Input/output error"))
        await asyncio.gather(*tasks, return_exceptions=True)
        await commit.close()
        bodies = watched.bodies()
        assert commit.heard == list(enumerate(bodies, 1))
        assert told.items() <= dict(commit.heard).items()
        assert len(set(bodies)) == len(bodies)

    run(story())
    journal.close()
