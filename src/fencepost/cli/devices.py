"""`fencepost devices`: the identity registry of a running service."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer
from msgspec import structs

from fencepost.cli import device_credentials, device_transfer
from fencepost.cli.access import (
    CaOption,
    ServiceDataOption,
    Target,
    TokenOption,
    UrlOption,
    talk,
    talk_to_hub,
    target_of,
)
from fencepost.cli.device_credentials import HostnameOption, keys_from
from fencepost.cli.device_views import Row, connection_string, lines_of, report_of, rows, table_of, whole
from fencepost.cli.options import JsonOption
from fencepost.cli.output import Lines, console, labelled, plural, printable, say, write_lines
from fencepost.client.hub import PATIENCE, Hub, missing
from fencepost.client.hub_shapes import HubAuthentication, HubIdentity
from fencepost.client.requests import Requests
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.identity import DEVICE_TAG, SECURITY_MODULE, Authentication, IdentityKey
from fencepost.service.registry.drafts import Draft, problems_of_draft

MOST_ROWS = 1000
MOST_THUMBPRINTS = 2
_OPTIONS = {
    "deviceId": "ID",
    "authentication.symmetricKey.primaryKey": "--keys-from",
    "authentication.symmetricKey.secondaryKey": "--keys-from",
    "authentication.x509Thumbprint.primaryThumbprint": "--x509-thumbprint",
    "authentication.x509Thumbprint.secondaryThumbprint": "--x509-thumbprint",
}

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of the device.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of the devices.")]


def register(root: typer.Typer) -> None:
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Say which devices may connect to a running service, and with which keys.",
    )
    app.command(short_help="Register a device.")(add)
    app.command("list", short_help="List the devices.")(list_devices)
    app.command(short_help="Show a device with its modules.")(show)
    app.command(short_help="Let devices connect again.")(enable)
    app.command(short_help="Let devices connect no more.")(disable)
    app.command(short_help="Take devices away.")(delete)
    app.command("rotate-key", short_help="Make one of a device's two keys anew.")(
        device_credentials.rotate_key
    )
    app.command("connection-string", short_help="Print what a device connects with.")(
        device_credentials.print_connection_string
    )
    app.command("import", short_help="Register the devices of a file.")(device_transfer.import_devices)
    app.command("export", short_help="Print all devices with their keys.")(device_transfer.export_devices)
    root.add_typer(app, name="devices", epilog="Example: fencepost devices add cam-0001 --group cameras")


# add


def add(
    device_id: Id,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Its group: the twin tag SecurityGroup.")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys-from",
            metavar="FILE",
            help="A file with its keys in base64, the primary one in the first line, the secondary one in "
            "the second; - is the standard input. Without it new keys are made.",
        ),
    ] = None,
    thumbprints: Annotated[
        list[str] | None,
        typer.Option(
            "--x509-thumbprint",
            metavar="T",
            help="It signs in with a certificate of this thumbprint (SHA-1 or SHA-256); may stand twice.",
        ),
    ] = None,
    x509_ca: Annotated[
        bool,
        typer.Option("--x509-ca", help="It signs in with a certificate of an authority that is trusted."),
    ] = False,
    hostname: HostnameOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Register a device, and print what it connects with.

    Its module azureiotsecurity, as which Microsoft's agents sign in, is registered with it.

    \b
    Examples:
      fencepost devices add cam-0001 --group cameras
      fencepost devices add gw-0001 --x509-thumbprint 5D1C...E07A
    """
    wanted = _authentication(keys, thumbprints or [], x509_ca=x509_ca)
    _check(device_id, wanted)
    target = target_of(url, token, ca, data)
    draft = HubIdentity(device_id=device_id, authentication=HubAuthentication.of(wanted))
    made = talk(target, lambda requests: _add(requests, draft, group))
    said = connection_string(hostname or target.hostname, made)
    if json:
        write_lines([{"id": device_id, "group": group, "connection_string": said}])
        return
    say(f"{device_id} is registered. It connects with (keep it secret):\n  {said}")
    say(
        f"Its agent connects with:\n  fencepost devices connection-string {device_id} --module {SECURITY_MODULE}"
    )


def _authentication(keys: Path | None, thumbprints: list[str], *, x509_ca: bool) -> Authentication:
    if bool(keys) + bool(thumbprints) + x509_ca > 1:
        reason = "a device signs in with keys, with thumbprints or with an authority: name one of them"
        raise OperatorError([Problem("--keys-from, --x509-thumbprint, --x509-ca", reason)])
    if len(thumbprints) > MOST_THUMBPRINTS:
        raise OperatorError([Problem("--x509-thumbprint", "a device has two thumbprints at most")])
    if x509_ca:
        return Authentication(type="certificateAuthority")
    if thumbprints:
        first, second = [*(one.replace(":", "").upper() for one in thumbprints), None][:2]
        return Authentication(type="selfSigned", primary_thumbprint=first, secondary_thumbprint=second)
    return keys_from(keys) if keys is not None else Authentication()


