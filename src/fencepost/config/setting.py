"""One setting as its declaration says: of which kind, within which bounds, and what it is for."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from msgspec import Struct
from msgspec.structs import FieldInfo

from fencepost.config.place import Place

UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}
_SIZE = re.compile(rf"([0-9]{{1,12}}) ?({'|'.join(UNITS)})", re.ASCII)


class Key(Struct, frozen=True):
    """
    What a setting is for, in one line, and the least and the greatest value it may have.

    Bounds of durations are durations, those of sizes are bytes.
    """

    meaning: str
    least: Any = None
    greatest: Any = None


class Setting(Place):
    """A value of a settings file: a text is a text only if it stands in quotes."""

    def read(self, field: FieldInfo) -> Any:
        """Return the value as the declaration wants it; None, with the problem noted, where it is not that."""
        kind, key = get_args(field.type)
        if get_origin(kind) is Literal:
            return self.choice(get_args(kind))
        if kind is str and field.default == self.value == "":
            return ""  # what is off unless it is set
        if kind in _READERS:
            return _READERS[kind](self)
        read = self.span if kind is timedelta else self.size if field.name.endswith("_bytes") else self.whole
        return read(key.least, key.greatest)

    def file(self) -> Path | None:
        text = self.text()
        return None if text is None else Path(text)

    def text(self) -> str | None:
        if not isinstance(self.value, str):
            self.fault(f"expected a text in quotes, got {self._written()}")
            return None
        if not self.value or not self.value.isprintable():
            self.fault("expected a text of printable characters")
            return None
        return self.value

    def size(self, least: int, greatest: int) -> int | None:
        """Return a number of bytes, which may be written as in "64MiB"."""
        if not isinstance(self.value, str):
            return self.whole(least, greatest)
        match = _SIZE.fullmatch(self.value)
        if match is None:
            self.fault(
                f"{self.value!r} is not a size: write it as in 64MiB or 500kB, or as a number of bytes"
            )
            return None
        size = int(match[1]) * UNITS[match[2]]
        if not least <= size <= greatest:
            self.fault(f"{self.value} is not between {size_text(least)} and {size_text(greatest)}")
            return None
        return size

    def span(self, least: timedelta, greatest: timedelta) -> timedelta | None:
        span = self.duration()
        if span is not None and not least <= span <= greatest:
            self.fault(f"{self.value} is not between {span_text(least)} and {span_text(greatest)}")
            return None
        return span


_READERS: dict[Any, Callable[[Setting], Any]] = {
    bool: Setting.flag,
    str: Setting.text,
    Path: Setting.file,
    tuple[str, ...]: Setting.texts,
}


def size_text(size: int) -> str:
    """Return a size the way people write it: 8MiB."""
    unit = next((name for name in ("GiB", "MiB", "KiB") if size and size % UNITS[name] == 0), "B")
    return f"{size // UNITS[unit]}{unit}"


def span_text(span: timedelta) -> str:
    """Return a duration in ISO 8601, in the greatest unit of which it is a multiple: PT5M, PT0.005S."""
    for unit, length in (("H", timedelta(hours=1)), ("M", timedelta(minutes=1))):
        if span and not span % length:
            return f"PT{span // length}{unit}"
    return f"PT{span.total_seconds():.6f}".rstrip("0").rstrip(".") + "S"
