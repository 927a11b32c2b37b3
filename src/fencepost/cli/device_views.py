"""Devices as people and as programs read them: a row of a list, and one device with everything."""

import shlex
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from fencepost.cli.output import UTC_TIMES, bare_table, encoded, plural, printable
from fencepost.client.hub import PATIENCE, Hub, missing, path_of
from fencepost.client.hub_shapes import HubIdentity, HubTwin, Keys, Thumbprints, moment_of
from fencepost.client.requests import Requests
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.identity import DEVICE_TAG, IdentityKey
from fencepost.model.rule import DEFAULT_GROUP
from fencepost.service.registry.twins import tag_of

PAGE = 1000
_QUERIES = {
    None: "SELECT * FROM devices",
    "enabled": "SELECT * FROM devices WHERE status = 'enabled'",
    "disabled": "SELECT * FROM devices WHERE status = 'disabled'",
}
_BAD, _MISSING = 400, 404
_OF_THE_SERVICE = frozenset({"$metadata", "$version"})


class Row(Struct, frozen=True, kw_only=True):
    """One device of a list; `group` is the one in force (S25)."""

    id: str
    status: str
    group: str | None
    connected: bool
    last_activity_at: datetime | None
    authentication: str | None
    tags: dict[str, Any]


class Seen(Struct, frozen=True):
    """What our own API says of a device."""

    device_id: str
    group: str | None = None
    last_seen_at: datetime | None = None
    messages: int = 0
    events: int = 0
    rejected: int = 0


class _Page(Struct, frozen=True):
    items: list[Seen]
    next: str | None = None


class _One(Struct, frozen=True):
    device: Seen


