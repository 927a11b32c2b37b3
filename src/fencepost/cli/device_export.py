"""`fencepost devices export`: a whole fleet out, as an IoT Hub exports it."""

import os
from collections.abc import Callable
from pathlib import Path

from fencepost.cli.access import talk_to_hub, target_of
from fencepost.cli.output import Lines, encoded, not_made, plural, printable, progress, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.hub import Hub
from fencepost.client.hub_shapes import HubIdentity, HubTwin, Line
from fencepost.client.tasks import gathered
from fencepost.model.identity import IdentityKey

FILE_MODE = 0o600
Write = Callable[[Line], object]


def run_export(stated: Stated, file: Path | None, *, json: bool) -> None:
    """Export to a new file, or (None) to the standard output; raises OperatorError."""
    access = target_of(stated).access
    if file is None:
        lines = Lines()
        talk_to_hub(access, lambda hub: _export(hub, lines.write))
        lines.flush()
        return
    with os.fdopen(_opened(file), "wb") as out:
        written = talk_to_hub(access, lambda hub: _export(hub, lambda line: out.write(encoded(line) + b"\n")))
    if json:
        write_lines([{"file": str(file), "lines": written}])
    else:
        say(printable(f"{file}: {plural(written, 'line')} with the keys of all devices: keep it secret"))


def _opened(file: Path) -> int:
    """Return a file that was not there, and that nobody else may read."""
    try:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except OSError as error:
        raise not_made(str(file), error) from error


async def _export(hub: Hub, write: Write) -> int:
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
    return Line(
        id=one.device_id,
        module_id=one.module_id,
        e_tag=one.etag,
        status=one.status if one.module_id is None else None,
        status_reason=one.status_reason,
        managed_by=one.managed_by,
        authentication=one.authentication,
        twin_e_tag=twin.etag,
        capabilities=one.capabilities,
        tags=twin.tags,
        properties=twin.properties,
    )
