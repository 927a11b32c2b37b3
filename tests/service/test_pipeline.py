"""The one loop: durable before acknowledged, in order, bounded, and patient with a store that is away."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from tests.said import message, process

from fencepost.engine.detector import Detector
from fencepost.model.entry import Entry, GroupPut, Received, Ticked
from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.model.record import Changes
from fencepost.model.rule import AllowlistRule, Members, SecurityGroup, TimeWindowRule
from fencepost.service.commands import Commands, Conflict, Missing, Outdated
from fencepost.service.feed import Feed
from fencepost.service.patience import Patience
from fencepost.service.pipeline import Busy, Item, Pace, Pipeline
from fencepost.service.processor import Processor
from fencepost.store.control import ControlStore
from fencepost.store.journal.group_commit import GroupCommit
from fencepost.store.journal.journal import Journal

GROUP = SecurityGroup(
    name="cams",
    members=Members(globs=("cam-*",)),
    rules=(AllowlistRule(type="ProcessNotAllowed", allow=("/usr/bin/*",)),),
)


def now() -> datetime:
    return datetime.now(UTC)


class Fragile(ControlStore):
    """A store that can be away."""

    away = False

    def commit(self, changes: Changes) -> None:
        if self.away:
            raise StoreUnavailable("it is away")
        super().commit(changes)


class FragileJournal:
    """A journal whose disk can be full."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.full = False

    def append(self, entries: Sequence[Entry]) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.journal.append(entries)


class World:
    """A pipeline on a real journal and a real store."""

    def __init__(self, folder: Path, **pace: Any) -> None:
        self.folder = folder
        self.stopping = Event()
        self.journal = FragileJournal(Journal.open(folder / "journal", clock=now))
        self.store = Fragile.open(f"sqlite:///{folder / 'control.db'}")
        self.feed = Feed()
        processor = Processor(Detector([GROUP]), self.store, position=0, patience=Patience(self.stopping))
        self.snapshots: list[int] = []
        self.remembered: list[list[str]] = []
        self.pipeline = Pipeline(
            processor,
            self.feed,
            self.take,
            clock=now,
            pace=Pace(**pace),
        )
        self.commits = GroupCommit[Item](
            self.journal, lambda item: item.entry, self.pipeline.committed, 0.001
        )
        self.pipeline.commits = self.commits

    def take(self, processor: Processor) -> Callable[[], None]:
        position, devices = processor.position, list(processor.detector.device_ids())
        self.remembered.append(devices)
        return lambda: self.snapshots.append(position)

    async def end(self, running: "asyncio.Task[None]") -> None:
        self.pipeline.close_the_door()
        await self.commits.close()
        self.pipeline.stop()
        await running
        await self.pipeline.close()
        self.journal.journal.close()
        self.store.close()


@asynccontextmanager
async def world(folder: Path, **pace: Any) -> AsyncIterator[World]:
    made = World(folder, **pace)
    running = asyncio.create_task(made.pipeline.run())
    try:
        yield made
    finally:
        made.store.away = False
        await made.end(running)


def said(*executables: str, device_id: str = "cam-1") -> list[Item]:
    return [Item(Received(device_id, now(), message(process(one)))) for one in executables]


async def settled(made: World, position: int) -> None:
    async with asyncio.timeout(10):
        while made.pipeline.processor.position < position:
            await asyncio.sleep(0.005)


