"""A pipeline that runs on a real journal and a real store, with the commands of people beside it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from tests.said import message

from fencepost.engine.detector import Detector
from fencepost.model.alert import Alert
from fencepost.model.entry import Received
from fencepost.model.page import AlertFilter
from fencepost.model.rule import AllowlistRule, DenylistRule, Members, SecurityGroup
from fencepost.service.commands import Commands
from fencepost.service.feed import Feed
from fencepost.service.mending import Mending
from fencepost.service.patience import Patience
from fencepost.service.pipeline import Item, Pace, Pipeline
from fencepost.service.processor import Processor
from fencepost.service.rebuild import differences, rebuild
from fencepost.store.control import ControlStore
from fencepost.store.journal.group_commit import GroupCommit
from fencepost.store.journal.journal import Journal

CAMERAS = SecurityGroup(
    name="cams",
    members=Members(globs=("cam-*",)),
    rules=(
        AllowlistRule(type="ConnectionToIpNotAllowed", allow=("198.51.100.0/24",)),
        AllowlistRule(type="ProcessNotAllowed", allow=("/usr/bin/*",)),
        AllowlistRule(type="LocalUserNotAllowed", allow=("root",)),
        DenylistRule(type="ProcessDenied", deny=("nc", "/opt/evil/*")),
    ),
)
OTHERS = SecurityGroup(
    name="default",
    rules=(AllowlistRule(type="ConnectionToIpNotAllowed", allow=("198.51.100.0/24",)),),
)


class Clock:
    """The wall clock, which may be set forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Running:
    """The service without its doors: what devices say, what people do, and what has come of it."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.clock = Clock()
        self.journal = Journal.open(folder / "journal", clock=self.clock)
        self.store = ControlStore.open(url or f"sqlite:///{folder / 'control.db'}")
        self.feed = Feed()
        processor = Processor(Detector(), self.store, position=0, patience=Patience(Event()))
        self.pipeline = Pipeline(processor, self.feed, lambda _: lambda: None, clock=self.clock, pace=Pace())
        commits = GroupCommit[Item](self.journal, lambda item: item.entry, self.pipeline.committed, 0.0)
        self.pipeline.commits = self.commits = commits
        self.commands = Commands(self.pipeline, self.clock)
        self.mending = Mending(self.commands, self.store, self.clock)

    async def begin(self) -> None:
        for group in (CAMERAS, OTHERS):
            await self.commands.put_group(group, "me")

    async def say(self, device_id: str, *events: dict[str, Any]) -> None:
        """Let a device say something, and wait until it is judged and committed."""
        await self.pipeline.carry_out(Received(device_id, self.clock(), message(*events)))

    def alert(self, device_id: str = "cam-1", rule_type: str | None = None) -> Alert:
        """Return the latest alert of a device."""
        wanted = AlertFilter(device_id=device_id, rule_type=rule_type)
        return max(self.store.alerts(wanted).items, key=lambda one: (one.started_at, one.ordinal))

    def reread(self, alert: Alert) -> Alert:
        found = self.store.alert(alert.alert_id)
        assert found is not None
        return found

    async def end(self, running: "asyncio.Task[None]") -> None:
        self.pipeline.close_the_door()
        await self.commits.close()
        self.pipeline.stop()
        await running
        await self.pipeline.close()
        self.check_that_all_can_be_made_again()
        self.journal.close()
        self.store.close()

    def check_that_all_can_be_made_again(self) -> None:
        """The journal alone leads to the same alerts (S30), whatever has been done."""
        with ControlStore.open(f"sqlite:///{self.folder / 'again.db'}") as again:
            rebuild(self.journal.read(0), self.journal.last_position, again)
            with self.store.everything() as (_, live), again.everything() as (_, rebuilt):
                assert [*differences(live, rebuilt)] == []
            assert again.layers() == self.store.layers()
            assert again.suppressions() == self.store.suppressions()
            assert again.groups() == self.store.groups()


@asynccontextmanager
async def running(folder: Path, url: str = "") -> AsyncIterator[Running]:
    made = Running(folder, url)
    task = asyncio.create_task(made.pipeline.run())
    try:
        await made.begin()
        yield made
    finally:
        await made.end(task)


def run(folder: Path, what: Callable[[Running], Awaitable[None]], url: str = "") -> None:
    """Run a test's story on a service of its own."""

    async def whole() -> None:
        async with running(folder, url) as made:
            await what(made)

    asyncio.run(whole())
