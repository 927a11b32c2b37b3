"""`fencepost audit`: who changed what in a running service."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from fencepost.cli.access import talk, target_of
from fencepost.cli.moments import since_of
from fencepost.cli.options import JsonOption, wall_clock
from fencepost.cli.output import UTC_TIMES, Lines, bare_table, console, plural, printable, say
from fencepost.cli.service_options import CaOption, ServiceDataOption, Stated, TokenOption, UrlOption
from fencepost.client.access import Access
from fencepost.client.management import Api
from fencepost.client.management_groups import Expectations
from fencepost.client.requests import Requests
from fencepost.model.record import AuditRecord

MOST_ROWS = 50


def register(root: typer.Typer) -> None:
    root.command(short_help="Say who changed what in a running service.")(audit)


def audit(
    actor: Annotated[
        str | None,
        typer.Option("--actor", metavar="WHO", help="Only what they did: user/anna, token/nightly."),
    ] = None,
    action: Annotated[
        str | None, typer.Option("--action", metavar="WORD", help="Only this action: put, delete, resolve.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="WHAT", help="Only of this: group/cameras, alert/ID.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only since then: 7d, 12h, or 2026-11-24.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Only before then: 7d (ago), or 2026-11-24.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="At most so many; 50 by default, with --json all."),
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Say who changed what, the latest first. With --json also how it was before and after.

    \b
    Examples:
      fencepost audit --since 7d
      fencepost audit --actor user/anna --subject group/cameras --json
    """
    now = wall_clock()
    times = {"since": since_of(since, "--since", now), "until": since_of(until, "--until", now)}
    wanted: dict[str, Any] = {
        "actor": actor,
        "action": action,
        "subject": subject,
        **{name: moment.isoformat() for name, moment in times.items() if moment is not None},
    }
    access = target_of(Stated(url, token, ca, data)).access
    if json:
        _write(access, wanted, limit)
        return
    most = limit or MOST_ROWS
    found = _found(access, wanted, most + 1)
    if found:
        console().print(table_of(found[:most]))
    more = " and more: --limit shows them" if len(found) > most else ""
    say(plural(min(len(found), most), "change") + more)


def _write(access: Access, wanted: dict[str, Any], limit: int | None) -> None:
    async def work(requests: Requests) -> None:
        lines = Lines()
        async for record in Expectations(Api(requests)).audit(limit=limit, **wanted):
            lines.write(record)
        lines.flush()

    talk(access, work)


def _found(access: Access, wanted: dict[str, Any], limit: int) -> list[AuditRecord]:
    async def work(requests: Requests) -> list[AuditRecord]:
        return [one async for one in Expectations(Api(requests)).audit(limit=limit, **wanted)]

    return talk(access, work)


def table_of(found: Sequence[AuditRecord]) -> Table:
    """Return changes as a table."""
    table = bare_table(UTC_TIMES)
    for name in ("When", "Who", "Action", "What", "Effect"):
        table.add_column(name, overflow="fold")
    for one in found:
        table.add_row(
            Text(f"{one.at:%Y-%m-%d %H:%M:%S}", "dim"),
            Text(printable(one.actor)),
            Text(printable(one.action)),
            Text(printable(one.subject), "bold"),
            Text(printable(one.effect)),
        )
    return table
