"""`fencepost decode`: what the decoders understood of messages."""

from collections.abc import Iterator

import typer
from msgspec import Struct

from fencepost.cli import options
from fencepost.cli.options import DeviceFrom, DeviceFromOption, DeviceOption, JsonOption, LimitOption, Paths
from fencepost.cli.output import Lines, plural, say
from fencepost.cli.summary import refusals_of
from fencepost.model.errors import DeviceError, OperatorError, Problem
from fencepost.model.event import Rejected
from fencepost.model.raw_event import RawEvent
from fencepost.service.refusals import Refusals
from fencepost.sources.files import Record, Unreadable
from fencepost.wire.message import decode as understood_by_rules
from fencepost.wire.message import rows


class Refused(Struct, frozen=True):
    """A line of output for what could not be decoded."""

    rejected: str
    where: str


def register(app: typer.Typer) -> None:
    app.command(short_help="Print what the decoders understood.")(decode)


def decode(
    paths: Paths,
    device: DeviceOption = None,
    device_from: DeviceFromOption = DeviceFrom.anywhere,
    limit: LimitOption = options.DEFAULT_LIMIT,
    json: JsonOption = False,
) -> None:
    """
    Print what the decoders understood: a line of JSON for each payload, and for all that is rejected.

    A payload is a row of the table SecurityIoTRawEvent; what is rejected says why and where. The output
    is JSON lines, with --json or without. Exits with 2 if nothing could be understood.

    \b
    Example:
      fencepost decode messages/cam-0001.json
      fencepost decode --device plc-7 capture.bin | jq .EventDetails
    """
    reading = Reading(limit)
    lines = Lines()
    for record in options.messages(paths, device, device_from, limit, "decoding", while_printing=True):
        for line in reading.lines_of(record):
            lines.write(line)
    lines.flush()
    for text in reading.summary():
        say(text, error=True)
    if not reading.understood:
        raise OperatorError([Problem("", "nothing could be decoded")])


class Reading:
    """Decodes records and counts what came of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages = self._rows = self._empty = 0
        self._refusals = Refusals()

    @property
    def understood(self) -> int:
        """The rows, and the messages that were understood although they have none."""
        return self._rows + self._empty

    def lines_of(self, record: Record | Unreadable) -> Iterator[RawEvent | Refused]:
        if isinstance(record, Unreadable):
            yield self._refused(record.reason, record.origin)
            return
        try:
            found = rows(record.body, self._limit, device_id=record.device_id)
        except DeviceError as error:
            yield self._refused(error.reason, _place(record.origin, error.where))
            return
        self._messages += 1
        before = self._rows
        for row in found:
            if isinstance(row, Rejected):
                yield self._refused(row.reason, _place(record.origin, row.where))
            else:
                self._rows += 1
                yield row
        if self._rows == before and understood_by_rules(record.body, self._limit).events:
            self._empty += 1

    def summary(self) -> Iterator[str]:
        yield f"{'read':<15}{plural(self._messages, 'message')}, {plural(self._rows, 'payload')}"
        if self._refusals.total:
            yield f"{'rejected':<15}{self._refusals.total:,}"
            yield from refusals_of(self._refusals)

    def _refused(self, reason: str, where: str) -> Refused:
        self._refusals.add(where, reason)
        return Refused(reason, where)


def _place(origin: str, where: str) -> str:
    return f"{origin}: {where}" if where else origin