def test_S30_what_is_acknowledged_is_in_the_journal_and_then_in_the_store(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as made:
            first = await made.pipeline.submit(said("/bin/a", "/bin/b"))
            assert [position for position, _ in made.journal.journal.read(0)] == [first, first + 1]
            await settled(made, 2)
            alerts = made.store.standing(device_id="cam-1")
            assert {alert.value for alert in alerts} == {"/bin/a", "/bin/b"}

    asyncio.run(run())


def test_many_senders_at_once_are_processed_in_the_order_of_the_journal(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as made:
            firsts = await asyncio.gather(
                *(
                    made.pipeline.submit(said(f"/bin/{number}", device_id=f"cam-{number}"))
                    for number in range(300)
                )
            )
            assert sorted(firsts) == list(range(1, 301))
            await settled(made, 300)
            written = {e.device_id: p for p, e in made.journal.journal.read(0) if isinstance(e, Received)}
            assert [written[f"cam-{number}"] for number in range(300)] == firsts
            assert len(made.store.standing()) == 300

    asyncio.run(run())


def test_a_full_disk_turns_senders_away_and_is_over_when_there_is_room(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as made:
            made.journal.full = True
            with pytest.raises(Busy, match="No space left on device") as caught:
                await made.pipeline.submit(said("/bin/a"))
            assert caught.value.retry_after == 5
            assert made.pipeline.journal_trouble == "No space left on device"
            assert made.pipeline.waiting_bytes == 0
            made.journal.full = False
            assert await made.pipeline.submit(said("/bin/b")) == 1
            assert made.pipeline.journal_trouble is None

    asyncio.run(run())


def test_a_store_that_is_away_is_waited_for_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as made:
            made.store.away = True
            for number in range(20):
                await made.pipeline.submit(said(f"/bin/{number}"))
            await asyncio.sleep(0.2)
            assert made.pipeline.processor.trouble == "it is away"
            assert made.store.position() == 0
            made.store.away = False
            await settled(made, 20)
            assert made.pipeline.processor.trouble is None
            assert sorted(a.count for a in made.store.standing()) == [1] * 20

    asyncio.run(run())


async def fill(made: World) -> int:
    """Submit until there is no room; returns how many messages were taken."""
    for taken in range(100):
        try:
            await made.pipeline.submit(said("/bin/a"))
        except Busy:
            return taken
    raise AssertionError("there is no bound")


def test_what_waits_is_bounded_and_senders_are_told_to_come_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fencepost.service.pipeline.PATIENCE", 0.1)

    async def run() -> None:
        async with world(tmp_path, queue_bytes=10_000) as made:
            made.store.away = True
            taken = await fill(made)
            assert 3 < taken < 10
            made.store.away = False
            await settled(made, taken)
            assert await made.pipeline.submit(said("/bin/b")) == taken + 1
            assert made.pipeline.waiting_bytes <= 10_000

    asyncio.run(run())


def test_a_sender_that_waits_for_room_gets_it_when_there_is_some(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path, queue_bytes=2_000) as made:
            made.store.away = True
            await made.pipeline.submit(said("/bin/a", "/bin/b"))
            waiting = asyncio.create_task(made.pipeline.submit(said("/bin/c")))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            made.store.away = False
            assert await waiting == 3

    asyncio.run(run())


def test_a_service_that_ends_while_the_store_is_away_leaves_the_rest_to_the_journal(tmp_path: Path) -> None:
    async def run() -> None:
        made = World(tmp_path)
        running = asyncio.create_task(made.pipeline.run())
        made.store.away = True
        await made.pipeline.submit(said("/bin/a"))
        command = asyncio.create_task(made.pipeline.carry_out(GroupPut(GROUP, now(), "me")))
        await asyncio.sleep(0.1)
        made.stopping.set()
        await made.end(running)
        with pytest.raises(Busy, match="carried out at the next start"):
            await command
        assert made.snapshots == []

    asyncio.run(run())


def test_S05_time_alone_is_journalled_when_it_has_something_to_judge(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as made:
            rule = TimeWindowRule(
                type="ActiveConnectionsNotInAllowedRange", min=1, max=9, window=timedelta(seconds=1)
            )
            group = SecurityGroup(
                name="quiet", members=Members(ids=("q-1",)), rules=(rule,), allowed_lateness=timedelta()
            )
            await made.pipeline.carry_out(GroupPut(group, now(), "me"))
            await made.pipeline.submit(said("/bin/a", device_id="q-1"))
            async with asyncio.timeout(10):
                while not made.store.standing(device_id="q-1"):
                    await asyncio.sleep(0.05)
            ticks = [entry for _, entry in made.journal.journal.read(0) if isinstance(entry, Ticked)]
            assert ticks

    asyncio.run(run())


def test_a_snapshot_is_taken_after_so_many_entries_and_at_the_end(tmp_path: Path) -> None:
    async def run() -> World:
        async with world(tmp_path, snapshot_entries=10) as made:
            for number in range(25):
                await made.pipeline.submit(said(f"/bin/{number}"))
                await settled(made, number + 1)
        return made

    made = asyncio.run(run())
    assert made.snapshots[0] == 10
    assert made.snapshots[-1] == 25


def test_S30_no_snapshot_holds_what_was_never_committed(tmp_path: Path) -> None:
    """A snapshot that is ahead of the store would make the redelivered messages duplicates: alerts lost."""

    async def run() -> World:
        made = World(tmp_path, snapshot_entries=5)
        running = asyncio.create_task(made.pipeline.run())
        await made.pipeline.submit(said(*(f"/bin/{number}" for number in range(5)), device_id="cam-1"))
        while made.pipeline.processor.position < 5:
            await asyncio.sleep(0)  # the next batch comes as close behind as can be
        made.store.away = True
        await made.pipeline.submit(said("/opt/evil", device_id="cam-2"))
        await asyncio.sleep(0.3)
        made.stopping.set()
        await made.end(running)
        return made

    made = asyncio.run(run())
    with Fragile.open(f"sqlite:///{tmp_path / 'control.db'}") as store:
        assert all(position <= store.position() for position in made.snapshots)
        assert store.position() == 5
        assert made.remembered
        assert all("cam-2" not in devices for devices in made.remembered)


def test_S30_no_last_snapshot_is_written_while_the_store_is_behind_the_detector(tmp_path: Path) -> None:
    async def run() -> World:
        made = World(tmp_path)
        running = asyncio.create_task(made.pipeline.run())
        await made.pipeline.submit(said("/bin/a"))
        await settled(made, 1)
        made.store.away = True
        await made.pipeline.submit(said("/opt/evil", device_id="cam-2"))
        await asyncio.sleep(0.3)
        made.stopping.set()
        await made.end(running)
        return made

    assert asyncio.run(run()).snapshots == []


def test_S26_one_device_may_not_fill_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fencepost.service.pipeline.PATIENCE", 0.1)
    monkeypatch.setattr("fencepost.service.pipeline.SHARE", 20_000)

    async def run() -> None:
        async with world(tmp_path, queue_bytes=1_000_000) as made:
            made.store.away = True
            taken = await fill(made)
            assert taken < 20
            assert await made.pipeline.submit(said("/bin/a", device_id="cam-2")) == taken + 1
            made.store.away = False

    asyncio.run(run())


def test_a_commit_is_bounded_by_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fencepost.service.pipeline.BATCH_BYTES", 1000)

    async def run() -> None:
        async with world(tmp_path) as made:
            sizes: list[int] = []
            process_all = made.pipeline.processor.process

            def process(first: int, entries: Any) -> Any:
                sizes.append(len(entries))
                return process_all(first, entries)

            monkeypatch.setattr(made.pipeline.processor, "process", process)
            await made.pipeline.submit(said(*(f"/bin/{number}" for number in range(20))))
            await settled(made, 20)
            assert max(sizes) <= 4

    asyncio.run(run())


def test_a_journal_that_could_not_be_written_is_tried_again_without_a_sender(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as made:
            made.journal.full = True
            with pytest.raises(Busy):
                await made.pipeline.submit(said("/bin/a"))
            made.journal.full = False
            async with asyncio.timeout(5):
                while made.pipeline.journal_trouble is not None:
                    await asyncio.sleep(0.05)

    asyncio.run(run())


def test_changes_of_one_commit_are_published_in_the_order_of_their_positions(tmp_path: Path) -> None:
    """A reader that was cut off goes on behind the last position that it has heard of."""

    async def run() -> None:
        async with world(tmp_path) as made:
            listener = made.feed.listen("somebody")
            assert listener is not None
            await made.pipeline.submit(said("/bin/a", "/bin/b", "/bin/a", "/bin/c", "/bin/b"))
            await settled(made, 5)
            positions = []
            while not listener.changes.empty():
                change = listener.changes.get_nowait()
                assert change is not None
                positions.append(change[1])
            assert positions == sorted(positions)

    asyncio.run(run())


def test_a_fault_of_ours_ends_the_service_loudly_and_answers_who_waits(tmp_path: Path) -> None:
    async def run() -> None:
        made = World(tmp_path)
        running = asyncio.create_task(made.pipeline.run())
        made.store.commit(Changes(after=0, position=7))  # somebody else writes to the store
        with pytest.raises(Busy, match="the service ends"):
            await made.pipeline.carry_out(GroupPut(GROUP, now(), "me"))
        with pytest.raises(ValueError, match="something else has written to it"):
            await running
        with pytest.raises(Busy, match="the service ends"):
            await asyncio.wait_for(made.pipeline.carry_out(GroupPut(GROUP, now(), "me")), 5)
        await made.commits.close()
        await made.pipeline.close()
        assert made.snapshots == []
        made.journal.journal.close()
        made.store.close()

    asyncio.run(run())


def test_changes_are_published_when_they_are_committed(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as made:
            listener = made.feed.listen("somebody")
            assert listener is not None
            await made.pipeline.submit(said("/bin/a"))
            change = await asyncio.wait_for(listener.changes.get(), 5)
            assert change is not None
            alert, position = change
            assert (alert.value, position) == ("/bin/a", 1)
            assert made.store.alert(alert.alert_id) == alert
        assert await listener.changes.get() is None

    asyncio.run(run())


def test_a_message_that_a_fault_of_ours_keeps_from_being_judged_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receive = Detector.receive

    def failing(self: Detector, device_id: str, *rest: object) -> object:
        if device_id == "cam-bad":
            raise ZeroDivisionError
        return receive(self, device_id, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Detector, "receive", failing)

    async def run() -> None:
        async with world(tmp_path) as made:
            await made.pipeline.submit(said("/bin/a", device_id="cam-bad"))
            await made.pipeline.submit(said("/bin/a"))
            await settled(made, 2)
            assert [alert.device_id for alert in made.store.standing()] == ["cam-1"]
            (row,) = made.store.quarantine().items
            assert row.reason.startswith("internal fault")
            assert made.pipeline.processor.faults == 1

    asyncio.run(run())
    assert "ZeroDivisionError" in caplog.text


def test_commands_are_answered_when_they_are_committed(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as made:
            commands = Commands(made.pipeline, now, ("203.0.113.1",))
            await commands.adopt_server_addresses("fencepost")
            assert commands.group("CAMS").server_addresses == ("203.0.113.1",)
            group, is_new = await commands.put_group(SecurityGroup(name="new"), "me")
            assert (group.version, is_new) == (1, True)
            assert made.store.groups()[-1] == group
            assert (await commands.put_group(SecurityGroup(name="NEW"), "me")) == (group, False)
            with pytest.raises(Outdated):
                await commands.put_group(SecurityGroup(name="new", description="x"), "me", version=7)
            with pytest.raises(OperatorError, match="a name has at most"):
                await commands.put_group(SecurityGroup(name="n" * 200), "me")
            await commands.delete_group("new", "me")
            with pytest.raises(Missing):
                commands.group("new")
            await commands.put_group(SecurityGroup(name="default"), "me")
            with pytest.raises(Conflict):
                await commands.delete_group("default", "me")
            with pytest.raises(OperatorError, match="there is no such alert"):
                await commands.act("nothing", "resolve", "me", None)

    asyncio.run(run())


def test_two_editors_at_once_make_two_versions(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as made:
            commands = Commands(made.pipeline, now)
            drafts = [SecurityGroup(name="one", description=str(number)) for number in range(10)]
            made_groups = await asyncio.gather(*(commands.put_group(draft, "me") for draft in drafts))
            assert sorted(group.version for group, _ in made_groups) == list(range(1, 11))

    asyncio.run(run())
