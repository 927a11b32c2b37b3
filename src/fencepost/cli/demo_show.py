"""Where the demo's alerts go: to a view on a terminal, or out as lines of text or JSON."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.live import Live
from rich.text import Text

from fencepost.cli.demo_view import Frame, delays_of, frame_of, line_of
from fencepost.cli.findings import lines_of, report_of
from fencepost.cli.output import console, say, write_lines
from fencepost.model.alert_view import view_of
from fencepost.simulation.run import Findings
from fencepost.simulation.watch import Heard, Watch


class Show(Protocol):
    """What the demo says, and to whom."""

    def begin(self, url: str) -> None:
        """Say where the service is."""

    def hear(self, heard: Heard) -> None:
        """Take an alert that has just been told."""

    def refresh(self, frame: Frame) -> None:
        """Take what is known now."""

    def end(self, findings: Findings, watch: Watch, following: str) -> None:
        """Say what came of it all, and what to do next."""


@contextmanager
def show(*, json: bool) -> Iterator[Show]:
    """Yield what fits the standard output."""
    if json:
        yield JsonShow()
    elif sys.stdout.isatty():
        with Live(
            Text("Starting a service ..."),
            console=console(),
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        ) as live:
            view = TerminalShow(live)
            yield view
        view.say_end()
    else:
        yield TextShow()


class TextShow:
    """A line for each alert that is opened or moves."""

    def begin(self, url: str) -> None:
        say(f"Fencepost takes messages at {url}", error=True)

    def hear(self, heard: Heard) -> None:
        if heard.is_news:
            say(line_of(heard.alert))
            sys.stdout.flush()

    def refresh(self, frame: Frame) -> None:
        pass

    def end(self, findings: Findings, watch: Watch, following: str) -> None:
        say("")
        for line in closing_of(findings, watch, following):
            say(line)


class JsonShow(TextShow):
    """The same as JSON, and what came of it last."""

    def hear(self, heard: Heard) -> None:
        if heard.is_news:
            write_lines([view_of(heard.alert)])

    def end(self, findings: Findings, watch: Watch, following: str) -> None:
        write_lines([{**report_of(findings), "delays": sorted(watch.delays)}])


class TerminalShow:
    """A view that is drawn anew again and again; what is said at the end stands below it."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._closing: list[str] = []

    def begin(self, url: str) -> None:
        self._live.update(Text(f"Fencepost takes messages at {url}"), refresh=True)

    def hear(self, heard: Heard) -> None:
        pass

    def refresh(self, frame: Frame) -> None:
        size = self._live.console.size
        self._live.update(frame_of(frame, size.width, size.height), refresh=True)

    def end(self, findings: Findings, watch: Watch, following: str) -> None:
        self._closing = list(closing_of(findings, watch, following))

    def say_end(self) -> None:
        say("")
        for line in self._closing:
            say(line)


def closing_of(findings: Findings, watch: Watch, following: str) -> Iterator[str]:
    """Yield the last lines for people."""
    yield from lines_of(findings)
    if said := delays_of(tuple(watch.delays)):
        yield f"{'delay':<13}{said}"
    yield ""
    yield following
