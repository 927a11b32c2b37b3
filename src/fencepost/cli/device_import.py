"""`fencepost devices import`: a whole fleet in, with the keys that it has."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field, structs

from fencepost.cli.access import talk_to_hub, target_of
from fencepost.cli.device_lines import DeviceFile, Entry, parse
from fencepost.cli.output import complain, encoded, plural, progress, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.hub import MOST_ITEMS, Hub
from fencepost.client.hub_shapes import Refused
from fencepost.client.tasks import gathered
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.identity import IdentityKey

AT_ONCE = 4
"""Bulk operations side by side."""
MOST_BYTES = 1 << 20
"""Of one bulk operation."""
MOST_PROBLEMS = 1000
STANDARD_INPUT = Path("-")
_NO_KEYS = (
    "those devices keep the keys that the service knows, or get new ones (an export of an IoT Hub can leave "
    "the keys out)"
)


class Outcome(Struct):
    """What came of an import so far; `modules` are those that were created or updated."""

    created: int = 0
    updated: int = 0
    modules: int = 0
    refused: list[Problem] = field(default_factory=list)


def run_import(stated: Stated, file: Path, *, skip_bad: bool, dry_run: bool, json: bool) -> bool:
    """Import a file, say what came of it, and return whether nothing was left out; raises OperatorError."""
    parsed = parse(_content(file), str(file))
    if parsed.problems:
        error = OperatorError(_first(parsed.problems))
        if not skip_bad:
            raise error
        complain(error)
    outcome = Outcome()
    if not dry_run:
        access = target_of(stated).access
        with progress("importing", len(parsed.entries)) as step:
            talk_to_hub(access, lambda hub: _carry_out(hub, parsed.entries, str(file), outcome, step))
    if json:
        write_lines([_report_of(file, parsed, outcome, dry_run=dry_run)])
    else:
        for line in _lines_of(parsed, outcome, dry_run=dry_run):
            say(line)
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


async def _carry_out(
    hub: Hub, entries: Sequence[Entry], file: str, outcome: Outcome, step: Callable[[int], None]
) -> None:
    """Send all entries, some bulk operations side by side."""
    done = 0
    for some in _side_by_side(_batches(entries)):
        try:
            await gathered(_put(hub, batch, file, outcome) for batch in some)
        except OperatorError as error:
            stopped = f"stopped after {done:,} of {len(entries):,}: the same command again does the rest"
            raise OperatorError([*error.problems, Problem("", stopped, file)]) from error
        done += (sent := sum(map(len, some)))
        step(sent)


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
    """Return the entries of each device, the device itself first: its modules need it, wherever they stand."""
    of_device: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.item.module_id is not None):
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


async def _put(hub: Hub, batch: Sequence[Entry], file: str, outcome: Outcome) -> None:
    """Make what is not there, and then change what is: so it is known how many were made."""
    by_key = {entry.item.key: entry for entry in batch}
    errors = await hub.put_all([structs.replace(entry.item, import_mode="create") for entry in batch])
    known = {one.key for one in errors if one.is_there_already and one.key in by_key}
    refused = [one for one in errors if not one.is_there_already]
    items = [entry.item for entry in batch if entry.item.key in known]
    if items:
        refused += await hub.put_all([structs.replace(item, import_mode="createOrUpdate") for item in items])
    outcome.refused += (_problem(one, by_key, file) for one in refused)
    left_out = {one.key for one in refused}
    for key in by_key.keys() - left_out:
        if key.module_id is not None:
            outcome.modules += 1
        elif key in known:
            outcome.updated += 1
        else:
            outcome.created += 1


def _problem(one: Refused, by_key: dict[IdentityKey, Entry], file: str) -> Problem:
    entry = by_key.get(one.key)
    return Problem(str(one.key), one.reason, file, entry.line if entry is not None else 0)


def _without_keys(parsed: DeviceFile) -> int:
    return sum(not entry.has_keys for entry in parsed.entries)


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
        yield f"{held}: {done}, {plural(outcome.modules, 'module')} put, {len(outcome.refused):,} refused"
    if skipped := _skipped(parsed):
        yield f"{plural(skipped, 'line was', 'lines were')} skipped"
