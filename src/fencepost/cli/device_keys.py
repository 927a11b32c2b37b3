"""What `fencepost devices` does with keys: those of a file, new ones, and connection strings."""

import sys
from base64 import b64encode
from pathlib import Path
from secrets import token_bytes

from msgspec import structs

from fencepost.cli.access import talk_to_hub, target_of
from fencepost.cli.output import printable, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.hub import Hub
from fencepost.client.hub_shapes import HubIdentity, Keys, Which
from fencepost.config.text_file import read_text
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.identity import Authentication, IdentityKey

KEY_BYTES = 32
MOST_KEYS = 2
STANDARD_INPUT = Path("-")
SHARED_KEY = ";SharedAccessKey="
"""What stands in a connection string that must be kept secret."""


def keys_in(file: Path) -> Authentication:
    """Return the keys of a file, or of the standard input: one or two, a line each. Raises OperatorError."""
    keys = (sys.stdin.read() if file == STANDARD_INPUT else read_text(file)).split()
    if not 0 < len(keys) <= MOST_KEYS:
        raise OperatorError([Problem("--keys-from", "one or two keys in base64 are wanted, a line each")])
    return Authentication(primary_key=keys[0], secondary_key=keys[1] if len(keys) == MOST_KEYS else None)


def rotate(
    stated: Stated, device_id: str, module: str | None, which: str, hostname: str | None, *, json: bool
) -> None:
    """Make one key anew, and print what is connected with then; raises OperatorError."""
    chosen, key, target = _which(which), IdentityKey(device_id, module), target_of(stated)

    async def work(hub: Hub) -> HubIdentity:
        return await hub.update(_rotated(await hub.identity(key), chosen))

    changed = talk_to_hub(target.access, work)
    connects = connection_string_of(hostname or target.hostname, changed, chosen)
    if json:
        write_lines([{"id": device_id, "module": module, "which": chosen, "connection_string": connects}])
        return
    say(printable(f"The {chosen} key of {key} is new. It connects with (keep it secret):"))
    say(f"  {connects}")


def print_connection_string(
    stated: Stated, device_id: str, module: str | None, which: Which, hostname: str | None, *, json: bool
) -> None:
    """Print what a device, or a module, connects with; raises OperatorError."""
    target = target_of(stated)
    one = talk_to_hub(target.access, lambda hub: hub.identity(IdentityKey(device_id, module)))
    connects = connection_string_of(hostname or target.hostname, one, which)
    if json:
        write_lines([{"id": device_id, "module": module, "connection_string": connects}])
    else:
        say(connects)


def connection_string_of(hostname: str, one: HubIdentity, which: Which = "primary") -> str:
    """Return what a client of an IoT Hub connects with; raises OperatorError for an identity without keys."""
    module = f";ModuleId={one.module_id}" if one.module_id is not None else ""
    start = f"HostName={hostname};DeviceId={one.device_id}{module}"
    if one.authentication.type in ("selfSigned", "certificateAuthority"):
        return f"{start};x509=true"
    key = one.shared_key(which)
    if key is None:
        raise OperatorError([Problem(str(one.key), f"it has no {which} key")])
    return f"{start}{SHARED_KEY}{key}"


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
