"""`fencepost alerts`: what is wrong with the devices of a running service, and what people do about it."""

from collections.abc import Callable
from typing import Annotated, get_args

import typer

from fencepost.cli import alerts_options as of
from fencepost.cli.asking import YesOption
from fencepost.cli.options import JsonOption
from fencepost.cli.service_options import CaOption, ServiceDataOption, Stated, TokenOption, UrlOption
from fencepost.model.layer import Scope
from fencepost.model.page import AlertSort

NOT_ALL = 1
"""The exit code where an alert could not be moved."""
SORTS: tuple[AlertSort, ...] = get_args(AlertSort)
SCOPES: tuple[Scope, ...] = get_args(Scope)
_MOVES = {
    "resolve": ("Say that alerts are over.", "A recurrence is a new alert."),
    "dismiss": (
        "Say that alerts are known.",
        "Recurrences count silently until it has been quiet for a day.",
    ),
    "start": ("Say that somebody works on alerts.", "They are InProgress then."),
    "activate": ("Say that alerts are not over.", "They are Active again."),
}


def register(root: typer.Typer) -> None:
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="See the alerts of a running service, and do something about them.",
    )
    app.command("list", short_help="List alerts.")(list_alerts)
    app.command(short_help="Show all of an alert, and what to do next.")(show)
    app.command(short_help="Print alerts as they come.")(watch)
    app.command(short_help="Allow what alerted.")(allow)
    app.command(short_help="Take back what was allowed.")(undo)
    for action, (help_text, _) in _MOVES.items():
        app.command(action, short_help=help_text)(_moving(action))
    app.command(short_help="Say who works on alerts.")(assign)
    app.command(short_help="Write into the history of alerts.")(comment)
    root.add_typer(app, name="alerts", epilog="Example: fencepost alerts list --group cameras --since 7d")


def list_alerts(
    group: of.GroupOption = None,
    device: of.DeviceOption = None,
    rule: of.RuleOption = None,
    severity: of.SeverityOption = None,
    state: of.StateOption = None,
    since: of.SinceOption = None,
    until: of.UntilOption = None,
    text: of.TextOption = None,
    assigned_to: of.AssignedOption = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            metavar="ORDER",
            help="started_at, last_seen_at or severity; with - before it the latest or most severe first.",
        ),
    ] = "-started_at",
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="At most so many; 50 by default, with --json all."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that fit, however many.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    List alerts, the latest first. Each begins with what names it in the other commands.

    \b
    Examples:
      fencepost alerts list --state Active --severity High
      fencepost alerts list --group cameras --since 7d --sort=-last_seen_at
    """
    from fencepost.cli import alerts_views

    wanted = _filter(group, device, rule, severity, state, since, until, text, assigned_to)
    order = of.one_of(sort, SORTS, "--sort")
    alerts_views.print_list(
        Stated(url, token, ca, data), wanted, order, limit, all_of_them=everything, json=json
    )


def _filter(
    group: str | None,
    device: str | None,
    rule: str | None,
    severity: list[str] | None,
    state: list[str] | None,
    since: str | None,
    until: str | None,
    text: str | None,
    assigned_to: str | None,
) -> of.Filter:
    return of.Filter(
        group=group,
        device=device,
        rule=rule,
        severities=tuple(severity or ()),
        states=tuple(state or ()),
        since=since,
        until=until,
        text=text,
        assigned_to=assigned_to,
    )


def show(
    alert_id: of.Id,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Show all of an alert: what happened, the evidence, what to do, its history, and the commands that come next.

    \b
    Example:
      fencepost alerts show 55bdff3d
    """
    from fencepost.cli import alerts_views

    alerts_views.show(Stated(url, token, ca, data), alert_id, json=json)


