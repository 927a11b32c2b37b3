"""`fencepost devices import` and `export`: whole fleets in and out, with the keys that they have."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Struct, field, structs

from fencepost.cli.access import (
    CaOption,
    ServiceDataOption,
    TokenOption,
    UrlOption,
    talk_to_hub,
    target_of,
)
from fencepost.cli.device_lines import DeviceFile, Entry, parse
from fencepost.cli.options import JsonOption
from fencepost.cli.output import Lines, complain, encoded, plural, printable, progress, say, write_lines
from fencepost.client.hub import MOST_ITEMS, Hub
from fencepost.client.hub_shapes import HubIdentity, HubTwin, Line, Refused
from fencepost.client.tasks import gathered
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.identity import IdentityKey

AT_ONCE = 4
"""Bulk operations side by side."""
MOST_BYTES = 1 << 20
"""Of one bulk operation."""
MOST_PROBLEMS = 1000
NOT_ALL = 1
STANDARD = Path("-")


class Outcome(Struct):
    """What came of an import; modules count for themselves."""

    created: int = 0
    updated: int = 0
    modules: int = 0
    refused: list[Problem] = field(default_factory=list)


def import_devices(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file; - is the standard input.")],
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the rest of a file that has lines that are wrong.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what is wrong and how much there is.")
    ] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Register the devices of a file with the keys that they have, so that those in the field go on working.

    The file is an export of an IoT Hub (devices.txt, JSON lines), what `fencepost devices export` printed, or
    CSV whose first line names its columns: id, and if you like group, status, primary_key, secondary_key,
    primary_thumbprint, secondary_thumbprint, authentication. If anything in it is wrong, nothing is imported.
    Devices that are registered already are updated. Exits with 1 if lines were skipped or refused.

    \b
    Examples:
      fencepost devices import devices.txt --dry-run
      fencepost devices import fleet.csv
    """
    parsed = parse(_content(file), str(file))
    if parsed.problems:
        error = OperatorError(_first(parsed.problems))
        if not skip_bad:
            raise error
        complain(error)
    outcome = Outcome()
    if not dry_run:
        target = target_of(url, token, ca, data)
        with progress("importing", len(parsed.entries)) as step:
            talk_to_hub(target, lambda hub: _carry_out(hub, parsed.entries, str(file), outcome, step))
    _report(file, parsed, outcome, dry_run=dry_run, json=json)
    if outcome.refused or parsed.problems:
        raise typer.Exit(NOT_ALL)


