"""`fencepost rebuild`: the alerts once more from the journal, beside those that the service has."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from fencepost.cli.data import DEFAULT_DATA, ConfigOption, DataOption
from fencepost.cli.options import JsonOption
from fencepost.cli.output import plural, printable, progress, say, write_lines
from fencepost.config.service import load_settings
from fencepost.model.errors import OperatorError, Problem, StoreUnavailable
from fencepost.service.rebuild import Difference, differences, rebuild

DIFFERENT = 1
LISTED = 20
REBUILT = "rebuilt.db"


def register(app: typer.Typer) -> None:
    app.command("rebuild", short_help="Make all alerts again from the journal, and compare.")(rebuild_alerts)


def rebuild_alerts(
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="FILE", help="The new store; rebuilt.db in the data folder."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """
    Make the control store again from the journal, into a new SQLite file, and compare the alerts.

    Works while the service runs. Exits with 1 if an alert is missing, extra or different. The new store
    is kept: put it in the place of one that was lost.

    \b
    Example:
      fencepost rebuild --data /var/lib/fencepost
    """
    from fencepost.store.control import ControlStore
    from fencepost.store.journal.reading import JournalReader

    settings = load_settings(data, config, os.environ)
    target = into or data / REBUILT
    if target.exists():
        raise OperatorError(
            [Problem("", "there is a file already: remove it, or name another --into", str(target))]
        )
    journal = JournalReader(settings.journal.folder)
    with (
        ControlStore.open(settings.control.url, read_only=True) as live,
        live.everything() as (position, alerts),
        ControlStore.open(f"sqlite:///{target}") as made,
    ):
        with progress("rebuilding", position) as step:
            done = 0

            def reached(to: int) -> None:
                nonlocal done
                step(to - done)
                done = to

            try:
                rebuild(journal.read(0), position, made, reached)
            except StoreUnavailable as error:
                reason = f"cannot be written: {error}; make room, remove it, and run the same again"
                raise OperatorError([Problem("", reason, str(target))]) from None
        with made.everything() as (_, again):
            count = _report(differences(alerts, again), position, target, json=json)
    for one in (*journal.damages, *journal.gaps):
        say(printable(f"the journal is damaged: {one}"), error=True)
    if count:
        raise typer.Exit(DIFFERENT)


def _report(found: Iterator[Difference], position: int, target: Path, *, json: bool) -> int:
    """Print what differs and return how much that is."""
    first = list(islice(found, LISTED))
    count = len(first) + sum(1 for _ in found)
    if json:
        report: dict[str, Any] = {
            "position": position,
            "store": str(target),
            "differences": count,
            "first": first,
        }
        write_lines([report])
        return count
    for one in first:
        members = f" in {', '.join(one.members)}" if one.members else ""
        say(printable(f"{one.what}: {one.alert_id} of {one.device_id}, {one.rule_type}{members}"))
    if count > len(first):
        say(f"and {count - len(first):,} more")
    verdict = "live and rebuilt alerts agree" if not count else f"{plural(count, 'alert')} differ"
    say(f"rebuilt  {plural(position, 'entry', 'entries')} into {printable(str(target))}")
    say(f"verdict  {verdict}")
    return count
