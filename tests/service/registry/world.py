"""A registry on a real store, a real journal and a running pipeline."""

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Connection

from fencepost.engine.detector import Detector
from fencepost.model.entry import DeviceAssigned, Entry
from fencepost.model.errors import StoreUnavailable
from fencepost.model.identity import Channel, IdentityKey, Operation
from fencepost.model.rule import SecurityGroup
from fencepost.service.feed import Feed
from fencepost.service.patience import Patience
from fencepost.service.pipeline import Item, Pace, Pipeline
from fencepost.service.processor import Processor
from fencepost.service.registry import Registry
from fencepost.service.sessions import Sessions
from fencepost.store.control import ControlStore
from fencepost.store.journal.group_commit import GroupCommit
from fencepost.store.journal.journal import Journal

GROUPS = (SecurityGroup(name="cameras"), SecurityGroup(name="Gateways"))


def now() -> datetime:
    return datetime.now(UTC)


class Fragile(ControlStore):
    """A store whose database can be away: wholly, or for whatever comes after a number of writes."""

    away = False
    writes_left: int | None = None

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self.away:
            raise StoreUnavailable("it is away")
        with super()._reading() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self.away or self.writes_left == 0:
            raise StoreUnavailable("it is away")
        if self.writes_left is not None:
            self.writes_left -= 1
        with super()._writing() as connection:
            yield connection


class FragileJournal:
    """A journal whose disk can be full."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.full = False

    def append(self, entries: Sequence[Entry]) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.journal.append(entries)


class Connected:
    """A session that takes down what it hears."""

    def __init__(self, channel: Channel = "mqtt") -> None:
        self.channel: Channel = channel
        self.pushed: list[dict[str, Any]] = []
        self.woken = 0
        self.closed: list[str] = []

    def push_desired(self, patch: dict[str, Any]) -> None:
        self.pushed.append(patch)

    def wake(self) -> None:
        self.woken += 1

    async def invoke(self, name: str, payload: bytes, timeout: float) -> tuple[int, bytes]:  # noqa: ASYNC109
        raise NotImplementedError

    def close(self, reason: str) -> None:
        self.closed.append(reason)


class World:
    def __init__(self, folder: Path, url: str) -> None:
        self.journal = FragileJournal(Journal.open(folder / "journal", clock=now))
        self.store = Fragile.open(url)
        self.detector = Detector(GROUPS)
        position = self.store.position()
        processor = Processor(self.detector, self.store, position=position, patience=Patience(Event()))
        self.pipeline = Pipeline(processor, Feed(), lambda _: lambda: None, clock=now, pace=Pace())
        self.commits = GroupCommit[Item](
            self.journal, lambda item: item.entry, self.pipeline.committed, 0.001
        )
        self.pipeline.commits = self.commits
        self.sessions = Sessions(now)
        self.notes: list[tuple[str, Operation]] = []
        self.registry = Registry(self.store, self.pipeline, self.sessions, now, self.note)

    async def note(self, device_id: str, operation: Operation) -> None:
        self.notes.append((device_id, operation))

    def connect(self, device_id: str, module_id: str | None = None) -> Connected:
        session = Connected()
        self.sessions.enter(IdentityKey(device_id, module_id), session)
        return session

    def group_of(self, device_id: str) -> str:
        return self.detector.group_of(device_id).name

    def assigned(self) -> list[tuple[str, str | None]]:
        """Return the tags that were journalled, in order."""
        entries = (entry for _, entry in self.journal.journal.read(0))
        return [(one.device_id, one.tag) for one in entries if isinstance(one, DeviceAssigned)]


@asynccontextmanager
async def world(folder: Path, url: str) -> AsyncIterator[World]:
    """Give a world that runs; what its stores hold is there again in the next one of the same place."""
    made = World(folder, url)
    running = asyncio.create_task(made.pipeline.run())
    try:
        yield made
    finally:
        made.store.away, made.store.writes_left = False, None
        made.pipeline.close_the_door()
        await made.commits.close()
        made.pipeline.stop()
        await running
        await made.pipeline.close()
        made.journal.journal.close()
        made.store.close()