class Sightings:
    """What our own API says of devices that are asked for in the order of their ids."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._items: deque[Seen] = deque()
        self._after: str | None = ""

    async def of(self, device_id: str) -> Seen:
        while not self._items or self._items[0].device_id < device_id:
            if self._items:
                self._items.popleft()
            elif not await self._read():
                return Seen(device_id)
        return self._items[0] if self._items[0].device_id == device_id else Seen(device_id)

    async def _read(self) -> bool:
        """Read one page more; False where there is none."""
        if self._after is None:
            return False
        params = {"limit": str(PAGE), **({"after": self._after} if self._after else {})}
        content = await self._requests.granted("GET", "/v1/devices", PATIENCE, params=params)
        page = msgspec.json.decode(content, type=_Page)
        self._items.extend(page.items)
        self._after = page.next
        return True


async def rows(
    requests: Requests, group: str | None, status: str | None, limit: int | None
) -> AsyncGenerator[Row, None]:
    """Yield devices in the order of their ids; `group` and `status` are those wanted."""
    sightings, number = Sightings(requests), 0
    async for page in Hub(requests).twins(_QUERIES[status]):
        for twin in page:
            row = _row(twin, await sightings.of(twin.device_id))
            if group is None or (row.group or "").casefold() == group.casefold():
                if number == limit:
                    return
                number += 1
                yield row


def _row(twin: HubTwin, seen: Seen) -> Row:
    tag = twin.tags.get(DEVICE_TAG)
    times = (moment_of(twin.last_activity_time), moment_of(seen.last_seen_at))
    return Row(
        id=twin.device_id,
        status=twin.status,
        group=seen.group or (tag if isinstance(tag, str) else None),
        connected=twin.connection_state == "Connected",
        last_activity_at=max((time for time in times if time is not None), default=None),
        authentication=twin.authentication_type,
        tags=twin.tags,
    )


def table_of(found: Sequence[Row]) -> Table:
    """Return rows as a table."""
    table = bare_table(UTC_TIMES)
    for name in ("Device", "Status", "Group", "Connected", "Last activity", "Signs in with"):
        table.add_column(name, overflow="fold")
    for row in found:
        table.add_row(
            Text(printable(row.id), "bold"),
            Text(row.status, "red" if row.status == "disabled" else ""),
            Text(printable(row.group or "")),
            Text("yes" if row.connected else "no", "" if row.connected else "dim"),
            Text(_time(row.last_activity_at)),
            Text(_way(row.authentication)),
        )
    return table


# one device


class Whole(Struct, frozen=True):
    """A device with everything that is known of it."""

    device: HubIdentity
    twin: HubTwin
    modules: list[HubIdentity]
    seen: Seen
    lost_group: str | None = None
    """The group that its tag names, where there is none of that name."""


async def whole(requests: Requests, device_id: str) -> Whole:
    """Return a device; raises OperatorError where it is not registered."""
    hub, key = Hub(requests), IdentityKey(device_id)
    device, seen = await hub.find(key), await _seen(requests, device_id)
    if device is None:
        raise missing(key) if seen is None else _unregistered(device_id)
    twin, modules = await hub.twin(key), await hub.modules(device_id)
    group = tag_of(key, twin.tags)
    is_lost = group is not None and not await has_group(requests, group)
    return Whole(device, twin, modules, seen or Seen(device_id), group if is_lost else None)


async def has_group(requests: Requests, name: str) -> bool:
    """Return whether there is a group of a name."""
    path = f"/v1/groups/{quote(name, safe='')}"
    return (await requests.answered("GET", path, PATIENCE, known={_BAD, _MISSING})).status not in {
        _BAD,
        _MISSING,
    }


async def _seen(requests: Requests, device_id: str) -> Seen | None:
    path = f"/v1{path_of(IdentityKey(device_id))}"
    answer = await requests.answered("GET", path, PATIENCE, known={_BAD, _MISSING})
    if answer.status in {_BAD, _MISSING}:
        return None
    return msgspec.json.decode(answer.content, type=_One).device


def _unregistered(device_id: str) -> OperatorError:
    add = f"`fencepost devices add {shlex.quote(device_id)}` registers it"
    return OperatorError([Problem("", f"{device_id} is not registered, so it cannot connect; {add}")])


def report_of(found: Whole, *, keys: bool) -> dict[str, Any]:
    """Return a device for programs; its keys only where they are asked for."""
    row = _row(found.twin, found.seen)
    return {
        **{name: getattr(row, name) for name in ("id", "status")},
        "status_reason": found.device.status_reason,
        "group": _group_of(row, found),
        "connected": row.connected,
        "last_activity_at": row.last_activity_at,
        "messages": found.seen.messages,
        "events": found.seen.events,
        "rejected": found.seen.rejected,
        "authentication": _authentication(found.device, keys=keys),
        "modules": [
            {
                "id": module.module_id,
                "connected": module.connection_state == "Connected",
                "authentication": _authentication(module, keys=keys),
            }
            for module in found.modules
        ],
        "tags": found.twin.tags,
        "desired": found.twin.properties.desired,
        "reported": found.twin.properties.reported,
    }


def lines_of(found: Whole, *, keys: bool) -> Iterator[tuple[str, str]]:
    """Yield a device for people, each thing with its label."""
    row, seen = _row(found.twin, found.seen), found.seen
    reason = f": {found.device.status_reason}" if found.device.status_reason else ""
    yield "device", row.id
    yield "status", f"{row.status}{reason}"
    yield "group", _group_shown(_group_of(row, found), found.lost_group)
    yield "connected", "yes" if row.connected else "no"
    yield "last activity", _time(row.last_activity_at)
    sent = f"{plural(seen.messages, 'message')}, {plural(seen.events, 'event')}"
    yield "sent", f"{sent}, {seen.rejected:,} rejected"
    yield from _credentials_of(found.device, keys=keys)
    for module in found.modules:
        connected = "connected" if module.connection_state == "Connected" else "not connected"
        yield "module", f"{module.module_id}, {connected}"
        yield from _credentials_of(module, keys=keys)
    properties = found.twin.properties
    for label, members in (
        ("tags", found.twin.tags),
        ("desired", properties.desired),
        ("reported", properties.reported),
    ):
        if own := {name: value for name, value in (members or {}).items() if name not in _OF_THE_SERVICE}:
            yield label, encoded(own).decode()


def _group_of(row: Row, found: Whole) -> str | None:
    """Return the group in force, which is none that there is not."""
    is_lost = found.lost_group is not None and row.group in {None, found.lost_group}
    return DEFAULT_GROUP if is_lost else row.group


def _group_shown(group: str | None, lost: str | None) -> str:
    return group or "" if lost is None else f"{group} (its tag names {lost}: there is no such group yet)"


def _credentials_of(one: HubIdentity, *, keys: bool) -> Iterator[tuple[str, str]]:
    yield "  signs in with", _way(one.authentication.type)
    prints = one.authentication.x509_thumbprint or Thumbprints()
    for label, text in (("primary", prints.primary_thumbprint), ("secondary", prints.secondary_thumbprint)):
        if text:
            yield f"  {label} print", text
    for which in ("primary", "secondary") if keys else ():
        if key := one.shared_key(which):
            yield f"  {which} key", key


def _authentication(one: HubIdentity, *, keys: bool) -> dict[str, Any]:
    known = one.authentication
    shown, prints = known.symmetric_key or Keys(), known.x509_thumbprint or Thumbprints()
    secret = {"primary_key": shown.primary_key, "secondary_key": shown.secondary_key} if keys else {}
    return {
        "type": known.type,
        **secret,
        "primary_thumbprint": prints.primary_thumbprint,
        "secondary_thumbprint": prints.secondary_thumbprint,
    }


def _way(authentication: str | None) -> str:
    return _WAYS.get(authentication or "", authentication or "")


_WAYS = {
    "sas": "keys",
    "selfSigned": "a certificate",
    "certificateAuthority": "a certificate of an authority",
    "none": "nothing",
}


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment is not None else "never"
