"""What `fencepost devices` does to single devices: add, list, show, enable, disable, delete."""

import sys
from pathlib import Path
from typing import Any, Literal

import typer
from msgspec import structs

from fencepost.cli.access import talk, talk_to_hub, target_of
from fencepost.cli.device_keys import SHARED_KEY, connection_string_of, keys_in
from fencepost.cli.device_views import Row, has_group, lines_of, report_of, rows, table_of, whole
from fencepost.cli.output import Lines, console, labelled, plural, printable, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.hub import Hub, missing
from fencepost.client.hub_shapes import HubAuthentication, HubIdentity, digits_of
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
"""Where people state what the registry has a path for."""


def authentication_of(keys: Path | None, thumbprints: list[str], *, x509_ca: bool) -> Authentication:
    """Return how a device shall sign in; without anything stated with new keys. Raises OperatorError."""
    if bool(keys) + bool(thumbprints) + x509_ca > 1:
        reason = "a device signs in with keys, with thumbprints or with an authority: name one of them"
        raise OperatorError([Problem("--keys-from, --x509-thumbprint, --x509-ca", reason)])
    if len(thumbprints) > MOST_THUMBPRINTS:
        raise OperatorError([Problem("--x509-thumbprint", "a device has two thumbprints at most")])
    if x509_ca:
        return Authentication(type="certificateAuthority")
    if thumbprints:
        first, second = [*map(digits_of, thumbprints), None][:2]
        return Authentication(type="selfSigned", primary_thumbprint=first, secondary_thumbprint=second)
    return keys_in(keys) if keys is not None else Authentication()


def add(
    stated: Stated,
    device_id: str,
    group: str | None,
    wanted: Authentication,
    hostname: str | None,
    *,
    json: bool,
) -> None:
    """Register a device; raises OperatorError."""
    problems = problems_of_draft(Draft(key=IdentityKey(device_id), authentication=wanted))
    if problems:
        raise OperatorError(Problem(_OPTIONS.get(one.path, one.path), one.reason) for one in problems)
    target = target_of(stated)
    draft = HubIdentity(device_id=device_id, authentication=HubAuthentication.of(wanted))
    made = talk(target.access, lambda requests: _add(requests, draft, group))
    connects = connection_string_of(hostname or target.hostname, made)
    if json:
        write_lines([{"id": device_id, "group": group, "connection_string": connects}])
        return
    warned = " (keep it secret)" if SHARED_KEY in connects else ""
    say(f"{device_id} is registered. It connects with{warned}:\n  {connects}")
    say(f"What its agent connects with is printed by:\n  {_AGENT.format(device_id, SECURITY_MODULE)}")


_AGENT = "fencepost devices connection-string {} --module {}"


async def _add(requests: Requests, draft: HubIdentity, group: str | None) -> HubIdentity:
    hub = Hub(requests)
    if group is not None and not await has_group(requests, group):
        warning = f"warning: there is no group {group}: until there is one, the tag has no effect"
        say(printable(warning), error=True)
    made = await hub.create(draft)
    if group is not None:
        await hub.patch_twin(draft.key, {"tags": {DEVICE_TAG: group}})
    return made


def print_list(
    stated: Stated, group: str | None, status: str | None, limit: int | None, *, json: bool
) -> None:
    """Print devices as a table, or as JSON lines; raises OperatorError."""
    if status not in (None, "enabled", "disabled"):
        raise OperatorError([Problem("--status", f"{status!r} is neither enabled nor disabled")])
    access = target_of(stated).access
    if json:
        talk(access, lambda requests: _write(requests, group, status, limit))
        return
    most = limit or MOST_ROWS
    found = talk(access, lambda requests: _collect(requests, group, status, most + 1))
    shown = found[:most]
    if shown:
        console().print(table_of(shown))
    say(plural(len(shown), "device") + (" and more: --limit shows them" if len(found) > most else ""))


async def _write(requests: Requests, group: str | None, status: str | None, limit: int | None) -> None:
    lines = Lines()
    async for row in rows(requests, group, status, limit):
        lines.write(row)
    lines.flush()


async def _collect(requests: Requests, group: str | None, status: str | None, limit: int) -> list[Row]:
    return [row async for row in rows(requests, group, status, limit)]


def show(stated: Stated, device_id: str, *, keys: bool, json: bool) -> None:
    """Print everything of a device; raises OperatorError."""
    found = talk(target_of(stated).access, lambda requests: whole(requests, device_id))
    if json:
        write_lines([report_of(found, keys=keys)])
        return
    width = console().width
    for label, text in lines_of(found, keys=keys):
        say(labelled(label, text, width))


def set_status(
    stated: Stated,
    device_ids: list[str],
    status: Literal["enabled", "disabled"],
    reason: str | None,
    *,
    json: bool,
) -> None:
    """Enable or disable devices, one after the other; raises OperatorError."""

    async def work(hub: Hub) -> None:
        for device_id in device_ids:
            known = await hub.identity(IdentityKey(device_id))
            await hub.update(structs.replace(known, status=status, status_reason=reason))
            _tell(device_id, {"status": status}, f"{device_id} is {status}", json=json)

    talk_to_hub(target_of(stated).access, work)


def delete(stated: Stated, device_ids: list[str], *, is_sure: bool, json: bool) -> None:
    """Take devices away, one after the other; asks first unless that `is_sure`. Raises OperatorError."""
    access = target_of(stated).access
    if not is_sure:
        if not sys.stdin.isatty():
            raise OperatorError([Problem("", "say --yes to delete: the keys are lost with the devices")])
        typer.confirm(f"Delete {plural(len(device_ids), 'device')} with their keys?", abort=True, err=True)

    async def work(hub: Hub) -> None:
        for device_id in device_ids:
            if not await hub.delete(IdentityKey(device_id)):
                raise missing(IdentityKey(device_id))
            _tell(device_id, {"deleted": True}, f"{device_id} is deleted", json=json)

    talk_to_hub(access, work)


def _tell(device_id: str, report: dict[str, Any], text: str, *, json: bool) -> None:
    """Say what has just been done to one of several devices."""
    if json:
        write_lines([{"id": device_id, **report}])
    else:
        say(printable(text))
