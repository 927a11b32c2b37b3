"""`fencepost devices rotate-key` and `connection-string`: the keys of devices."""

import sys
from base64 import b64encode
from pathlib import Path
from secrets import token_bytes
from typing import Annotated

import typer
from msgspec import structs

from fencepost.cli.access import (
    CaOption,
    ServiceDataOption,
    TokenOption,
    UrlOption,
    talk_to_hub,
    target_of,
)
from fencepost.cli.device_views import connection_string
from fencepost.cli.options import JsonOption
from fencepost.cli.output import printable, say, write_lines
from fencepost.client.hub import Hub
from fencepost.client.hub_shapes import HubIdentity, Keys, Which
from fencepost.config.text_file import read_text
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.identity import Authentication, IdentityKey

KEY_BYTES = 32
MOST_KEYS = 2
STANDARD_INPUT = Path("-")

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of the device.")]
ModuleOption = Annotated[
    str | None,
    typer.Option("--module", metavar="NAME", help="A module of the device, such as azureiotsecurity."),
]
HostnameOption = Annotated[
    str | None,
    typer.Option(
        "--hostname",
        metavar="NAME",
        help="The name by which devices know the service; that of --url, or of the certificate, by default.",
    ),
]


def keys_from(file: Path) -> Authentication:
    """Return the keys of a file, one or two lines; raises OperatorError."""
    text = sys.stdin.read() if file == STANDARD_INPUT else read_text(file)
    keys = text.split()
    if not 0 < len(keys) <= MOST_KEYS:
        raise OperatorError([Problem("--keys-from", "one or two keys in base64 are wanted, a line each")])
    return Authentication(primary_key=keys[0], secondary_key=keys[1] if len(keys) == MOST_KEYS else None)


def rotate_key(
    device_id: Id,
    which: Annotated[str, typer.Option("--which", metavar="KEY", help="primary or secondary.")] = "secondary",
    module: ModuleOption = None,
    hostname: HostnameOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Make one of the two keys of a device anew, and print what it connects with then.

    The other key stays: rotate the one that is not in use, give it to the device, then rotate the other.
    Whoever is connected with the old key is cut off.

    \b
    Example:
      fencepost devices rotate-key cam-0001 --which secondary
    """
    chosen = _which(which)
    target = target_of(url, token, ca, data)
    key = IdentityKey(device_id, module)

    async def work(hub: Hub) -> HubIdentity:
        return await hub.update(_rotated(await hub.identity(key), chosen))

    said = connection_string(hostname or target.hostname, talk_to_hub(target, work), chosen)
    if json:
        write_lines([{"id": device_id, "module": module, "which": chosen, "connection_string": said}])
        return
    say(printable(f"The {chosen} key of {key} is new. It connects with (keep it secret):"))
    say(f"  {said}")


def print_connection_string(
    device_id: Id,
    module: ModuleOption = None,
    secondary: Annotated[bool, typer.Option("--secondary", help="With the secondary key.")] = False,
    hostname: HostnameOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Print the connection string of a device, or of a module of it, with its key.

    \b
    Examples:
      fencepost devices connection-string cam-0001
      fencepost devices connection-string cam-0001 --module azureiotsecurity --hostname hub.example.com
    """
    target = target_of(url, token, ca, data)
    one = talk_to_hub(target, lambda hub: hub.identity(IdentityKey(device_id, module)))
    said = connection_string(hostname or target.hostname, one, "secondary" if secondary else "primary")
    if json:
        write_lines([{"id": device_id, "module": module, "connection_string": said}])
    else:
        say(said)


def _which(text: str) -> Which:
    if text == "primary":
        return "primary"
    if text == "secondary":
        return "secondary"
    raise OperatorError([Problem("--which", f"{text!r} is neither primary nor secondary")])


def _rotated(known: HubIdentity, which: Which) -> HubIdentity:
    """Return an identity with one key anew; raises OperatorError where it signs in without keys."""
    keys = known.authentication.symmetric_key
    if known.authentication.type != "sas" or keys is None:
        raise OperatorError([Problem(str(known.key), "it signs in without keys: there is none to rotate")])
    new = b64encode(token_bytes(KEY_BYTES)).decode()
    changed = Keys(new, keys.secondary_key) if which == "primary" else Keys(keys.primary_key, new)
    return structs.replace(known, authentication=structs.replace(known.authentication, symmetric_key=changed))
