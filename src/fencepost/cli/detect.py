"""`fencepost detect`: messages in, alerts out."""

from collections.abc import Iterator
from typing import Annotated

import typer

from fencepost.cli import options
from fencepost.cli.alerts import details_of, table_of
from fencepost.cli.options import (
    DeviceFrom,
    DeviceFromOption,
    DeviceOption,
    GroupsOption,
    JsonOption,
    LimitOption,
    Paths,
    UntilOption,
)
from fencepost.cli.output import console, labelled, plural, say, write_lines
from fencepost.cli.summary import summary_of
from fencepost.config.groups import load_groups
from fencepost.model.alert import Alert
from fencepost.model.alert_view import view_of
from fencepost.model.errors import OperatorError, Problem
from fencepost.service.replay import Replay
from fencepost.sources.files import Record, Unreadable

FINDINGS = 1
MOST_ROWS = 1000
"""More rows than a person reads take long to lay out."""


def register(app: typer.Typer) -> None:
    app.command(short_help="Judge security messages and print the alerts.")(detect)


def detect(
    paths: Paths,
    groups: GroupsOption,
    device: DeviceOption = None,
    device_from: DeviceFromOption = DeviceFrom.anywhere,
    until: UntilOption = None,
    limit: LimitOption = options.DEFAULT_LIMIT,
    fail_on_alert: Annotated[
        bool, typer.Option("--fail-on-alert", help="Exit with 1 if there is any alert.")
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Say everything about each alert: remedy, entries, evidence.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """
    Judge security messages and print the alerts, then what was read and what could not be judged.

    Messages are judged in the order in which they are read. One that does not say when it was received
    counts as received at its own latest event time. Exits with 2 if no message could be read.

    \b
    Examples:
      fencepost detect --groups groups.yaml messages/
      fencepost detect --groups groups.yaml --until PT1H --json fleet.ndjson.gz
      ssh gateway cat agents.ndjson | fencepost detect --groups groups.yaml -
    """
    until_of = options.until_of(until)
    expected = load_groups(groups)
    replay = Replay(expected.groups, expected.layers, limit=limit, wall_clock=options.wall_clock)
    run(replay, options.messages(paths, device, device_from, limit, "judging"))
    last = replay.clock
    if last is not None:
        replay.finish(until_of(last) if until_of is not None else None)
    alerts = replay.alerts()
    report(replay, alerts, as_json=json, details=details)
    if until_of is not None and last is not None and until_of(last) < last:
        say(
            f"--until: the last message was received at {last:%Y-%m-%d %H:%M:%S}, later than this", error=True
        )
    if not replay.counts.understood:
        raise OperatorError([Problem("", "no message could be read")])
    if fail_on_alert and alerts:
        raise typer.Exit(FINDINGS)


def run(replay: Replay, records: Iterator[Record | Unreadable]) -> None:
    """Give every record to the replay."""
    receive = replay.receive
    for record in records:
        if type(record) is Record:
            receive(record.device_id, record.body, record.received_at, record.origin)
        else:
            replay.refuse(record.origin, record.reason)  # type: ignore[union-attr]


def report(replay: Replay, alerts: list[Alert], *, as_json: bool, details: bool) -> None:
    if as_json:
        write_lines(map(view_of, alerts))
    elif alerts:
        _show(alerts[:MOST_ROWS], details=details)
        if len(alerts) > MOST_ROWS:
            say(f"... and {plural(len(alerts) - MOST_ROWS, 'more alert')}: --json prints them all\n")
    for line in summary_of(replay, len(alerts)):
        say(line, error=as_json)


def _show(alerts: list[Alert], *, details: bool) -> None:
    out = console()
    out.print(table_of(alerts, out.width))
    say("")
    for alert in alerts if details else ():
        say("\n".join(labelled(label, text, out.width) for label, text in details_of(alert)) + "\n")
