"""
Files of devices to import, read without a service: exports of an IoT Hub (JSON lines), and CSV with a header.

All that is wrong is named, each thing with its line. What another service wrote for itself (etags, metadata of
twins, reported properties, what to do with a line) is left behind.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any, get_args

import msgspec
from msgspec import Struct

from fencepost.client.hub_shapes import HubAuthentication, HubProperties, Keys, Line, Thumbprints
from fencepost.model.errors import Problem
from fencepost.model.identity import DEVICE_TAG, SECURITY_MODULE, AuthenticationType, IdentityKey, Status
from fencepost.service.registry.drafts import Draft, problems_of_draft
from fencepost.service.registry.sections import (
    PROPERTIES_BYTES,
    TAGS_BYTES,
    cleaned,
    problems_of,
    size_of,
)

COLUMNS = (
    *("id", "group", "status", "primary_key", "secondary_key"),
    *("primary_thumbprint", "secondary_thumbprint", "authentication"),
)
_AUTHENTICATIONS = {one.lower(): one for one in get_args(AuthenticationType)}
_MEMBERS = {"deviceId": "id"}
"""How files call what the registry has another path for."""
_NO_SUCH_VALUE = re.compile(r"Invalid enum value (.*)", re.DOTALL)
_TRUNCATED = "Input data was truncated"
"""What the decoder says."""
_VALUES = {
    "status": "is neither enabled nor disabled",
    "authentication.type": f"is none of {', '.join(_AUTHENTICATIONS.values())}",
}
_DELETES = "delete"
_PLACE = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)
"""How the decoder names the place of what does not fit."""


class Entry(Struct, frozen=True):
    """A device or a module that is in order; `line` counts from 1."""

    line: int
    item: Line
    needs_keys: bool


class DeviceFile(Struct, frozen=True):
    """What a file holds, and what is wrong with the rest of it, in the order of the lines."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


