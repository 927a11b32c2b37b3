"""The demo as it runs: the child that serves, the fleet that sends, and an end that leaves nothing behind."""

import asyncio
import shlex
import shutil
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import uvloop

from fencepost.cli.data import prepared
from fencepost.cli.demo_show import Show, show
from fencepost.cli.demo_view import Frame
from fencepost.cli.output import say
from fencepost.cli.served import Served
from fencepost.cli.signals import stop_on_signals
from fencepost.client.access import Access
from fencepost.model.errors import OperatorError, Problem
from fencepost.simulation.clock import Clock
from fencepost.simulation.groups import group_bodies
from fencepost.simulation.live import LivePlan
from fencepost.simulation.run import Findings, run_live
from fencepost.simulation.watch import Watch

REFRESH = 0.25


def run_demo(plan: LivePlan, *, port: int, keep: Path | None, span: timedelta | None, json: bool) -> bool:
    """
    Run the demo for a time (None: until it is told to stop) and return whether the alerts were right.

    Raises OperatorError for a folder to keep that is in use, and ServiceEnded when the service dies.
    """
    return uvloop.run(_demo(plan, port, keep, span, json=json))


async def _demo(plan: LivePlan, port: int, keep: Path | None, span: timedelta | None, *, json: bool) -> bool:
    with stop_on_signals() as stop, show(json=json) as shown:
        watch = Watch(shown.hear)
        with _data_folder(keep) as folder:
            token = prepared(folder).tokens.admin
            served = Served(folder, port)
            try:
                announced = await served.start()
                shown.begin(announced.url)
                if span is not None:
                    asyncio.get_running_loop().call_later(span.total_seconds(), stop.set)
                ca = Path(announced.ca_file) if announced.ca_file is not None else None
                access = Access(announced.url, token, ca)
                hint = "Ctrl-C ends the demo" + ("" if keep else " and removes its data")
                run = run_live(access, plan, groups=group_bodies(), watch=watch, stop=stop)
                findings = await _watched(run, served, _refreshing(shown, watch, announced.url, hint))
            finally:
                await served.stop()
        shown.end(findings, watch, _following(keep))
    return findings.is_right


async def _watched(run: Awaitable[Findings], served: Served, refreshing: Awaitable[None]) -> Findings:
    """Return what came of the run; raises ServiceEnded if the service dies before it is over."""
    running = asyncio.ensure_future(run)
    ending = asyncio.ensure_future(served.until_end())
    drawing = asyncio.ensure_future(refreshing)
    tasks: set[asyncio.Future[Any]] = {running, ending, drawing}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if ending.done():
            raise ending.result()
        if drawing.done():
            drawing.result()
        return running.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _refreshing(shown: Show, watch: Watch, url: str, hint: str) -> None:
    clock = Clock()
    while True:
        await asyncio.sleep(REFRESH)
        shown.refresh(
            Frame(
                url=url,
                messages=watch.messages,
                rate=watch.rate(clock.now()),
                opened=watch.opened,
                alerts=tuple(watch.latest.values()),
                delays=tuple(watch.delays),
                hint=hint,
            )
        )


@contextmanager
def _data_folder(keep: Path | None) -> Iterator[Path]:
    """Yield an empty folder, which is removed in the end unless it is to be kept."""
    if keep is not None:
        yield _empty(keep)
        return
    folder = Path(mkdtemp(prefix="fencepost-demo-"))
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            say(
                f"{folder}: not all of the demo's data could be removed: {error.strerror or error}",
                error=True,
            )


def _empty(folder: Path) -> Path:
    try:
        if folder.exists() and any(folder.iterdir()):
            reason = f"the folder is not empty; fencepost serve --data {shlex.quote(str(folder))} serves what is there"
            raise OperatorError([Problem("--keep", reason, str(folder))])
    except OSError as error:
        reason = f"the folder cannot be used: {error.strerror or error}"
        raise OperatorError([Problem("--keep", reason, str(folder))]) from error
    return folder.absolute()


def _following(keep: Path | None) -> str:
    if keep is not None:
        return f"The data is kept. Next:\n  fencepost serve --data {shlex.quote(str(keep))}"
    return (
        "The demo's data is removed. Next:\n"
        "  fencepost init     makes a data folder of your own\n"
        "  fencepost serve    takes messages and tells of alerts"
    )
