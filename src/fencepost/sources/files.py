"""
Security messages from files, folders and the standard input.

What a file holds is told by its content, not by its name:

- gzip is unpacked, by its first bytes;
- a NUL among the first four bytes, or a first byte that begins no JSON value, makes the whole file one
  message: JSON text has neither, and a FlatBuffers message below 16 MB always has the NUL;
- JSON lines, if the first line is a complete JSON value: these are read line by line, however long;
- `[` otherwise begins an array of messages, anything else one message over many lines. These two are read
  whole, up to 64 MB. If that fails, but some line begins with `{` and is complete, the file is JSON lines
  with a damaged first line.

In a folder, files named *.json, *.jsonl, *.ndjson and *.bin, perhaps with .gz behind, are read in the order
of their names, folders among them too; hidden ones are passed over. A file that is named is always read.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from msgspec import DecodeError, Raw, Struct, json

from fencepost.sources.stream import Broken, ByteStream, TooLong, chunks_of
from fencepost.sources.wrapper import Letter, check_json, unwrap, wrapped_size
from fencepost.wire.body import LIMIT

WHOLE = 64 << 20
"""What is read into memory of a file that is not JSON lines."""
STANDARD_INPUT = Path("-")
SUFFIXES = (".json", ".jsonl", ".ndjson", ".bin")
PACKED = (".gz", ".gzip")
BEGINS_JSON = b'{["-0123456789tfn'
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

DeviceIdFrom = Literal["anywhere", "wrapper", "option", "file name"]


class Record(Struct, frozen=True):
    """
    One message as it was read: nothing of it has been judged.

    `origin` is the file with the line (`fleet.ndjson:17`) or the element (`fleet.json[3]`) in it.
    """

    device_id: str
    body: bytes
    received_at: datetime | None
    origin: str


class Unreadable(Struct, frozen=True):
    """A file, or a place in one, from which no message can be taken."""

    origin: str
    reason: str


class _Naming(Struct, frozen=True):
    option: str | None
    source: DeviceIdFrom
    limit: int

    def device(self, wrapped: str | None, stem: str) -> str | None:
        match self.source:
            case "anywhere":
                return wrapped or self.option or stem
            case "wrapper":
                return wrapped
            case "option":
                return self.option
            case "file name":
                return stem


def read(
    paths: Sequence[Path],
    *,
    device_id: str | None = None,
    device_id_from: DeviceIdFrom = "anywhere",
    limit: int = LIMIT,
    on_bytes: Callable[[int], None] = lambda _: None,
    standard_input: BinaryIO | None = None,
) -> Iterator[Record | Unreadable]:
    """
    Yield every message of the paths, in order, and every place where one cannot be read.

    The device of a message is the one that its wrapper names, else `device_id`, else the name of its file
    without suffixes (`stdin` for the standard input, which is the path `-`); `device_id_from` allows only
    one of the three. A message beyond `limit` bytes is Unreadable. `on_bytes` hears of progress in the
    measure of `total_size`. What is wrong with an input is yielded, never raised.
    """
    naming = _Naming(device_id, device_id_from, limit)
    for found in _files(paths):
        if isinstance(found, Unreadable):
            yield found
        elif found == STANDARD_INPUT:
            yield from _read_file(standard_input or sys.stdin.buffer, "stdin", "stdin", naming, on_bytes)
        else:
            try:
                file = found.open("rb")
            except (OSError, ValueError) as error:  # ValueError: a NUL in the name
                yield Unreadable(str(found), f"cannot be opened: {_why(error)}")
                continue
            with file:
                yield from _read_file(file, str(found), device_of(found), naming, on_bytes)


def total_size(paths: Sequence[Path]) -> int:
    """Return the bytes that `read` will take from these paths; the standard input counts nothing."""
    total = 0
    for found in _files(paths):
        if isinstance(found, Path) and found != STANDARD_INPUT:
            try:
                total += found.stat().st_size
            except (OSError, ValueError):
                continue
    return total


def device_of(path: Path) -> str:
    """Return the device that a file is named after: `py-dev.01.json.gz` is of `py-dev.01`."""
    name = path.name
    for suffixes in (PACKED, (*SUFFIXES, ".txt", ".log")):
        for suffix in suffixes:
            if name.lower().endswith(suffix) and len(name) > len(suffix):
                name = name[: -len(suffix)]
                break
    return name


def _files(paths: Sequence[Path]) -> Iterator[Path | Unreadable]:
    for path in paths:
        if path != STANDARD_INPUT and _is(path, "folder"):
            anything = False
            for found in _files_below(path, set()):
                anything = True
                yield found
            if not anything:
                yield Unreadable(str(path), f"no messages in this folder ({', '.join(SUFFIXES)}, or .gz)")
        else:
            yield path


def _naturally(name: str) -> list[tuple[int, str]]:
    """The key by which `part-2` comes before `part-10`."""
    pieces = re.split(r"(\d+)", name)
    return [(int(piece), "") if piece.isascii() and piece.isdigit() else (-1, piece) for piece in pieces]


def _files_below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path | Unreadable]:
    try:
        status = folder.stat()
        names = sorted(os.listdir(folder), key=_naturally)  # noqa: PTH208 - names are what is sorted
    except OSError as error:
        yield Unreadable(str(folder), f"cannot be opened: {_why(error)}")
        return
    here = (status.st_dev, status.st_ino)
    if here in seen:  # a symbolic link leads here again, perhaps without end
        return
    seen.add(here)
    for name in names:
        path = folder / name
        if name.startswith("."):
            continue
        if _is(path, "folder"):
            yield from _files_below(path, seen)
        elif name.lower().endswith((*SUFFIXES, *PACKED)) and not _is(path, "special"):
            yield path


def _is(path: Path, kind: Literal["folder", "special"]) -> bool:
    """A broken link is neither; a pipe or a device in a folder would be waited for without end."""
    try:
        return path.is_dir() if kind == "folder" else path.exists() and not path.is_file()
    except (OSError, ValueError):
        return False


def _read_file(
    file: BinaryIO, name: str, stem: str, naming: _Naming, on_bytes: Callable[[int], None]
) -> Iterator[Record | Unreadable]:
    stream = ByteStream(chunks_of(file, on_bytes))
    for found in _letters(stream, name, naming.limit):
        if isinstance(found, Unreadable):
            yield found
            continue
        origin, letter = found
        device = naming.device(letter.device_id, stem)
        if len(letter.body) > naming.limit:
            yield Unreadable(origin, _too_large(naming.limit))
        elif device is None:
            yield Unreadable(origin, f"no device id: the {naming.source} gives none")
        else:
            yield Record(device, letter.body, letter.received_at, origin)


_Found = tuple[str, Letter] | Unreadable


def _letters(stream: ByteStream, name: str, limit: int) -> Iterator[_Found]:
    line_limit = wrapped_size(limit)
    opening = stream.head(4)
    first = stream.first_line(line_limit)
    if opening.startswith(UTF16_MARKS):
        yield Unreadable(name, "UTF-16 text: save the file as UTF-8")
        return
    if opening.startswith(UTF8_MARK):
        stream.drop(len(UTF8_MARK))
        first = first.removeprefix(UTF8_MARK).lstrip()
    try:
        if not first:
            stream.whole(line_limit)
            yield Unreadable(name, "the file is empty")
        elif b"\0" in opening or first[0] not in BEGINS_JSON:
            yield name, Letter(stream.whole(limit))
        elif _is_complete(first) and not _is_lone_array(stream, first):
            yield from _lines(stream, name, line_limit)
        else:
            yield from _whole(stream, name, first, line_limit)
    except TooLong:
        yield Unreadable(name, _too_large(limit))
    except Broken as broken:
        yield Unreadable(name, str(broken))


def _is_lone_array(stream: ByteStream, first: bytes) -> bool:
    """Whether an array on one line is all there is; more lines behind it make it one of JSON lines."""
    if not first.startswith(b"["):
        return False
    try:
        return stream.whole(WHOLE).strip() == first.strip()
    except (TooLong, Broken):
        return False


def _lines(stream: ByteStream, name: str, line_limit: int) -> Iterator[_Found]:
    number = 0
    while True:
        number += 1
        origin = f"{name}:{number}"
        try:
            line = stream.line(line_limit)
        except TooLong:
            yield Unreadable(origin, f"the line has more than {line_limit:,} bytes")
            continue
        except Broken as broken:
            yield Unreadable(origin, str(broken))
            return
        if line is None:
            return
        if line := line.strip():
            yield _letter(origin, line)


def _whole(stream: ByteStream, name: str, first: bytes, line_limit: int) -> Iterator[_Found]:
    try:
        text = stream.whole(WHOLE).strip()
        if first.startswith(b"["):
            yield from _elements(name, text)
            return
        check_json(text)
    except TooLong:
        reason = f"more than {WHOLE >> 20} MB in one JSON value: write it as JSON lines, one message a line"
    except ValueError as error:
        reason = str(error)
    except Broken as broken:
        reason = str(broken)
    else:
        yield _letter(name, text)
        return
    if _has_lines(stream.opening(WHOLE)):
        yield from _lines(stream, name, line_limit)
    else:
        yield Unreadable(name, reason)


def _elements(name: str, text: bytes) -> Iterator[_Found]:
    check_json(text)
    elements = json.decode(text, type=list[Raw])
    if not elements:
        yield Unreadable(name, "the array is empty")
    for index, element in enumerate(elements):
        yield _letter(f"{name}[{index}]", bytes(element))


def _letter(origin: str, value: bytes) -> _Found:
    try:
        return origin, unwrap(value)
    except ValueError as error:
        return Unreadable(origin, str(error))


def _has_lines(text: bytes) -> bool:
    start = text.find(b"\n{")
    while start >= 0:
        end = text.find(b"\n", start + 1)
        if _is_complete(text[start + 1 : end if end >= 0 else len(text)]):
            return True
        start = text.find(b"\n{", start + 1)
    return False


def _is_complete(text: bytes) -> bool:
    try:
        json.decode(text, type=Raw)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _too_large(limit: int) -> str:
    return f"the message has more than {limit:,} bytes"


def _why(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
