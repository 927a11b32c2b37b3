"""`fencepost simulate --to`: a fleet that lives in real time, against a running service."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvloop
from msgspec import convert
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from fencepost.cli.findings import lines_of, report_of
from fencepost.cli.output import plural, say, write_lines
from fencepost.cli.signals import stop_on_signals
from fencepost.client.access import Access
from fencepost.client.transports import CONNECTIONS, Door, Protocol
from fencepost.simulation.clock import Clock
from fencepost.simulation.groups import group_bodies
from fencepost.simulation.live import LivePlan
from fencepost.simulation.run import Findings, run_live
from fencepost.simulation.watch import Watch

REFRESH = 0.25
SILENCE = "The devices are silent from now on: in 20 minutes the group of the cameras alerts for that."


def door_of(ways: Sequence[str], port: int | None, connections: int | None) -> Door | None:
    """Return which way devices send; None is our own API."""
    if not ways:
        return None
    return Door(convert(ways[0], Protocol), port, connections or CONNECTIONS)


def simulate_live(
    access: Access, plan: LivePlan, *, keep_groups: bool, json: bool, door: Door | None = None
) -> bool:
    """Let the fleet live, say what came of it, and return whether that is as it should be."""
    findings = uvloop.run(_run(access, plan, keep_groups=keep_groups, door=door))
    if json:
        write_lines([{"url": access.url, "devices": plan.devices, **report_of(findings)}])
    else:
        for line in lines_of(findings):
            say(line)
        say(f"\n{SILENCE}")
    return findings.is_right


async def _run(access: Access, plan: LivePlan, *, keep_groups: bool, door: Door | None) -> Findings:
    watch = Watch()
    groups = None if keep_groups else group_bodies()
    with stop_on_signals() as stop, _progress(plan) as bar:
        showing = asyncio.create_task(_show(watch, bar))
        try:
            return await run_live(access, plan, groups=groups, watch=watch, stop=stop, door=door)
        finally:
            showing.cancel()


@contextmanager
def _progress(plan: LivePlan) -> Iterator[Progress]:
    """Show a bar on a terminal."""
    seconds = plan.duration.total_seconds() if plan.duration is not None else None
    columns = (TextColumn("simulating"), BarColumn(), TextColumn("{task.description}"))
    shown = Progress(
        *columns,
        console=Console(file=sys.stderr),
        transient=True,
        disable=not sys.stderr.isatty(),
        redirect_stdout=False,
    )
    with shown:
        shown.add_task("", total=seconds, start=False)
        yield shown


async def _show(watch: Watch, bar: Progress) -> None:
    (task,) = bar.task_ids
    clock = Clock()
    while True:
        if watch.messages:
            bar.start_task(task)
            said = said_of(watch, watch.rate(clock.now()))
            bar.update(task, completed=bar.tasks[0].elapsed or 0, description=said)
        await asyncio.sleep(REFRESH)


def said_of(watch: Watch, rate: float) -> str:
    """Return how far a run has come, in one line."""
    rejected = f", {watch.rejected:,} rejected" if watch.rejected else ""
    return f"{plural(watch.messages, 'message')}, {rate:,.1f}/s{rejected}, {plural(watch.opened, 'alert')}"
