"""`fencepost users`: who may sign in to a running service, and what they may do."""

from pathlib import Path
from typing import Annotated

import typer

from fencepost.cli.asking import YesOption
from fencepost.cli.grants import GrantOption, grants_of
from fencepost.cli.options import JsonOption
from fencepost.cli.service_options import CaOption, ServiceDataOption, Stated, TokenOption, UrlOption

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the user, without case.")]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="The names of the users.")]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="A file whose first line is the password; - is the standard input. Without it you are asked.",
    ),
]


def register(root: typer.Typer) -> None:
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Say who may sign in to a running service, and what they may do.",
    )
    app.command("list", short_help="List the users.")(list_users)
    app.command(short_help="Make a user.")(add)
    app.command(short_help="Show a user.")(show)
    app.command(short_help="Give a user roles, or take some away.")(grant)
    app.command(short_help="Let users sign in no more.")(disable)
    app.command(short_help="Let users sign in again.")(enable)
    app.command(short_help="Take users away.")(delete)
    app.command(short_help="Give a user another password.")(password)
    root.add_typer(app, name="users", epilog="Example: fencepost users add anna --grant analyst:floor-2")


def list_users(
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    List the users with their roles.

    \b
    Example:
      fencepost users list
    """
    from fencepost.cli import users_work

    users_work.print_list(Stated(url, token, ca, data), json=json)


def add(
    name: Name,
    grant: GrantOption = None,
    password_file: PasswordFileOption = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They come by OpenID Connect only.")
    ] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Make a user. The password is asked for on the terminal, or read from a file: never on the command line.

    \b
    Examples:
      fencepost users add anna --grant viewer --grant analyst:floor-2
      fencepost users add robin --grant administrator --password-file - < password.txt
    """
    from fencepost.cli import users_work

    stated, grants = Stated(url, token, ca, data), grants_of(grant or [])
    users_work.add(stated, name, grants, password_file, has_password=not no_password, json=json)


def show(
    name: Name,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Show a user: their roles, and when they signed in last.

    \b
    Example:
      fencepost users show anna
    """
    from fencepost.cli import users_work

    users_work.show(Stated(url, token, ca, data), name, json=json)


def grant(
    name: Name,
    grant: GrantOption = None,
    revoke: Annotated[
        list[str] | None,
        typer.Option(
            "--revoke", metavar="ROLE[:GROUP]", help="A grant to take away; may stand several times."
        ),
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Give a user roles, or take some away; the others stay.

    \b
    Example:
      fencepost users grant anna --grant analyst:floor-3 --revoke analyst:floor-2
    """
    from fencepost.cli import users_work

    given, taken = grants_of(grant or []), grants_of(revoke or [], "--revoke")
    users_work.grant(Stated(url, token, ca, data), name, given, taken, json=json)


def disable(
    names: Names,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Let users sign in no more; those who are signed in are out at once. They and their roles stay.

    \b
    Example:
      fencepost users disable anna
    """
    from fencepost.cli import users_work

    users_work.set_disabled(Stated(url, token, ca, data), names, disabled=True, json=json)


def enable(
    names: Names,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Let users sign in again that were disabled.

    \b
    Example:
      fencepost users enable anna
    """
    from fencepost.cli import users_work

    users_work.set_disabled(Stated(url, token, ca, data), names, disabled=False, json=json)


def delete(
    names: Names,
    yes: YesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Take users away. What they did stays in the audit log.

    \b
    Example:
      fencepost users delete anna --yes
    """
    from fencepost.cli import users_work

    users_work.delete(Stated(url, token, ca, data), names, is_sure=yes, json=json)


def password(
    name: Name,
    password_file: PasswordFileOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Give a user another password. It is asked for on the terminal, or read from a file.

    \b
    Example:
      fencepost users password anna
    """
    from fencepost.cli import users_work

    users_work.set_password(Stated(url, token, ca, data), name, password_file, json=json)
