"""What people do to alerts by hand, one or many: resolve, dismiss, start, activate, assign, comment."""

from collections.abc import Sequence

from msgspec import Struct

from fencepost.cli.access import talk, target_of
from fencepost.cli.alerts import SHORT_ID, table_of
from fencepost.cli.alerts_options import OPEN, Filter
from fencepost.cli.asking import ask
from fencepost.cli.options import wall_clock
from fencepost.cli.output import console, plural, printable, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.management import Api
from fencepost.client.management_alerts import Alerts, AlertWish
from fencepost.client.management_shapes import ActResult
from fencepost.model.alert import Alert, State
from fencepost.model.errors import OperatorError, Problem

SHOWN = 10
"""Alerts that are shown before it is asked whether they shall be moved."""
USUAL: dict[str, tuple[State, ...]] = {"start": ("Active",), "resolve": OPEN, "dismiss": OPEN, "activate": ()}
"""In which states alerts are that a filter finds to be moved, where it names none."""


class Move(Struct, frozen=True, kw_only=True):
    """An action, of these alerts or of those that a filter finds, and why."""

    action: str
    ids: tuple[str, ...]
    wanted: Filter
    comment: str | None


def move(stated: Stated, asked: Move, *, is_sure: bool, json: bool) -> bool:
    """Move alerts, those of a filter after asking; returns whether all were. Raises OperatorError."""
    access = target_of(stated).access
    _check(asked)
    if asked.ids:
        ids = talk(access, lambda requests: Alerts(Api(requests)).whole_ids(asked.ids))
    else:
        wish = asked.wanted.wish(wall_clock(), USUAL[asked.action])
        found = talk(access, lambda requests: _found(Alerts(Api(requests)), wish))
        if not found:
            say("no alert fits: nothing is done", error=True)
            return True
        _show(found, json=json)
        ask(
            f"{asked.action.capitalize()} {plural(len(found), 'alert')} of {access.url}?",
            is_sure=is_sure,
            otherwise=f"say --yes to {asked.action} {plural(len(found), 'alert')}",
        )
        ids = [alert.alert_id for alert in found]
    return talk(access, lambda requests: _move(Alerts(Api(requests)), ids, asked, json=json))


def _check(asked: Move) -> None:
    if asked.ids and (not asked.wanted.is_empty or asked.wanted.states):
        raise OperatorError([Problem("", "name alerts by their ids or by a filter, not by both")])
    if not asked.ids and asked.wanted.is_empty:
        reason = f"which alerts? Name their ids, or a filter such as --group NAME; `fencepost alerts {asked.action} --help`"
        raise OperatorError([Problem("", reason)])
    if not asked.ids and not asked.wanted.states and not USUAL[asked.action]:
        raise OperatorError(
            [Problem("--state", f"say which alerts to {asked.action}: Resolved or Dismissed")]
        )


async def _found(alerts: Alerts, wish: AlertWish) -> list[Alert]:
    return [alert async for alert in alerts.find(wish)]


def _show(found: Sequence[Alert], *, json: bool) -> None:
    if json:
        return
    out = console(error=True)
    out.print(table_of(found[:SHOWN], out.width, ids=True))
    if len(found) > SHOWN:
        say(f"and {len(found) - SHOWN:,} more", error=True)


async def _move(alerts: Alerts, ids: Sequence[str], asked: Move, *, json: bool) -> bool:
    refused = 0
    async for result in alerts.act(ids, asked.action, asked.comment):
        refused += result.state is None
        if json:
            write_lines([result])
        else:
            _say(result)
    return not refused


def _say(result: ActResult) -> None:
    short = result.alert_id[:SHORT_ID]
    if result.state is not None:
        say(printable(f"{short}  {result.state}"))
    else:
        say(printable(f"{short}  not moved: {result.reason}"), error=True)


def assign(stated: Stated, named: Sequence[str], to: str | None, *, json: bool) -> None:
    """Say who works on alerts, or that nobody does; raises OperatorError."""

    async def work(alerts: Alerts) -> None:
        for alert_id in await alerts.whole_ids(named):
            await alerts.assign(alert_id, to)
            _tell(alert_id, "assigned_to", to, f"is {to}'s" if to else "is nobody's", json=json)

    talk(target_of(stated).access, lambda requests: work(Alerts(Api(requests))))


def comment(stated: Stated, named: Sequence[str], text: str, *, json: bool) -> None:
    """Write something into the history of alerts; raises OperatorError."""

    async def work(alerts: Alerts) -> None:
        for alert_id in await alerts.whole_ids(named):
            await alerts.comment(alert_id, text)
            _tell(alert_id, "comment", text, "has the comment", json=json)

    talk(target_of(stated).access, lambda requests: work(Alerts(Api(requests))))


def _tell(alert_id: str, key: str, value: str | None, text: str, *, json: bool) -> None:
    if json:
        write_lines([{"alert_id": alert_id, key: value}])
    else:
        say(printable(f"{alert_id[:SHORT_ID]}  {text}"))
