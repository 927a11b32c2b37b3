"""`fencepost devices import`: a whole fleet in, with the keys that it has."""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field, structs

from fencepost.cli.access import talk, target_of
from fencepost.cli.device_lines import DeviceFile, Entry, parse
from fencepost.cli.output import complain, encoded, plural, printable, progress, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.hub import MOST_ITEMS, PATIENCE, Hub
from fencepost.client.hub_shapes import Line
from fencepost.client.requests import Requests
from fencepost.client.tasks import gathered
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.identity import SECURITY_MODULE, IdentityKey
from fencepost.service.registry.twins import tag_of

AT_ONCE = 4
"""Bulk operations side by side."""
MOST_BYTES = 1 << 20
"""Of one bulk operation."""
MOST_PROBLEMS = 1000
MOST_GROUPS = 10
STANDARD_INPUT = Path("-")
_PLACES = {None: 0, SECURITY_MODULE: 1}
_NOTHING_AT_ALL = "nothing was imported"
_NOTHING = f"{_NOTHING_AT_ALL}: mend these lines, or import the others with --skip-bad"
_NO_KEYS = (
    "those devices keep the keys that the service knows, or get new ones (an export of an IoT Hub can leave "
    "the keys out)"
)


class Known(Enum):
    """What becomes of what is registered already."""

    UPDATED = "updated"
    """It becomes what the file says, but what is disabled stays so."""
    ENABLED = "enabled"
    """It becomes what the file says."""
    KEPT = "kept"


class Outcome(Struct):
    """
    What came of an import so far; `modules` are those that were created or updated.

    `kept` are devices and modules, `lost_groups` those that tags name and that there are not, each with the
    devices that name it.
    """

    created: int = 0
    updated: int = 0
    modules: int = 0
    kept: int = 0
    lost_groups: dict[str, set[str]] = field(default_factory=dict)
    refused: list[Problem] = field(default_factory=list)


class _Group(Struct, frozen=True):
    name: str


class _Groups(Struct, frozen=True):
    items: list[_Group]


def known_of(*, new_only: bool, enable: bool) -> Known:
    """Return what the options want; raises OperatorError where they contradict each other."""
    if new_only and enable:
        raise OperatorError(
            [Problem("--new-only, --enable", "choose one: what is registered stays as it is, or not")]
        )
    return Known.KEPT if new_only else Known.ENABLED if enable else Known.UPDATED


def run_import(
    stated: Stated, file: Path, known: Known, *, skip_bad: bool, dry_run: bool, json: bool
) -> bool:
    """Import a file, say what came of it, and return whether nothing was left out; raises OperatorError."""
    parsed = parse(_content(file), str(file))
    if parsed.problems:
        problems = _first(parsed.problems)
        if not skip_bad:
            raise OperatorError([*problems, Problem("", _NOTHING if parsed.entries else _NOTHING_AT_ALL)])
        complain(OperatorError(problems))
    outcome = Outcome()
    if not dry_run:
        access = target_of(stated).access
        with progress("importing", len(parsed.entries)) as step:
            talk(
                access, lambda requests: _Import(requests, str(file), known, outcome).go(parsed.entries, step)
            )
    if json:
        write_lines([_report_of(file, parsed, outcome, dry_run=dry_run)])
    else:
        for line in _lines_of(parsed, outcome, dry_run=dry_run):
            say(line)
    if outcome.lost_groups:
        say(printable(_warning_of(outcome.lost_groups)), error=True)
    complain(OperatorError(_first(outcome.refused)))
    if without := _without_keys(parsed):
        say(f"warning: {plural(without, 'line names no key', 'lines name no keys')}: {_NO_KEYS}", error=True)
    return not outcome.refused and not parsed.problems


