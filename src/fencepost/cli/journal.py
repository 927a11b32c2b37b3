"""`fencepost journal`: is all there, how much is it, and out with it again."""

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Raw, Struct, structs

from fencepost.cli.data import DEFAULT_DATA, ConfigOption, DataOption
from fencepost.cli.options import JsonOption
from fencepost.cli.output import Lines, plural, printable, progress, say, write_lines
from fencepost.config.service import load_settings
from fencepost.model.entry import Entry, Received, TurnedAway
from fencepost.sources.wrapper import check_json
from fencepost.store.journal.frame import FrameHeader, decompressor
from fencepost.store.journal.reading import JournalReader

NOT_WHOLE = 1


def register(root: typer.Typer) -> None:
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Check, measure and print the journal: all that devices sent, and all that people changed.",
    )
    app.command(short_help="Check every byte, and name what is damaged or missing.")(verify)
    app.command(short_help="Count what the journal holds.")(stats)
    app.command(short_help="Print the messages again, for detect and other programs.")(replay)
    root.add_typer(app, name="journal", epilog="Example: fencepost journal verify --data /var/lib/fencepost")


def verify(data: DataOption = DEFAULT_DATA, config: ConfigOption = None, json: JsonOption = False) -> None:
    """
    Check every byte of the journal, and name what is damaged or missing: file, offset and positions.

    Works while the service runs. Exits with 1 if anything is damaged or missing.

    \b
    Example:
      fencepost journal verify --data /var/lib/fencepost
    """
    reader = _reader(data, config)
    check = Check(segments=len(reader.segments()), bytes=_size(reader))
    with progress("checking", check.bytes) as step:
        for position, _ in reader.read(0, step):
            check.entries += 1
            check.first_position = check.first_position or position
            check.last_position = position
    if json:
        write_lines([_checked(check, reader)])
    else:
        _say_checked(check, reader)
    _exit_unless_whole(reader)


class Check(Struct):
    """What could be read; a position is 0 where there is no entry."""

    segments: int
    bytes: int
    entries: int = 0
    first_position: int = 0
    last_position: int = 0


def _checked(check: Check, reader: JournalReader) -> dict[str, Any]:
    return {
        **structs.asdict(check),
        "unfinished_bytes": reader.unfinished,
        "damages": reader.damages,
        "gaps": reader.gaps,
        "unnamed": reader.unnamed,
        "set_aside": reader.set_aside(),
    }


def _say_checked(check: Check, reader: JournalReader) -> None:
    for one in (*reader.damages, *reader.gaps):
        say(printable(str(one)))
    if reader.unnamed:
        say(f"and {reader.unnamed:,} more")
    for name in reader.set_aside():
        say(printable(f"{name}: a damaged segment that was set aside; what could be read of it was kept"))
    if reader.unfinished:
        end = f"{plural(reader.unfinished, 'byte')} of a commit that is not finished and not acknowledged"
        say(f"at the end, {end}")
    found = f"{plural(len(reader.damages), 'damage')}, {plural(len(reader.gaps), 'gap')}"
    say(
        f"{plural(check.entries, 'entry', 'entries')} in {plural(check.segments, 'segment')}, "
        f"positions {check.first_position} to {check.last_position}: {found}"
    )


def stats(data: DataOption = DEFAULT_DATA, config: ConfigOption = None, json: JsonOption = False) -> None:
    """
    Count what the journal holds: segments, entries by kind, positions, times, and bytes.

    Exits with 1 if anything is damaged or missing.

    \b
    Example:
      fencepost journal stats --data /var/lib/fencepost
    """
    reader = _reader(data, config)
    statistics = _statistics_of(reader)
    if json:
        write_lines([statistics])
    else:
        for label, text in _labelled(statistics):
            say(f"{label:<17}{text}")
    _exit_unless_whole(reader)


class Statistics(Struct):
    """What a journal holds; `raw_bytes` are those of the entries before compression."""

    segments: int
    disk_bytes: int
    commits: int = 0
    entries: int = 0
    kinds: dict[str, int] = {}
    first_position: int = 0
    last_position: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    raw_bytes: int = 0
    bytes_per_entry: float = 0.0

    def count(self, header: FrameHeader, entries: list[Entry]) -> None:
        """Take a commit into account."""
        self.commits += 1
        self.entries += len(entries)
        self.raw_bytes += header.raw
        self.bytes_per_entry = round(self.disk_bytes / max(1, self.entries), 1)
        self.first_position = self.first_position or header.first
        self.last_position = header.last
        for entry in entries:
            kind, at = _kind_of(entry), _time_of(entry)
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            self.first_at = at if self.first_at is None else min(self.first_at, at)
            self.last_at = at if self.last_at is None else max(self.last_at, at)


