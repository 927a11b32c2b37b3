"""Alerts of a running service for people: a list, all of one with what to do next, and lines as they come."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from shlex import quote

import uvloop
from rich.text import Text

from fencepost.cli.access import CONNECTIONS, STARTING, talk, target_of
from fencepost.cli.alerts import SHORT_ID, colour_of, count_of, details_of, table_of, title_of
from fencepost.cli.alerts_options import OPEN, Filter
from fencepost.cli.options import wall_clock
from fencepost.cli.output import Lines, console, labelled, plural, printable, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.cli.signals import stop_on_signals
from fencepost.client.access import Access
from fencepost.client.management import Api
from fencepost.client.management_alerts import Alerts, AlertWish
from fencepost.client.management_shapes import AlertWithHistory, Choice
from fencepost.client.requests import Requests
from fencepost.model.alert import Alert
from fencepost.model.alert_view import view_of
from fencepost.model.catalog import CATALOG
from fencepost.model.page import AlertSort
from fencepost.model.record import AlertChange

MOST_ROWS = 50
OWN_LINES = frozenset({"device", "state", "alert id"})
"""Labels of an alert's details that `show` says in its own way."""


def print_list(
    stated: Stated, wanted: Filter, sort: AlertSort, limit: int | None, *, all_of_them: bool, json: bool
) -> None:
    """Print alerts as a table, or as JSON lines; raises OperatorError."""
    access, wish = target_of(stated).access, wanted.wish(wall_clock())
    if json:
        talk(access, lambda requests: _write(Alerts(Api(requests)), wish, sort, limit))
        return
    most = None if all_of_them else limit or MOST_ROWS
    asked = None if most is None else most + 1
    found = talk(access, lambda requests: _collect(Alerts(Api(requests)), wish, sort, asked))
    shown = found if most is None else found[:most]
    if shown:
        out = console()
        out.print(table_of(shown, out.width, ids=True))
    more = " and more: --limit or --all shows them" if len(found) > len(shown) else ""
    say(plural(len(shown), "alert") + more)


async def _write(alerts: Alerts, wish: AlertWish, sort: AlertSort, limit: int | None) -> None:
    lines = Lines()
    async for alert in alerts.find(wish, sort=sort, limit=limit):
        lines.write(view_of(alert))
    lines.flush()


async def _collect(alerts: Alerts, wish: AlertWish, sort: AlertSort, limit: int | None) -> list[Alert]:
    return [alert async for alert in alerts.find(wish, sort=sort, limit=limit)]


# one alert


def show(stated: Stated, named: str, *, json: bool) -> None:
    """Print everything of an alert, and the commands that may come next; raises OperatorError."""
    found, choices = talk(
        target_of(stated).access, lambda requests: _whole(Alerts(Api(requests)), named, with_choices=not json)
    )
    if json:
        write_lines([{"alert": view_of(found.alert), "history": found.history}])
        return
    width = console().width
    for label, text in lines_of(found):
        say(labelled(label, text, width))
    for line in next_of(found, choices):
        say(line)


async def _whole(
    alerts: Alerts, named: str, *, with_choices: bool
) -> tuple[AlertWithHistory, tuple[Choice, ...]]:
    [alert_id] = await alerts.whole_ids([named])
    found = await alerts.get(alert_id)
    if not with_choices or not _is_of_a_list(found.alert) or found.alert.state not in OPEN:
        return found, ()
    return found, await alerts.choices(alert_id)


def lines_of(found: AlertWithHistory) -> Iterator[tuple[str, str]]:
    """Yield an alert for people, each thing with its label."""
    alert = found.alert
    yield "alert", alert.alert_id
    yield "state", f"{alert.state}, {alert.severity}" + (f": {alert.reason}" if alert.reason else "")
    value = f": {alert.value}" if alert.value is not None else ""
    yield "what", f"{title_of(alert)}{value}, {count_of(alert)}"
    yield "device", f"{alert.device_id}, of the group {alert.group} (version {alert.group_version})"
    yield (
        "seen",
        f"first {_time(alert.started_at)}, last {_time(alert.last_seen_at)} UTC by the device's clock",
    )
    yield "received", f"{_time(alert.received_at)} UTC"
    if alert.ended_at is not None:
        yield "ended", f"{_time(alert.ended_at)} UTC"
    if alert.assigned_to:
        yield "assigned to", alert.assigned_to
    if alert.flags:
        yield "flags", ", ".join(flag.replace("_", " ") for flag in alert.flags)
    if alert.previous_id is not None:
        yield "before it", alert.previous_id
    own = {alert.device_id, *(f"  {label}" for label in OWN_LINES)}
    yield from ((label.strip(), text) for label, text in details_of(alert) if label not in own)
    for number, change in enumerate(found.history):
        yield "" if number else "history", step_of(change)