def _content(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STANDARD else file.read_bytes()
    except OSError as error:
        reason = f"the file cannot be read: {error.strerror or error}"
        raise OperatorError([Problem("", reason, str(file))]) from error


def _first(problems: Sequence[Problem]) -> list[Problem]:
    more = len(problems) - MOST_PROBLEMS
    rest = [Problem("", f"and {plural(more, 'problem')} more", problems[0].file)] if more > 0 else []
    return [*problems[:MOST_PROBLEMS], *rest]


async def _carry_out(
    hub: Hub, entries: Sequence[Entry], file: str, outcome: Outcome, step: Callable[[int], None]
) -> None:
    """Send all entries, devices before modules, several bulk operations side by side."""
    done = 0
    for is_module in (False, True):
        of_kind = [entry for entry in entries if (entry.item.module_id is not None) == is_module]
        batches = [*_batches(of_kind)]
        for begin in range(0, len(batches), AT_ONCE):
            some = batches[begin : begin + AT_ONCE]
            try:
                await gathered(_put(hub, batch, file, outcome) for batch in some)
            except OperatorError as error:
                stopped = (
                    f"stopped after {done:,} of {len(entries):,}; the same command again goes on from there"
                )
                raise OperatorError([*error.problems, Problem("", stopped, file)]) from error
            done += sum(map(len, some))
            step(sum(map(len, some)))


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        length = len(encoded(entry.item))
        if batch and (len(batch) == MOST_ITEMS or size + length > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += length
    if batch:
        yield batch


async def _put(hub: Hub, batch: Sequence[Entry], file: str, outcome: Outcome) -> None:
    """Make what is not there, and change what is."""
    lines = {entry.item.key: entry for entry in batch}
    refused = await hub.put_all([_with_mode(entry.item, "create") for entry in batch])
    there = [one.key for one in refused if one.is_there_already and one.key in lines]
    failed = [one for one in refused if not one.is_there_already]
    if there:
        changes = [_with_mode(lines[key].item, "createOrUpdate") for key in there]
        failed += (again := await hub.put_all(changes))
        there = there[len(again) :]
    outcome.refused += (_problem(one, lines, file) for one in failed)
    created, updated = len(batch) - len(failed) - len(there), len(there)
    if batch[0].item.module_id is not None:
        outcome.modules += created + updated
    else:
        outcome.created += created
        outcome.updated += updated


def _with_mode(item: Line, mode: str) -> Line:
    return structs.replace(item, import_mode=mode)


def _problem(one: Refused, lines: dict[IdentityKey, Entry], file: str) -> Problem:
    entry = lines.get(one.key)
    return Problem(str(one.key), one.reason, file, entry.line if entry is not None else 0)


def _report(file: Path, parsed: DeviceFile, outcome: Outcome, *, dry_run: bool, json: bool) -> None:
    skipped = len({problem.line for problem in parsed.problems})
    without_keys = sum(not entry.has_keys for entry in parsed.entries)
    if json:
        write_lines([_report_of(file, parsed, outcome, skipped, without_keys, dry_run=dry_run)])
    else:
        for text in _lines(parsed, outcome, skipped, dry_run=dry_run):
            say(text)
    complain(OperatorError(_first(outcome.refused) if outcome.refused else ()))
    if without_keys:
        named = plural(without_keys, "line names no key", "lines name no keys")
        say(
            f"warning: {named}: those devices keep the keys that the service knows, or get new ones; they "
            "connect with no others (an export of an IoT Hub can leave keys out)",
            error=True,
        )


def _report_of(
    file: Path, parsed: DeviceFile, outcome: Outcome, skipped: int, without_keys: int, *, dry_run: bool
) -> dict[str, Any]:
    return {
        "file": str(file),
        "dry_run": dry_run,
        **_counted(parsed),
        "created": outcome.created,
        "updated": outcome.updated,
        "modules_put": outcome.modules,
        "skipped": skipped,
        "without_keys": without_keys,
        "refused": outcome.refused,
    }


def _counted(parsed: DeviceFile) -> dict[str, int]:
    modules = sum(entry.item.module_id is not None for entry in parsed.entries)
    return {"devices": len(parsed.entries) - modules, "modules": modules}


def _lines(parsed: DeviceFile, outcome: Outcome, skipped: int, *, dry_run: bool) -> Iterator[str]:
    counted = _counted(parsed)
    held = f"{plural(counted['devices'], 'device')}, {plural(counted['modules'], 'module')}"
    if dry_run:
        yield f"{held} are in order; nothing was imported"
    else:
        done = f"{outcome.created:,} created, {outcome.updated:,} updated"
        yield f"{held}: {done}, {plural(outcome.modules, 'module')} put, {len(outcome.refused):,} refused"
    if skipped:
        yield f"{plural(skipped, 'line was', 'lines were')} skipped"


# export


def export_devices(
    file: Annotated[
        Path, typer.Argument(metavar="[FILE]", help="The file to make; the standard output without one.")
    ] = STANDARD,
    url: UrlOption = None,
    token: TokenOption = None,
    ca: CaOption = None,
    data: ServiceDataOption = None,
    json: JsonOption = False,
) -> None:
    """
    Print all devices and modules with keys and twins, as an IoT Hub exports them, so that a fleet can go back.

    The output is JSON lines, with --json or without. A file that is made is for your eyes only.

    \b
    Example:
      fencepost devices export devices.txt
    """
    target = target_of(url, token, ca, data)
    if file == STANDARD:
        lines = Lines()
        talk_to_hub(target, lambda hub: _export(hub, lines.write))
        lines.flush()
        return
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            written = talk_to_hub(
                target, lambda hub: _export(hub, lambda line: out.write(encoded(line) + b"\n"))
            )
    except OSError as error:
        reason = f"the file cannot be made: {error.strerror or error}"
        raise OperatorError([Problem("", reason, str(file))]) from error
    if json:
        write_lines([{"file": str(file), "lines": written}])
    else:
        say(printable(f"{file}: {plural(written, 'line')}; it holds the keys of all devices: keep it secret"))


async def _export(hub: Hub, write: Callable[[Line], object]) -> int:
    """Write all devices, each before its modules, and return how many lines there are."""
    written = 0
    with progress("exporting", None, while_printing=True) as step:
        async for page in hub.twins("SELECT * FROM devices"):
            for lines in await gathered(_lines_of(hub, twin) for twin in page):
                for line in lines:
                    write(line)
                written += len(lines)
            step(len(page))
    return written


async def _lines_of(hub: Hub, twin: HubTwin) -> list[Line]:
    """Return a device and its modules, or nothing of one that has been taken away meanwhile."""
    device = await hub.find(IdentityKey(twin.device_id))
    if device is None:
        return []
    modules = await hub.modules(twin.device_id)
    twins = [await hub.twin(module.key) for module in modules]
    return [_line_of(*pair) for pair in zip([device, *modules], [twin, *twins], strict=True)]


def _line_of(one: HubIdentity, twin: HubTwin) -> Line:
    is_device = one.module_id is None
    return Line(
        id=one.device_id,
        module_id=one.module_id,
        e_tag=one.etag,
        status=one.status if is_device else None,
        status_reason=one.status_reason,
        managed_by=one.managed_by,
        authentication=one.authentication,
        twin_e_tag=twin.etag,
        capabilities=one.capabilities,
        tags=twin.tags,
        properties=twin.properties,
    )