def _statistics_of(reader: JournalReader) -> Statistics:
    statistics = Statistics(segments=len(reader.segments()), disk_bytes=_size(reader))
    decompress = decompressor()
    with progress("counting", statistics.disk_bytes) as step:
        for frame in reader.frames():
            statistics.count(frame.header, reader.unpacked(frame, decompress))
            step(frame.header.size)
    return statistics


def _labelled(of: Statistics) -> Iterator[tuple[str, str]]:
    yield "segments", f"{of.segments:,}"
    yield "commits", f"{of.commits:,}"
    yield "entries", f"{of.entries:,}"
    for kind, number in of.kinds.items():
        yield f"  {kind}", f"{number:,}"
    if of.first_at is not None and of.last_at is not None:
        yield "positions", f"{of.first_position} to {of.last_position}"
        yield "times", f"{of.first_at:%Y-%m-%d %H:%M:%S} to {of.last_at:%Y-%m-%d %H:%M:%S}"
    yield "before zstd", f"{of.raw_bytes:,} bytes"
    yield "on disk", f"{of.disk_bytes:,} bytes, {of.bytes_per_entry} an entry"


def replay(
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
    after: Annotated[
        int, typer.Option("--after", metavar="POSITION", min=0, help="Begin behind this position.")
    ] = 0,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=0, help="Print at most so many lines.")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", metavar="ID", help="Only of this device.")] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Print entries that are no messages as well: operations, edits, ticks."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """
    Print the messages of the journal in the order of their receipt, each in a wrapper with its position.

    The output is JSON lines, with --json or without; a body that is not one line of JSON is base64.
    Exits with 1 if anything behind POSITION is damaged or missing.

    \b
    Examples:
      fencepost journal replay --data /var/lib/fencepost | fencepost detect --groups groups.yaml -
      fencepost journal replay --after 4710 --limit 1 | jq .body
    """
    reader = _reader(data, config)
    lines = Lines()
    with progress("printing", _size(reader), while_printing=True) as step:
        found = (
            (position, entry)
            for position, entry in reader.read(after, step)
            if (everything or isinstance(entry, Received)) and _is_of(entry, device)
        )
        for position, entry in islice(found, limit):
            lines.write(line_of(position, entry))
    lines.flush()
    for one in (*reader.damages, *reader.gaps):
        say(printable(str(one)), error=True)
    _exit_unless_whole(reader)


def line_of(position: int, entry: Entry) -> dict[str, Any]:
    """Return an entry as it is printed: a message in the wrapper that every command reads (`sources`)."""
    if not isinstance(entry, Received):
        return {"position": position, "entry": {"type": _kind_of(entry), **structs.asdict(entry)}}
    head = {"position": position, "device_id": entry.device_id, "received_at": entry.received_at}
    if entry.via is not None:
        head["via"] = entry.via
    if _is_a_line_of_json(entry.body):
        return {**head, "body": Raw(entry.body)}
    return {**head, "body_base64": entry.body}


def _is_a_line_of_json(body: bytes) -> bool:
    """Whether a body in a line is read again as exactly these bytes."""
    if not (body.startswith(b"{") and body.endswith(b"}")) or b"\n" in body or b"\r" in body:
        return False
    try:
        body.decode()
        check_json(body)
    except ValueError:
        return False
    return True


def _kind_of(entry: Entry) -> str:
    return str(entry.__struct_config__.tag)


def _time_of(entry: Entry) -> datetime:
    return entry.received_at if isinstance(entry, Received | TurnedAway) else entry.at


def _is_of(entry: Entry, device: str | None) -> bool:
    return device is None or getattr(entry, "device_id", None) == device


def _reader(data: Path, config: Path | None) -> JournalReader:
    return JournalReader(load_settings(data, config, os.environ).journal.folder)


def _size(reader: JournalReader) -> int:
    return sum(segment.size for segment in reader.segments())


def _exit_unless_whole(reader: JournalReader) -> None:
    if reader.damages or reader.gaps:
        raise typer.Exit(NOT_WHOLE)
