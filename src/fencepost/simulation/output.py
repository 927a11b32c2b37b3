"""A simulated fleet as files: its messages, the groups that judge them, and the alerts that must come."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, json

from fencepost.model.errors import OperatorError, Problem
from fencepost.simulation.device import Delivery
from fencepost.simulation.fleet import Fleet
from fencepost.simulation.groups import GROUPS, groups_text

MESSAGES, EXPECTED = "messages.ndjson", "expected.json"


class Summary(Struct, frozen=True):
    """What was written."""

    folder: Path
    devices: int
    messages: int
    bytes: int
    alerts: int


def write(
    out: Path, fleet: Fleet, progress: Callable[[float], None] = lambda _: None, *, overwrite: bool = False
) -> Summary:
    """
    Write messages.ndjson, groups.yaml and expected.json to a folder, which is made if it is not there.

    Each file appears under its name when it is whole, expected.json last. `progress` hears the share of
    the simulated time that has passed. Raises OperatorError for a folder that holds anything, unless
    told to `overwrite`, and for one that cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not overwrite and next(out.iterdir(), None) is not None:
            raise OperatorError([Problem(str(out), "the folder is not empty")])
        (out / EXPECTED).unlink(missing_ok=True)
        number, size = _write_messages(out, fleet, progress)
        _replace(out / GROUPS, groups_text())
        _replace(out / EXPECTED, json.format(json.encode(fleet.expected), indent=1) + b"\n")
    except OSError as error:
        raise OperatorError([Problem(str(out), f"cannot be written: {error.strerror or error}")]) from error
    progress(1.0)
    return Summary(out, len(fleet.devices), number, size, len(fleet.expected))


def line_of(delivery: Delivery) -> bytes:
    """Return a message in the wrapper that names its device: one line of JSON, and its line end."""
    head = json.encode({"device_id": delivery.device_id, "received_at": delivery.received_at})[:-1]
    if delivery.body.startswith(b"{"):
        return b'%b,"body":%b}\n' % (head, delivery.body)
    return b'%b,"body_base64":"%b"}\n' % (head, b64encode(delivery.body))


def _write_messages(out: Path, fleet: Fleet, progress: Callable[[float], None]) -> tuple[int, int]:
    number = size = 0
    part = out / f".{MESSAGES}.part"
    with part.open("wb") as file:
        for delivery in fleet:
            line = line_of(delivery)
            file.write(line)
            number, size = number + 1, size + len(line)
            progress(min(1.0, (delivery.received_at - fleet.start) / fleet.duration))
    part.replace(out / MESSAGES)
    return number, size


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
