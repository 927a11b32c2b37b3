"""`fencepost groups`: what is expected of the devices of a running service."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fencepost.cli.asking import YesOption
from fencepost.cli.options import JsonOption
from fencepost.cli.service_options import CaOption, ServiceDataOption, Stated, TokenOption, UrlOption

DIFFERENT = 1
"""The exit code of `diff` where files and service differ."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the group, without case.")]
Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="Groups files; - is the standard input."),
]
PruneOption = Annotated[
    bool, typer.Option("--prune", help="Delete the groups that no file names; never `default`.")
]


class Format(StrEnum):
    """What groups can be written as."""

    yaml = "yaml"
    arm = "arm"
    terraform = "terraform"


def register(root: typer.Typer) -> None:
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Say what is expected of the devices of a running service.",
    )
    app.command("list", short_help="List the groups.")(list_groups)
    app.command(short_help="Show a group with its rules.")(show)
    app.command(short_help="Say what groups files would change.")(diff)
    app.command(short_help="Put groups files in force.")(apply)
    app.command(short_help="Take groups away.")(delete)
    app.command(short_help="Write the groups as a file.")(export)
    root.add_typer(app, name="groups", epilog="Example: fencepost groups apply groups.yaml")


def list_groups(
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    List the groups in the order in which they were made.

    \b
    Example:
      fencepost groups list
    """
    from fencepost.cli import groups_views

    groups_views.print_list(Stated(url, token, ca, data), json=json)


def show(
    name: Name,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Show a group: its members, its rules, and of each entry until when it counts, who put it there and why.

    \b
    Example:
      fencepost groups show cameras
    """
    from fencepost.cli import groups_views

    groups_views.show(Stated(url, token, ca, data), name, json=json)


def diff(
    files: Files,
    prune: PruneOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Say what groups files would change, rule by rule and entry by entry. Exits with 1 if there is anything.

    \b
    Example:
      fencepost groups diff groups.yaml
    """
    from fencepost.cli.groups_apply import run_diff

    if not run_diff(Stated(url, token, ca, data), files, prune=prune, json=json):
        raise typer.Exit(DIFFERENT)


def apply(
    files: Files,
    prune: PruneOption = False,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Put groups files in force: shows what changes, asks, and does it.

    A group stands then as its file says, whole; groups that no file names stay as they are, unless --prune is
    given. What somebody else has changed meanwhile is not overwritten. If the service refuses something, what
    was done until then stays, and is said.

    \b
    Examples:
      fencepost groups apply groups.yaml
      fencepost groups apply groups.yaml --yes
    """
    from fencepost.cli.groups_apply import run_apply

    stated = Stated(url, token, ca, data)
    run_apply(stated, files, prune=prune, is_sure=yes, dry_run=dry_run, json=json)


def delete(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="The names of the groups.")],
    yes: YesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Take groups away. Their devices go where their tags and ids say without them, in the end to `default`.

    \b
    Example:
      fencepost groups delete cameras --yes
    """
    from fencepost.cli import groups_views

    groups_views.delete(Stated(url, token, ca, data), names, is_sure=yes, json=json)


def export(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Only these groups; all without any.")
    ] = None,
    form: Annotated[
        Format,
        typer.Option("--format", help="yaml: a groups file. arm: an ARM template. terraform: HCL."),
    ] = Format.yaml,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The file to write; it must not be there.")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Write the groups as a groups file, or as what Azure's tools deploy. What a format cannot say is a warning.

    The groups file holds the additions for the fleet and for single devices as well, unless groups are named.

    \b
    Examples:
      fencepost groups export --output groups.yaml
      fencepost groups export cameras --format terraform
    """
    from fencepost.cli.groups_export import run_export

    run_export(Stated(url, token, ca, data), names or [], form.value, output, json=json)