def watch(
    group: of.GroupOption = None,
    device: of.DeviceOption = None,
    rule: of.RuleOption = None,
    severity: of.SeverityOption = None,
    state: of.StateOption = None,
    text: of.TextOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Print alerts as they are opened and change, until Ctrl-C.

    After a broken connection it goes on behind the last alert, so that none is missed.

    \b
    Example:
      fencepost alerts watch --severity High
    """
    from fencepost.cli import alerts_views

    wanted = _filter(group, device, rule, severity, state, None, None, text, None)
    alerts_views.watch(Stated(url, token, ca, data), wanted, json=json)


def _moving(action: str) -> Callable[..., None]:
    """Return the command of an action that people take by hand."""

    def command(
        alert_ids: of.Ids = None,
        comment: Annotated[
            str | None, typer.Option("--comment", metavar="TEXT", help="Why; it stands in the history.")
        ] = None,
        yes: YesOption = False,
        group: of.GroupOption = None,
        device: of.DeviceOption = None,
        rule: of.RuleOption = None,
        severity: of.SeverityOption = None,
        state: of.StateOption = None,
        since: of.SinceOption = None,
        until: of.UntilOption = None,
        text: of.TextOption = None,
        assigned_to: of.AssignedOption = None,
        url: UrlOption = None,
        token: TokenOption = None,
        ca: CaOption = None,
        data: ServiceDataOption = None,
        json: JsonOption = False,
    ) -> None:
        from fencepost.cli.alerts_moves import Move, move

        wanted = _filter(group, device, rule, severity, state, since, until, text, assigned_to)
        asked = Move(action=action, ids=tuple(alert_ids or ()), wanted=wanted, comment=comment)
        if not move(Stated(url, token, ca, data), asked, is_sure=yes, json=json):
            raise typer.Exit(NOT_ALL)

    first, second = _MOVES[action]
    state = " --state Resolved" if action == "activate" else ""
    command.__doc__ = f"""
    {first} {second}

    Names them by their ids, or by a filter: then says how many there are, and asks. Exits with 1 if one of
    them could not be moved.

    \b
    Examples:
      fencepost alerts {action} 55bdff3d --comment "see ticket 1207"
      fencepost alerts {action} --group cameras --rule ProcessNotAllowed{state}
    """
    return command


def assign(
    alert_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of the alerts.")],
    to: Annotated[str | None, typer.Option("--to", metavar="NAME", help="Who works on them.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Nobody works on them any longer.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Say who works on alerts, or with --nobody that nobody does.

    \b
    Example:
      fencepost alerts assign 55bdff3d --to anna
    """
    from fencepost.cli import alerts_moves

    if bool(to) == nobody:
        raise typer.BadParameter("say --to NAME or --nobody")
    alerts_moves.assign(Stated(url, token, ca, data), alert_ids, to, json=json)


def comment(
    alert_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of the alerts.")],
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="What is to stand in the history.")],
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Write something into the history of alerts, and change nothing else.

    \b
    Example:
      fencepost alerts comment 55bdff3d --text "asked the vendor"
    """
    from fencepost.cli import alerts_moves

    alerts_moves.comment(Stated(url, token, ca, data), alert_ids, text, json=json)


def allow(
    alert_id: of.Id,
    scope: Annotated[
        str, typer.Option("--scope", metavar="SCOPE", help="For whom: device, group, or fleet.")
    ],
    entry: Annotated[
        str | None, typer.Option("--entry", metavar="ENTRY", help="The entry; the exact value without it.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--form", metavar="FORM", help="A wider or narrower entry that `alerts show` names."),
    ] = None,
    span: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="How long: 30d, 12h; for good without it.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Until when: 2026-12-24.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; it stands beside the entry.")
    ] = None,
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=1, max=90, help="How far the preview looks back.")
    ] = 7,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would change.")] = False,
    yes: YesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Allow what alerted: puts an entry on the list, after it has shown what that changes, and asked.

    Alerts that the entry covers resolve. An entry of a deny-list is taken off it instead.

    \b
    Examples:
      fencepost alerts allow 55bdff3d --scope group --for 30d --reason "the vendor's update"
      fencepost alerts allow 55bdff3d --scope device --form network --preview
    """
    from fencepost.cli import alerts_mending

    wish = alerts_mending.Wish(
        scope=of.one_of(scope, SCOPES, "--scope"),
        entry=entry,
        form=form,
        span=span,
        until=until,
        reason=reason,
    )
    alerts_mending.allow(
        Stated(url, token, ca, data), alert_id, wish, days, preview_only=preview, is_sure=yes, json=json
    )


def undo(
    alert_id: of.Id,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Take back what was allowed from an alert, and open the alerts again that it resolved.

    \b
    Example:
      fencepost alerts undo 55bdff3d
    """
    from fencepost.cli import alerts_mending

    alerts_mending.undo(Stated(url, token, ca, data), alert_id, json=json)
