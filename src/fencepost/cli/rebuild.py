"""`fencepost rebuild`: the alerts once more from the journal, beside those that the service has."""

import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct

from fencepost.cli.data import DEFAULT_DATA, ConfigOption, DataOption
from fencepost.cli.options import JsonOption
from fencepost.cli.output import plural, printable, progress, say, write_lines
from fencepost.config.service import load_settings
from fencepost.model.errors import OperatorError, Problem, StoreUnavailable
from fencepost.service.ports import AlertStore
from fencepost.service.rebuild import Difference, differences, rebuild

if TYPE_CHECKING:
    from fencepost.store.journal.reading import JournalReader

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
    compare: Annotated[
        bool,
        typer.Option(
            "--compare/--no-compare", help="Compare with the service's store, or do without one that is lost."
        ),
    ] = True,
    json: JsonOption = False,
) -> None:
    """
    Make the control store again from the journal, into a new SQLite file, and compare the alerts.

    Works while the service runs. Exits with 1 if an alert is missing, extra or different. The new store
    is kept: put it in the place of one that was lost.

    \b
    Examples:
      fencepost rebuild --data /var/lib/fencepost
      fencepost rebuild --data /var/lib/fencepost --no-compare --into /var/lib/fencepost/control.db
    """
    from fencepost.store.control import ControlStore
    from fencepost.store.journal.reading import JournalReader

    settings = load_settings(data, config, os.environ)
    target = into or data / REBUILT
    if target.exists():
        reason = "there is a file already: remove it, or name another --into"
        raise OperatorError([Problem("", reason, str(target))])
    journal = JournalReader(settings.journal.folder)
    url = f"sqlite:///{target}"
    count = 0
    if compare:
        with (
            ControlStore.open(settings.control.url, read_only=True) as live,
            live.everything() as (until, alerts),
            ControlStore.open(url) as made,
        ):
            entries = _rebuild(journal, until, made, target)
            identities = made.adopt_registry(live)
            with made.everything() as (_, again):
                count = _report(differences(alerts, again), Rebuilt(entries, target, identities), json=json)
    else:
        with ControlStore.open(url) as made:
            _say_rebuilt(Rebuilt(_rebuild(journal, None, made, target), target), json=json)
    for one in (*journal.damages, *journal.gaps):
        say(printable(f"the journal is damaged: {one}"), error=True)
    if count:
        raise typer.Exit(DIFFERENT)


def _rebuild(journal: "JournalReader", until: int | None, made: AlertStore, target: Path) -> int:
    """Return how many entries were judged again."""
    with progress("rebuilding", until) as step:
        try:
            return rebuild(journal.read(0), sys.maxsize if until is None else until, made, step)
        except StoreUnavailable as error:
            reason = f"cannot be written: {error}; make room, remove it, and run the same again"
            raise OperatorError([Problem("", reason, str(target))]) from None


class Rebuilt(Struct, frozen=True):
    """What was made: from so many entries, where, and with so many identities of the live store, if there was one."""

    entries: int
    store: Path
    identities: int | None = None


def _say_rebuilt(made: Rebuilt, *, json: bool) -> None:
    if json:
        write_lines([_plain(made)])
        return
    say(f"rebuilt  {plural(made.entries, 'entry', 'entries')} into {printable(str(made.store))}")
    if made.identities is None:
        say("identities, keys and twins are in no journal: restore them from a backup, or import them again")
    else:
        say(f"copied   {plural(made.identities, 'identity', 'identities')} with keys and twins")


def _plain(made: Rebuilt) -> dict[str, Any]:
    return {"entries": made.entries, "store": str(made.store), "identities": made.identities}


def _report(found: Iterator[Difference], made: Rebuilt, *, json: bool) -> int:
    """Print what differs and return how much that is."""
    first = list(islice(found, LISTED))
    count = len(first) + sum(1 for _ in found)
    if json:
        write_lines([{**_plain(made), "differences": count, "first": first}])
        return count
    for one in first:
        members = f" in {', '.join(one.members)}" if one.members else ""
        say(printable(f"{one.what}: {one.alert_id} of {one.device_id}, {one.rule_type}{members}"))
    if count > len(first):
        say(f"and {count - len(first):,} more")
    verdict = "live and rebuilt alerts agree" if not count else f"{plural(count, 'alert')} differ"
    _say_rebuilt(made, json=False)
    say(f"verdict  {verdict}")
    return count
