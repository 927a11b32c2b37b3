"""
The property bag that IoT Hub's clients append to their topics: `name=value&name=value`, percent-encoded.

Names with `$.` in front are system properties; they have short names here and long ones elsewhere.
"""

from collections.abc import Mapping
from urllib.parse import quote, unquote

from msgspec import Struct

from fencepost.model.errors import DeviceError

LARGEST = 65_536
"""The longest bag that is read, in characters."""

_PREFIX = "$."
_LONG = {
    "cdid": "connection-device-id",
    "ce": "content-encoding",
    "cid": "correlation-id",
    "cmid": "connection-module-id",
    "ct": "content-type",
    "ctime": "creation-time",
    "exp": "expiry",
    "ifid": "interface-id",
    "mid": "message-id",
    "on": "output-name",
    "sub": "component",
    "to": "to",
    "uid": "user-id",
}
_SHORT = {long: short for short, long in _LONG.items()}


class PropertyBag(Struct, frozen=True):
    """
    The properties of one message; a value may be None, which is not an empty one.

    `system` goes by long names (`message-id`, `content-type`, `interface-id`, ...); one that is not known
    keeps its short name. `properties` are the sender's own.
    """

    system: Mapping[str, str | None] = {}
    properties: Mapping[str, str | None] = {}


def decode_bag(text: str) -> PropertyBag:
    """
    Return what a bag says; of properties with the same name the last stands. Raises DeviceError.

    `+` is a plus; what is badly encoded is taken as it stands, and bytes that are not UTF-8 become U+FFFD.
    """
    if len(text) > LARGEST:
        raise DeviceError(f"properties of {len(text)} characters, at most {LARGEST} are read")
    system: dict[str, str | None] = {}
    properties: dict[str, str | None] = {}
    for part in filter(None, text.split("&")):
        encoded, equals, value = part.partition("=")
        name, said = unquote(encoded), unquote(value) if equals else None
        if name.startswith(_PREFIX):
            short = name.removeprefix(_PREFIX)
            system[_LONG.get(short, short)] = said
        else:
            properties[name] = said
    return PropertyBag(system, properties)


def encode_bag(bag: PropertyBag) -> str:
    """Return a bag as text; the `$` of system names is encoded, as agents that look for `%24.` expect."""
    system = ((_PREFIX + _SHORT.get(name, name), value) for name, value in bag.system.items())
    return "&".join(_encoded(name, value) for name, value in (*system, *bag.properties.items()))


def _encoded(name: str, value: str | None) -> str:
    encoded = quote(name, safe="")
    return encoded if value is None else f"{encoded}={quote(value, safe='')}"
