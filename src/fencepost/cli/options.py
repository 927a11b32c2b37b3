"""The options and arguments that several commands share, and what they mean."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fencepost.cli.output import progress
from fencepost.config.durations import parse_duration
from fencepost.model.errors import OperatorError, Problem
from fencepost.service.replay import EARLIEST, LATEST
from fencepost.sources.files import STANDARD_INPUT, DeviceIdFrom, Record, Unreadable, read, total_size
from fencepost.wire.body import LIMIT

Paths = Annotated[
    list[Path],
    typer.Argument(metavar="PATH", help="Files or folders with messages; - is the standard input."),
]
GroupsOption = Annotated[
    Path, typer.Option("--groups", metavar="FILE", help="The groups file: the rules and whose they are.")
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="ID", help="The device of messages whose wrapper names none."),
]
LimitOption = Annotated[
    int, typer.Option("--limit", metavar="BYTES", min=1, help="The greatest size of one message.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
UntilOption = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="TIME",
        help="Move the clock on behind the last message, so that silence falls due: a time (ISO 8601, "
        "UTC unless it says otherwise), or a duration such as PT1H after the last receive time.",
    ),
]


class DeviceFrom(StrEnum):
    """Where the id of a message's device may come from."""

    anywhere = "anywhere"
    wrapper = "wrapper"
    option = "option"
    filename = "filename"


DeviceFromOption = Annotated[
    DeviceFrom,
    typer.Option(
        "--device-from",
        help="Where the id of a device comes from. anywhere: the wrapper of the message, else --device, "
        "else the name of the file.",
    ),
]
_SOURCES: dict[DeviceFrom, DeviceIdFrom] = {
    DeviceFrom.anywhere: "anywhere",
    DeviceFrom.wrapper: "wrapper",
    DeviceFrom.option: "option",
    DeviceFrom.filename: "file name",
}
DEFAULT_LIMIT = LIMIT


def wall_clock() -> datetime:
    return datetime.now(UTC)


def messages(
    paths: list[Path],
    device: str | None,
    device_from: DeviceFrom,
    limit: int,
    label: str,
    *,
    while_printing: bool = False,
) -> Iterator[Record | Unreadable]:
    """Yield every message of the paths, and every place without one, while a bar shows the progress."""
    if device_from is DeviceFrom.option and not device:
        raise OperatorError([Problem("--device-from option", "--device ID is missing")])
    total = None if STANDARD_INPUT in paths else total_size(paths)
    with progress(label, total, while_printing=while_printing) as step:
        yield from read(
            paths, device_id=device, device_id_from=_SOURCES[device_from], limit=limit, on_bytes=step
        )


def until_of(text: str | None) -> Callable[[datetime], datetime] | None:
    """Return what gives the end of the time axis for a last receive time; raises OperatorError."""
    if text is None:
        return None
    moment = _duration(text) if text.lstrip("-").startswith("P") else _time(text)
    return lambda last: _bounded(last, moment) if isinstance(moment, timedelta) else moment


def _bounded(last: datetime, span: timedelta) -> datetime:
    return min(last + span, LATEST) if span < LATEST - last else LATEST


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise OperatorError([Problem("--until", str(error))]) from None


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        reason = f"{text!r} is neither a time, such as 2026-11-24T05:00:00Z, nor a duration, such as PT1H"
        raise OperatorError([Problem("--until", reason)]) from None
    if not EARLIEST <= moment < LATEST:
        raise OperatorError([Problem("--until", f"{text!r} is not between the years 2000 and 2999")])
    return moment