def _check(device_id: str, wanted: Authentication) -> None:
    problems = problems_of_draft(Draft(key=IdentityKey(device_id), authentication=wanted))
    if problems:
        raise OperatorError(Problem(_OPTIONS.get(one.path, one.path), one.reason) for one in problems)


async def _add(requests: Requests, draft: HubIdentity, group: str | None) -> HubIdentity:
    hub = Hub(requests)
    if group is not None:
        answer = await requests.answered("GET", f"/v1/groups/{quote(group, safe='')}", PATIENCE, known={404})
        if answer.status == 404:  # noqa: PLR2004
            warning = f"warning: there is no group {group}: until there is one, the tag has no effect"
            say(printable(warning), error=True)
    made = await hub.create(draft)
    if group is not None:
        await hub.patch_twin(draft.key, {"tags": {DEVICE_TAG: group}})
    return made


# list and show


def list_devices(
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Only devices of this group.")
    ] = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only those enabled, or disabled.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=1, help="At most so many; 1000 by default, with --json all."
        ),
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    List the registered devices in the order of their ids, with their groups, and whether they are connected.

    \b
    Example:
      fencepost devices list --group cameras --status disabled
    """
    if status not in (None, "enabled", "disabled"):
        raise OperatorError([Problem("--status", f"{status!r} is neither enabled nor disabled")])
    target = target_of(url, token, ca, data)
    most = limit if json else (limit or MOST_ROWS)
    found = talk(target, lambda requests: _collect(requests, group, status, most, json=json))
    if json:
        return
    shown = found[:most]
    if shown:
        console().print(table_of(shown))
    say(plural(len(shown), "device") + (" and more: --limit shows them" if len(found) > len(shown) else ""))


async def _collect(
    requests: Requests, group: str | None, status: str | None, most: int | None, *, json: bool
) -> list[Row]:
    """Print rows as JSON as they come, or return them with one more than are wanted."""
    found: list[Row] = []
    lines = Lines()
    async for row in rows(requests, group, status, most if json or most is None else most + 1):
        if json:
            lines.write(row)
        else:
            found.append(row)
    lines.flush()
    return found


def show(
    device_id: Id,
    keys: Annotated[bool, typer.Option("--keys", help="Print its keys, and those of its modules.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Show a device: its group, its modules, how it signs in, what its twin says.

    \b
    Example:
      fencepost devices show cam-0001
    """
    found = talk(target_of(url, token, ca, data), lambda requests: whole(requests, device_id))
    if json:
        write_lines([report_of(found, keys=keys)])
        return
    width = console().width
    for label, text in lines_of(found, keys=keys):
        say(labelled(label, text, width))


# enable, disable, delete


def enable(
    device_ids: Ids,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Let devices connect again that were disabled.

    \b
    Example:
      fencepost devices enable cam-0001 cam-0002
    """
    _set_status(target_of(url, token, ca, data), device_ids, "enabled", None, json=json)


def disable(
    device_ids: Ids,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; `show` tells it.")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Let devices connect no more; those that are connected are cut off at once. They stay registered.

    \b
    Example:
      fencepost devices disable cam-0001 --reason "stolen on 24 November"
    """
    _set_status(target_of(url, token, ca, data), device_ids, "disabled", reason, json=json)


def _set_status(
    target: Target,
    device_ids: list[str],
    status: Literal["enabled", "disabled"],
    reason: str | None,
    *,
    json: bool,
) -> None:
    async def work(hub: Hub) -> None:
        for device_id in device_ids:
            known = await hub.identity(IdentityKey(device_id))
            await hub.update(structs.replace(known, status=status, status_reason=reason))
            _tell(device_id, {"status": status}, f"{device_id} is {status}", json=json)

    talk_to_hub(target, work)


def delete(
    device_ids: Ids,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Take devices away, with their modules, keys and twins. Their alerts stay.

    \b
    Example:
      fencepost devices delete cam-0001 --yes
    """
    target = target_of(url, token, ca, data)
    if not yes:
        if not sys.stdin.isatty():
            raise OperatorError([Problem("--yes", "it is missing: their keys are lost with the devices")])
        typer.confirm(f"Delete {plural(len(device_ids), 'device')} with their keys?", abort=True)

    async def work(hub: Hub) -> None:
        for device_id in device_ids:
            if not await hub.delete(IdentityKey(device_id)):
                raise missing(IdentityKey(device_id))
            _tell(device_id, {"deleted": True}, f"{device_id} is deleted", json=json)

    talk_to_hub(target, work)


def _tell(device_id: str, report: dict[str, Any], text: str, *, json: bool) -> None:
    """Say what has just been done to one of several devices."""
    if json:
        write_lines([{"id": device_id, **report}])
    else:
        say(printable(text))
