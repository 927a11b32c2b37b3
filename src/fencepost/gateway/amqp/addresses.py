"""
Whose, and where a link leads: the addresses of IoT Hub, the audiences of tokens, and the users of SASL.

Some SDKs write ids as they are, others percent-encoded, and an id may hold a `%`. So an address may be read
as one of two identities; the one that the client has proved to be is meant.
"""

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import unquote

from msgspec import Struct

from fencepost.model.identity import IdentityKey

Place = Literal["cbs", "events", "devicebound", "twin", "methods", "service", "feedback"]

_ID = re.compile(r"[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}", re.ASCII)
_SCHEME = re.compile(r"[a-z]{2,8}://", re.ASCII | re.IGNORECASE)
_CBS = "$cbs"
_BELOW_IDENTITY: dict[tuple[str, ...], Place] = {
    ("messages", "events"): "events",
    ("messages", "devicebound"): "devicebound",
    ("methods", "devicebound"): "methods",
    ("twin",): "twin",
}
_BELOW_HUB: dict[tuple[str, ...], Place] = {
    ("messages", "devicebound"): "service",
    ("messages", "servicebound", "feedback"): "feedback",
    ("messages", "servicebound", "filenotifications"): "feedback",
}
_LONGEST = 1024
_AT = "@sas."
_ROOT = "root."


class Address(Struct, frozen=True):
    """What kind of place it is, and whose: none for the hub's own places."""

    place: Place
    keys: tuple[IdentityKey, ...] = ()


def parse_address(text: str | None) -> Address | None:
    """Return what an address means, None where it is none of ours: a path, or a whole URL."""
    if text is None or len(text) > _LONGEST:
        return None
    segments = _path_of(text).strip("/").split("/")
    if segments == [_CBS]:
        return Address("cbs")
    if segments[0].lower() != "devices":
        place = _BELOW_HUB.get(_folded(segments))
        return None if place is None else Address(place)
    ids, below = _split(segments)
    place = _BELOW_IDENTITY.get(_folded(below))
    keys = tuple(_readings(ids))
    return Address(place, keys) if place is not None and keys else None


def parse_audience(text: str) -> tuple[IdentityKey, ...] | None:
    """
    Return whom a token's audience may name, nobody for the whole hub; None where it cannot be read.

    An audience is `{host}[/devices/{device}[/modules/{module}]]`, perhaps a URL, perhaps encoded as a whole.
    """
    if len(text) > _LONGEST:
        return None
    bare = _SCHEME.sub("", text, count=1)
    if "/" not in bare:
        bare = unquote(bare)
    segments = bare.strip("/").split("/")[1:]
    if not segments:
        return ()
    if segments[0].lower() != "devices":
        return None
    ids, _ = _split(segments)
    return tuple(_readings(ids)) or None


def parse_user(text: str) -> tuple[IdentityKey, ...] | None:
    """
    Return whom a user name of SASL PLAIN names, nobody for a policy of the hub; None where it cannot be read.

    It is `{device}[/{module}]@sas.{hub}`, or `{policy}@sas.root.{hub}`.
    """
    name, at, hub = text.rpartition(_AT)
    if not at or len(text) > _LONGEST:
        return None
    if hub.startswith(_ROOT):
        return ()
    ids = name.split("/")
    return tuple(_readings(ids)) or None if len(ids) <= 2 else None  # noqa: PLR2004 - device and module


def _path_of(text: str) -> str:
    scheme = _SCHEME.match(text)
    return text[scheme.end() :].partition("/")[2] if scheme is not None else text


def _folded(segments: list[str]) -> tuple[str, ...]:
    return tuple(segment.lower() for segment in segments)


def _split(segments: list[str]) -> tuple[list[str], list[str]]:
    """Return the ids of `devices/{d}[/modules/{m}]/...`, and what stands below."""
    is_module = len(segments) > 3 and segments[2].lower() == "modules"  # noqa: PLR2004
    return (segments[1:4:2], segments[4:]) if is_module else (segments[1:2], segments[2:])


def _readings(ids: list[str]) -> Iterator[IdentityKey]:
    """Yield the identities that ids may name: decoded, and as they stand."""
    decoded = [unquote(one) for one in ids]
    for reading in (decoded, ids) if decoded != ids else (ids,):
        if reading and all(_ID.fullmatch(one) for one in reading):
            yield IdentityKey(*reading)