def parse(content: bytes, file: str) -> DeviceFile:
    """Return the devices of a file; its first character tells what it is."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return DeviceFile((), (Problem("", "this is no text in UTF-8", file, line),))
    reading = _Reading(file)
    reading.take(_json_lines(text, file) if text.lstrip()[:1] == "{" else _rows(text, file))
    return DeviceFile(tuple(reading.entries), tuple(reading.problems))


class _Reading:
    """The lines of a file, one after the other."""

    def __init__(self, file: str) -> None:
        self.entries: list[Entry] = []
        self.problems: list[Problem] = []
        self._file = file
        self._lines: dict[IdentityKey, int] = {}

    def take(self, lines: Iterable[tuple[int, Line] | Problem]) -> None:
        for one in lines:
            if isinstance(one, Problem):
                self.problems.append(one)
            else:
                self._take(*one)

    def _take(self, number: int, line: Line) -> None:
        draft = _draft_of(line)
        problems = [*problems_of_draft(draft), *_of_twin(line), *self._of_place(line, number)]
        if problems:
            self.problems += (
                Problem(_MEMBERS.get(one.path, one.path), one.reason, self._file, number) for one in problems
            )
            return
        known = draft.authentication
        has_keys = known.type != "sas" or bool(known.primary_key or known.secondary_key)
        comes_anyway = line.module_id == SECURITY_MODULE
        self.entries.append(Entry(number, _ready(line, draft), not (has_keys or comes_anyway)))

    def _of_place(self, line: Line, number: int) -> Iterator[Problem]:
        first = self._lines.setdefault(line.key, number)
        if first != number:
            yield Problem("id", f"{line.key} stands in line {first} already")
        if (line.import_mode or "").lower().startswith(_DELETES):
            yield Problem("importMode", "an import deletes nothing: `fencepost devices delete` does")


def _draft_of(line: Line) -> Draft:
    return Draft(
        key=line.key,
        authentication=(line.authentication or HubAuthentication()).read(),
        status=line.status or "enabled",
        status_reason=line.status_reason,
        managed_by=line.managed_by,
        is_edge=bool((line.capabilities or {}).get("iotEdge")),
    )


def _of_twin(line: Line) -> Iterator[Problem]:
    for path, section, most in (
        ("tags", line.tags, TAGS_BYTES),
        ("properties.desired", _desired(line), PROPERTIES_BYTES),
    ):
        if section is not None:
            yield from problems_of(own := cleaned(section), path)
            if size_of(own) > most:
                yield Problem(path, f"at most {most} bytes are taken")


def _desired(line: Line) -> dict[str, Any] | None:
    return line.properties.desired if line.properties is not None else None


def _ready(line: Line, draft: Draft) -> Line:
    """Return a line as it is sent."""
    desired = _desired(line)
    return Line(
        id=line.id,
        module_id=line.module_id,
        status=line.status if line.module_id is None else None,
        status_reason=line.status_reason,
        managed_by=line.managed_by,
        authentication=HubAuthentication.of(draft.authentication),
        capabilities=line.capabilities,
        tags=cleaned(line.tags) if line.tags is not None else None,
        properties=HubProperties(cleaned(desired)) if desired is not None else None,
    )


# an export of an IoT Hub


def _json_lines(text: str, file: str) -> Iterator[tuple[int, Line] | Problem]:
    decode = msgspec.json.Decoder(Line).decode
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, decode(line)
            except msgspec.ValidationError as error:
                path, reason = _placed(str(error))
                yield Problem(path, _worded(path, reason), file, number)
            except (msgspec.DecodeError, RecursionError) as error:
                yield Problem("", _reason_of(error), file, number)


def _placed(said: str) -> tuple[str, str]:
    found = _PLACE.fullmatch(said)
    return ("", said) if found is None else (found[2], found[1])


def _worded(path: str, reason: str) -> str:
    """Return why a member does not fit, of those with few values in our words."""
    found = _NO_SUCH_VALUE.fullmatch(reason)
    if found is None or path not in _VALUES:
        return reason
    return f"{found[1]} {_VALUES[path]}"


def _reason_of(error: Exception) -> str:
    if str(error) == _TRUNCATED:
        return "the line ends too early: is the file complete?"
    return f"this is no line of JSON: {error}"


# CSV


def _rows(text: str, file: str) -> Iterator[tuple[int, Line] | Problem]:
    head = text.partition("\n")[0]
    delimiter = ";" if ";" in head and "," not in head else ","  # as spreadsheets write it where , is decimal
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begun = 1
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        problems = [*_of_header(names, file)]
        yield from problems
        for row in () if problems else reader:
            line, begun = begun + 1, reader.line_num
            yield from _of_row(names, row, file, line)
    except csv.Error as error:
        yield Problem("", f"this is no CSV: {error}", file, reader.line_num)


def _of_header(names: list[str], file: str) -> Iterator[Problem]:
    for name in names:
        if name not in COLUMNS:
            yield Problem(name, f"there is no such column; there are {', '.join(COLUMNS)}", file, 1)
        elif names.count(name) > 1:
            yield Problem(name, "this column stands twice", file, 1)
            return
    if "id" not in names:
        reason = (
            "neither an export of an IoT Hub in JSON lines, nor CSV with a column named id in its first line"
        )
        yield Problem("", reason, file, 1)


def _of_row(names: list[str], row: list[str], file: str, number: int) -> Iterator[tuple[int, Line] | Problem]:
    if not any(cell.strip() for cell in row):
        return
    if len(row) != len(names):
        yield Problem("", f"{len(row)} cells, but the first line has {len(names)}", file, number)
        return
    cells = {name: cell.strip() or None for name, cell in zip(names, row, strict=True)}
    try:
        yield number, _line_of(cells)
    except ValueError as error:
        path, reason = error.args
        yield Problem(path, reason, file, number)


def _line_of(cells: dict[str, str | None]) -> Line:
    """Return what a row says; raises ValueError with a column and a reason."""
    group, said = cells.get("group"), cells.get("authentication")
    kind = _AUTHENTICATIONS.get(said.lower()) if said is not None else None
    if said is not None and kind is None:
        raise ValueError("authentication", f"is one of {', '.join(_AUTHENTICATIONS.values())}")
    authentication = HubAuthentication(
        kind,
        Keys(cells.get("primary_key"), cells.get("secondary_key")),
        Thumbprints(cells.get("primary_thumbprint"), cells.get("secondary_thumbprint")),
    )
    return Line(
        id=cells.get("id") or "",
        status=_status_of(cells.get("status")),
        authentication=authentication,
        tags={DEVICE_TAG: group} if group is not None else None,
    )


def _status_of(cell: str | None) -> Status | None:
    """Return a status, None where none is named; raises ValueError with a column and a reason."""
    match cell.lower() if cell is not None else None:
        case None:
            return None
        case "enabled":
            return "enabled"
        case "disabled":
            return "disabled"
        case other:
            raise ValueError("status", f"{other!r} {_VALUES['status']}")
