"""`fencepost tokens`: what programs use a running service with."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from msgspec import to_builtins
from rich.table import Table
from rich.text import Text

from fencepost.cli.access import talk, target_of
from fencepost.cli.asking import YesOption, ask
from fencepost.cli.grants import GrantOption, grants_of, shown_grants
from fencepost.cli.moments import until_of
from fencepost.cli.options import JsonOption, wall_clock
from fencepost.cli.output import UTC_TIMES, bare_table, console, labelled, plural, printable, say, write_lines
from fencepost.cli.service_options import CaOption, ServiceDataOption, Stated, TokenOption, UrlOption
from fencepost.client.management import Api
from fencepost.client.management_access import Tokens, TokenShape
from fencepost.model.errors import OperatorError, Problem

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of the token, as `list` shows it.")]


def register(root: typer.Typer) -> None:
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Make and end the tokens that programs use a running service with.",
    )
    app.command("list", short_help="List the tokens.")(list_tokens)
    app.command(short_help="Make a token.")(create)
    app.command(short_help="Show a token.")(show)
    app.command(short_help="End tokens at once.")(revoke)
    root.add_typer(app, name="tokens", epilog="Example: fencepost tokens create nightly --grant viewer")


def list_tokens(
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    List the tokens: your own, and for an administrator of everything all.

    \b
    Example:
      fencepost tokens list
    """
    found = talk(target_of(Stated(url, token, ca, data)).access, lambda requests: Tokens(Api(requests)).all())
    if json:
        write_lines(map(report_of, found))
        return
    if found:
        console().print(table_of(found))
    say(plural(len(found), "token"))


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for; people read it.")],
    grant: GrantOption = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="TIME", help="When it ends: 90d, or 2027-01-31; never without it."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the token and nothing else.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Make a token for a program, and print it this once.

    It may do what its grants say, and never more than whoever made it.

    \b
    Examples:
      fencepost tokens create nightly --grant viewer --expires 90d
      FENCEPOST_TOKEN=$(fencepost tokens create floor-2 --grant analyst:floor-2 --quiet)
    """
    if not grant:
        raise OperatorError([Problem("--grant", "say what it may do, such as viewer or analyst:floor-2")])
    grants, until = grants_of(grant), until_of(expires, "--expires", wall_clock())
    made = talk(
        target_of(Stated(url, token, ca, data)).access,
        lambda requests: Tokens(Api(requests)).create(name, grants, until),
    )
    if json:
        write_lines([report_of(made)])
    elif quiet:
        say(made.token or "")
    else:
        ends = f"until {_time(made.expires_at)} UTC" if made.expires_at is not None else "without an end"
        say(
            printable(
                f"{made.name} has the roles {shown_grants(made.grants)}, {ends}. Its id is {made.token_id}."
            )
        )
        say(f"Keep it secret; it is shown this once:\n  {made.token}")


def show(
    token_id: Id,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Show a token: what it may do, until when, and when it was used last.

    \b
    Example:
      fencepost tokens show 3f9a2c41d07be586
    """
    found = talk(
        target_of(Stated(url, token, ca, data)).access, lambda requests: Tokens(Api(requests)).get(token_id)
    )
    if json:
        write_lines([report_of(found)])
        return
    width = console().width
    for label, text in lines_of(found):
        say(labelled(label, text, width))


def revoke(
    token_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of the tokens.")],
    yes: YesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    End tokens at once: programs that use them are let in no more.

    \b
    Example:
      fencepost tokens revoke 3f9a2c41d07be586 --yes
    """
    access = target_of(Stated(url, token, ca, data)).access

    async def find(tokens: Tokens) -> list[TokenShape]:
        return [await tokens.get(token_id) for token_id in dict.fromkeys(token_ids)]

    async def end(tokens: Tokens) -> None:
        for one in found:
            await tokens.revoke(one.token_id)
            if json:
                write_lines([{"token_id": one.token_id, "revoked": True}])
            else:
                say(printable(f"{one.token_id} ({one.name}) is revoked"))

    found = talk(access, lambda requests: find(Tokens(Api(requests))))
    names = ", ".join(printable(one.name) for one in found)
    ask(f"Revoke {names}? It cannot be undone.", is_sure=yes, otherwise="say --yes to revoke")
    talk(access, lambda requests: end(Tokens(Api(requests))))


def report_of(one: TokenShape) -> dict[str, Any]:
    """Return a token for programs; its secret only where it has just been made."""
    shown: dict[str, Any] = to_builtins(one)
    return shown if one.token is not None else {key: value for key, value in shown.items() if key != "token"}


def table_of(found: Sequence[TokenShape]) -> Table:
    """Return tokens as a table."""
    table = bare_table(UTC_TIMES)
    for name in ("Id", "Name", "State", "Roles", "Whose", "Ends", "Last used"):
        table.add_column(name, overflow="fold", no_wrap=name == "Id")
    for one in found:
        table.add_row(
            Text(printable(one.token_id), "bold"),
            Text(printable(one.name)),
            Text(one.state, "" if one.state == "active" else "dim"),
            Text(printable(shown_grants(one.grants))),
            Text(printable(one.user or "")),
            Text(_time(one.expires_at)),
            Text(_time(one.used_at)),
        )
    return table


def lines_of(one: TokenShape) -> Iterator[tuple[str, str]]:
    """Yield a token for people, each thing with its label."""
    yield "token", f"{one.token_id}, {one.name}"
    yield "state", one.state
    yield "roles", shown_grants(one.grants)
    if one.user is not None:
        yield "whose", one.user
    yield "made", f"{_time(one.created_at)} UTC by {one.created_by}"
    yield "ends", _time(one.expires_at)
    yield "last used", _time(one.used_at)
    if one.revoked_at is not None:
        yield "revoked", f"{_time(one.revoked_at)} UTC"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else "never"
