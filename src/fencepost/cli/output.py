"""What commands print: lines of JSON, problems, progress, and text that a device cannot fake."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from textwrap import fill
from typing import Any, BinaryIO

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from fencepost.model.errors import OperatorError, Problem

WIDE = 160
"""The columns of a table that goes to a file or a pipe."""
LABEL = 17
BATCH = 1 << 16
UTC_TIMES = "Times are UTC"
"""The title of a table with times."""

_encoder = msgspec.json.Encoder()


def printable(text: str) -> str:
    """Return what a device or a file wrote, without what would move the cursor or colour the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def encoded(value: Any) -> bytes:
    """Return a value as one line of JSON, also where it holds what JSON has no faithful form for."""
    try:
        return _encoder.encode(value)
    except (OverflowError, UnicodeEncodeError, msgspec.MsgspecError):
        # integers beyond 64 bits, and lone surrogates of names that are not UTF-8
        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


class Lines:
    """Writes JSON lines to the standard output, many at a time."""

    def __init__(self) -> None:
        self._out: BinaryIO = sys.stdout.buffer
        self._lines: list[bytes] = []
        self._size = 0

    def write(self, value: Any) -> None:
        line = encoded(value)
        self._lines.append(line)
        self._size += len(line)
        if self._size > BATCH:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            self._lines.append(b"")
            self._out.write(b"\n".join(self._lines))
            self._lines, self._size = [], 0
        self._out.flush()


def write_lines(values: Iterable[Any]) -> None:
    lines = Lines()
    for value in values:
        lines.write(value)
    lines.flush()


class Screen(Console):
    """A console whose reader may go away: that is told like any other end of a pipe."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(*, error: bool = False) -> Console:
    """Return a console for tables and text; wide where nobody looks at it directly."""
    file = sys.stderr if error else sys.stdout
    width = None if file.isatty() or os.environ.get("COLUMNS") else WIDE
    return Screen(file=file, width=width, highlight=False, markup=False, emoji=False)


def bare_table(title: str | None = None, *, is_narrow: bool = False) -> Table:
    """Return a table without lines, its title above it on the left; a narrow one has a blank less between columns."""
    return Table(
        title=title,
        title_justify="left",
        title_style="dim",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0) if is_narrow else (0, 1),
    )


def labelled(label: str, text: str, width: int) -> str:
    """Return a text behind its label, wrapped to a width with the label's column left free."""
    hanging = " " * LABEL
    start = f"{printable(label):<{LABEL}}"
    wrapped = fill(printable(text), max(width, 2 * LABEL), initial_indent=hanging, subsequent_indent=hanging)
    return start + (wrapped[LABEL:] if len(start) == LABEL else f" {wrapped.lstrip()}")


def say(text: str, *, error: bool = False) -> None:
    """Print a text as it is, with no more than its line ends."""
    stream = sys.stderr if error else sys.stdout
    stream.write(text + "\n")


def complain(error: OperatorError) -> None:
    """Print all problems of an operator's input, one a line."""
    for problem in error.problems:
        say(printable(str(problem)), error=True)


def not_made(file: str, error: OSError) -> OperatorError:
    """Return why a file that must be new could not be made, and what to do."""
    if isinstance(error, FileExistsError):
        reason = "it is there already: name another file, or remove it"
    else:
        reason = f"the file cannot be made: {error.strerror or error}"
    return OperatorError([Problem("", reason, file)])


@contextmanager
def progress(
    label: str, total: int | None, *, while_printing: bool = False
) -> Iterator[Callable[[int], None]]:
    """
    Show how much is done, on a terminal only; yields what is to be told of every step.

    A command that prints while it works shows no bar among its own lines.
    """
    if not sys.stderr.isatty() or (while_printing and sys.stdout.isatty()):
        yield lambda _: None
        return
    columns = (TextColumn(label), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(label, total=total or None)
        yield lambda step: bar.advance(task, step)


def plural(number: int, noun: str, nouns: str = "") -> str:
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