def _content(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        reason = f"the file cannot be read: {error.strerror or error}"
        raise OperatorError([Problem("", reason, str(file))]) from error


def _first(problems: Sequence[Problem]) -> list[Problem]:
    more = len(problems) - MOST_PROBLEMS
    rest = [Problem("", f"and {more:,} more", problems[0].file)] if more > 0 else []
    return [*problems[:MOST_PROBLEMS], *rest]


class _Import:
    """Sends entries, and notes in `outcome` what comes of them."""

    def __init__(self, requests: Requests, file: str, known: Known, outcome: Outcome) -> None:
        self._requests = requests
        self._hub = Hub(requests)
        self._file = file
        self._known = known
        self._outcome = outcome
        self._disabled: dict[IdentityKey, str | None] = {}

    async def go(self, entries: Sequence[Entry], step: Callable[[int], None]) -> None:
        """Send all entries, some bulk operations side by side."""
        done = 0
        self._outcome.lost_groups = await _lost_groups(self._requests, entries)
        if self._known is Known.UPDATED and any(entry.item.status == "enabled" for entry in entries):
            self._disabled = await _disabled(self._hub)
        for some in _side_by_side(_batches(entries)):
            try:
                await gathered(self._put(batch) for batch in some)
            except OperatorError as error:
                stopped = f"stopped after {done:,} of {len(entries):,}: the same command again does the rest"
                raise OperatorError([*error.problems, Problem("", stopped, self._file)]) from error
            done += (sent := sum(map(len, some)))
            step(sent)

    async def _put(self, batch: Sequence[Entry]) -> None:
        """Make what is not there, and then change what is: so it is known how many were made."""
        by_key = {entry.item.key: entry for entry in batch}
        errors = await self._hub.put_all(
            [structs.replace(entry.item, import_mode="create") for entry in batch]
        )
        known = {one.key for one in errors if one.is_there_already and one.key in by_key}
        refused = {one.key: one.reason for one in errors if not one.is_there_already}
        if self._known is Known.KEPT:
            self._outcome.kept += len(known)
        elif known:
            refused |= await self._change([entry.item for entry in batch if entry.item.key in known])
        self._outcome.refused += (self._problem(by_key, key, reason) for key, reason in refused.items())
        put = by_key.keys() - refused.keys()
        self._count(put - known if self._known is Known.KEPT else put, known)

    async def _change(self, items: Sequence[Line]) -> dict[IdentityKey, str]:
        """Change what is registered, and return why some of it was refused."""
        refused = {
            item.key: _refusal(self._disabled[item.key])
            for item in items
            if item.status == "enabled" and item.key in self._disabled
        }
        changes = [self._changing(item) for item in items if item.key not in refused]
        errors = await self._hub.put_all(changes) if changes else []
        return refused | {one.key: one.reason for one in errors}

    def _changing(self, item: Line) -> Line:
        """Return the change that a line wants; one that enables nothing keeps the status, whatever it is by now."""
        enables = item.status == "enabled" and self._known is Known.ENABLED
        status = item.status if enables or item.status == "disabled" else None
        return structs.replace(item, import_mode="createOrUpdate", status=status)

    def _count(self, put: Iterable[IdentityKey], known: Collection[IdentityKey]) -> None:
        for key in put:
            if key.module_id is not None:
                self._outcome.modules += 1
            elif key in known:
                self._outcome.updated += 1
            else:
                self._outcome.created += 1

    def _problem(self, by_key: Mapping[IdentityKey, Entry], key: IdentityKey, reason: str) -> Problem:
        entry = by_key.get(key)
        return Problem(str(key), reason, self._file, entry.line if entry is not None else 0)


async def _disabled(hub: Hub) -> dict[IdentityKey, str | None]:
    """Return the devices that are disabled, each with the reason."""
    return {
        IdentityKey(twin.device_id): twin.status_reason
        async for page in hub.twins("SELECT * FROM devices WHERE status = 'disabled'")
        for twin in page
    }


def _refusal(reason: str | None) -> str:
    return f"it is disabled here{f' ({reason})' if reason else ''}: --enable lets it in again"


async def _lost_groups(requests: Requests, entries: Iterable[Entry]) -> dict[str, set[str]]:
    """Return the groups that tags name and that there are not, each with the devices that name it."""
    named: dict[str, set[str]] = {}
    for item in (entry.item for entry in entries):
        if (group := tag_of(item.key, item.tags or {})) is not None:
            named.setdefault(group, set()).add(item.id)
    if not named:
        return {}
    content = await requests.granted("GET", "/v1/groups", PATIENCE)
    there = {group.name.casefold() for group in msgspec.json.decode(content, type=_Groups).items}
    return {group: ids for group, ids in sorted(named.items()) if group.casefold() not in there}


def _warning_of(lost: Mapping[str, set[str]]) -> str:
    named = plural(len({*chain(*lost.values())}), "device names", "devices name")
    groups = "a group that there is" if len(lost) == 1 else "groups that there are"
    more = f" and {len(lost) - MOST_GROUPS:,} more" if len(lost) > MOST_GROUPS else ""
    return f"warning: {named} {groups} not yet: {', '.join([*lost][:MOST_GROUPS])}{more}"


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield what goes in one bulk operation: a device with its modules, as far as there is room."""
    batch: list[Entry] = []
    size = 0
    for of_device in _of_devices(entries):
        lengths = [len(encoded(entry.item)) for entry in of_device]
        if batch and not _has_room(len(batch) + len(of_device), size + sum(lengths)):
            yield batch
            batch, size = [], 0
        for entry, length in zip(of_device, lengths, strict=True):
            if batch and not _has_room(len(batch) + 1, size + length):
                yield batch
                batch, size = [], 0
            batch.append(entry)
            size += length
    if batch:
        yield batch


def _of_devices(entries: Iterable[Entry]) -> Iterable[list[Entry]]:
    """
    Return the entries of each device, the device itself first: its modules need it, wherever they stand.

    The security module, which is made with its device unless it comes in the same bulk operation, is next.
    """
    of_device: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: _PLACES.get(entry.item.module_id, len(_PLACES))):
        of_device.setdefault(entry.item.id, []).append(entry)
    return of_device.values()


def _has_room(items: int, size: int) -> bool:
    return items <= MOST_ITEMS and size <= MOST_BYTES


def _side_by_side(batches: Iterable[list[Entry]]) -> Iterator[list[list[Entry]]]:
    """Yield some batches at a time; one that goes on with the modules of a device waits for those before it."""
    some: list[list[Entry]] = []
    for batch in batches:
        if some and (len(some) == AT_ONCE or batch[0].item.id == some[-1][-1].item.id):
            yield some
            some = []
        some.append(batch)
    if some:
        yield some


def _without_keys(parsed: DeviceFile) -> int:
    return sum(entry.needs_keys for entry in parsed.entries)


def _skipped(parsed: DeviceFile) -> int:
    return len({problem.line for problem in parsed.problems})


def _counted(parsed: DeviceFile) -> dict[str, int]:
    modules = sum(entry.item.module_id is not None for entry in parsed.entries)
    return {"devices": len(parsed.entries) - modules, "modules": modules}


def _report_of(file: Path, parsed: DeviceFile, outcome: Outcome, *, dry_run: bool) -> dict[str, Any]:
    return {
        "file": str(file),
        "dry_run": dry_run,
        **_counted(parsed),
        "created": outcome.created,
        "updated": outcome.updated,
        "modules_put": outcome.modules,
        "kept": outcome.kept,
        "skipped": _skipped(parsed),
        "without_keys": _without_keys(parsed),
        "refused": outcome.refused,
    }


def _lines_of(parsed: DeviceFile, outcome: Outcome, *, dry_run: bool) -> Iterator[str]:
    counted = _counted(parsed)
    held = f"{plural(counted['devices'], 'device')}, {plural(counted['modules'], 'module')}"
    if dry_run:
        yield f"{held} in order; nothing was imported"
    else:
        done = f"{outcome.created:,} created, {outcome.updated:,} updated"
        kept = f", {outcome.kept:,} kept" if outcome.kept else ""
        put = f"{plural(outcome.modules, 'module')} put{kept}, {len(outcome.refused):,} refused"
        yield f"{held}: {done}, {put}"
    if skipped := _skipped(parsed):
        yield f"{plural(skipped, 'line was', 'lines were')} skipped"