def step_of(change: AlertChange) -> str:
    """Return a step in the life of an alert as a line."""
    moved = f"{change.before} -> {change.after}" if change.before not in (None, change.after) else ""
    opened = change.after if change.before is None else ""
    told = [moved or opened, change.reason or "", change.comment or ""]
    return f"{_time(change.at)}  {change.actor}  {change.action}: " + "; ".join(text for text in told if text)


def next_of(found: AlertWithHistory, choices: Sequence[Choice]) -> Iterator[str]:
    """Yield the commands that may come next, each ready to be copied."""
    alert = found.alert
    if choices:
        yield "\nEntries that would allow it:"
        yield from _choice_lines(choices)
    yield "\nNext:"
    if alert.state in OPEN:
        if choices:
            terms = f"--scope group --form {choices[0].form} --for 30d --reason 'why it is in order'"
            yield f"  fencepost alerts allow {alert.alert_id} {terms} --preview"
        yield f"  fencepost alerts assign {alert.alert_id} --to NAME"
        yield f"  fencepost alerts resolve {alert.alert_id} --comment 'what was done'"
        yield f"  fencepost alerts dismiss {alert.alert_id} --comment 'why it is known'"
    else:
        if any(change.action == "allow" for change in found.history):
            yield f"  fencepost alerts undo {alert.alert_id}"
        yield f"  fencepost alerts activate {alert.alert_id} --comment 'why it is not over'"
    yield f"  fencepost alerts list --device {printable(quote(alert.device_id))} --since 7d"


def _choice_lines(choices: Sequence[Choice]) -> Iterator[str]:
    """Yield the option for each entry, which is its form unless a narrower one has the same, and what it covers."""
    options: dict[str, str] = {}
    for one in choices:
        options.setdefault(f"--form {one.form}", one.covers)
        if options[f"--form {one.form}"] != one.covers:
            options[f"--entry {quote(one.entry)}"] = one.covers
    width = max(len(printable(option)) for option in options)
    yield from (f"  {printable(option):<{width}}  {printable(covers)}" for option, covers in options.items())


def _is_of_a_list(alert: Alert) -> bool:
    row = CATALOG.get(alert.rule_type)
    return row is not None and row.family in ("allowlist", "denylist")


def _time(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


# as they come


def watch(stated: Stated, wanted: Filter, *, json: bool) -> None:
    """Print alerts as they are opened and change, until Ctrl-C; raises OperatorError."""
    access, wish = target_of(stated).access, wanted.wish(wall_clock())
    uvloop.run(_watch(access, wish, json=json))


async def _watch(access: Access, wish: AlertWish, *, json: bool) -> None:
    with stop_on_signals() as stop:
        async with Requests(access, connections=CONNECTIONS) as requests:
            told = asyncio.create_task(_tell(requests, wish, json=json))
            ended = asyncio.create_task(stop.wait())
            await asyncio.wait({told, ended}, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            if not told.done():
                told.cancel()
            with suppress(asyncio.CancelledError):
                await told


async def _tell(requests: Requests, wish: AlertWish, *, json: bool) -> None:
    await requests.until_ready(STARTING)
    alerts, out, heard = Alerts(Api(requests)), console(), 0

    def on_open() -> None:
        nonlocal heard
        heard += 1
        word = "watching" if heard == 1 else "connected again to"
        say(f"{word} {requests.url}; Ctrl-C ends it", error=True)

    async for alert in alerts.follow(on_open, group=wish.group, severities=wish.severities):
        if not is_wanted(alert, wish):
            continue
        if json:
            write_lines([view_of(alert)])
        else:
            out.print(line_of(alert), soft_wrap=True)


def is_wanted(alert: Alert, wish: AlertWish) -> bool:
    """Return whether an alert is one of those that are asked for."""
    text = (wish.text or "").casefold()
    return (
        (not wish.states or alert.state in wish.states)
        and (not wish.severities or alert.severity in wish.severities)
        and wish.device_id in (None, alert.device_id)
        and wish.rule_type in (None, alert.rule_type)
        and (wish.group is None or wish.group.casefold() == alert.group.casefold())
        and (not text or text in (alert.value or "").casefold() or text in alert.device_id.casefold())
    )


def line_of(alert: Alert) -> Text:
    """Return an alert as a line: when, how it stands, what, where."""
    value = f": {alert.value}" if alert.value is not None else ""
    said = f"{title_of(alert)}{value}, {count_of(alert)}"
    return Text.assemble(
        (f"{_time(alert.last_seen_at)}  ", "dim"),
        (f"{alert.alert_id[:SHORT_ID]}  ", "dim"),
        (f"{alert.severity:<13} ", colour_of(alert.severity)),
        f"{alert.state:<10}  ",
        (f"{printable(alert.device_id)}  ", "bold"),
        printable(said),
    )
