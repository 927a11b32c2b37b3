"""A value of a configuration file, read as what it should be; what is wrong is collected, never raised."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Self

from fencepost.config.durations import parse_duration
from fencepost.config.yaml_tree import Json, Tree, join
from fencepost.model.errors import Problem

_LONGEST_SUGGESTED = 64
_MOST_SUGGESTIONS = 500


class Place:
    """
    One value and where it stands.

    Every reading method returns None, after it has noted the problem, where the value is not what it
    should be; so a reader goes on and an operator hears of everything at once.
    """

    __slots__ = ("path", "problems", "tree", "value")

    def __init__(self, tree: Tree, problems: list[Problem], path: str, value: Json) -> None:
        self.tree = tree
        self.problems = problems
        self.path = path
        self.value = value

    def fault(self, reason: str) -> None:
        self.problems.append(self.tree.located(Problem(self.path, reason)))

    def faults(self, problems: Iterable[Problem]) -> None:
        """Take over problems that the model found, each with its own path."""
        self.problems += map(self.tree.located, problems)

    @property
    def line(self) -> int:
        return self.tree.line_of(self.path)

    def fields(self, known: Sequence[str], required: Sequence[str] = ()) -> dict[str, Self]:
        """Return the members of a mapping that are known; unknown and missing ones are faults."""
        if not isinstance(self.value, dict):
            self.fault(f"expected a mapping of keys and values, got {_kind(self.value)}")
            return {}
        for key in self.value:
            if key not in known:
                self._at(key, self.value[key]).unknown("key", key, known)
        for key in required:
            if key not in self.value:
                self.fault(f"the key {key!r} is missing")
        return {key: self._at(key, value) for key, value in self.value.items() if key in known}

    def members(self) -> dict[str, Self]:
        """Return the members of a mapping whose keys are names that the owner gave."""
        return self.fields(tuple(self.value)) if isinstance(self.value, dict) else self.fields(())

    def items(self) -> list[Self]:
        if not isinstance(self.value, list):
            scalar = self.value is not None and not isinstance(self.value, dict)
            mend = f"write [{self.value}]" if scalar else "write [] for an empty one"
            self.fault(f"expected a list, got {_kind(self.value)}: {mend}")
            return []
        return [self._at(index, value) for index, value in enumerate(self.value)]

    def text(self) -> str | None:
        """Return the text that was written, whatever YAML takes it for."""
        if self.value is None or isinstance(self.value, list | dict):
            self.fault(f"expected a text, got {_kind(self.value)}")
            return None
        return self.tree.texts[self.path]

    def texts(self) -> tuple[str, ...]:
        return tuple(text for item in self.items() if (text := item.text()) is not None)

    def whole(self, low: int = 0, high: int = 10**12) -> int | None:
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            quoted = " without quotes" if isinstance(self.value, str) and self.value.isdecimal() else ""
            self.fault(f"expected a whole number{quoted}, such as 30, got {self._written()}")
            return None
        if not low <= self.value <= high:
            self.fault(f"{self.value} is not between {low} and {high}")
            return None
        return self.value

    def flag(self) -> bool | None:
        if not isinstance(self.value, bool):
            self.fault(f"expected true or false, got {self._written()}")
            return None
        return self.value

    def duration(self) -> timedelta | None:
        if not isinstance(self.value, str):
            self.fault(f"expected a duration in ISO 8601, such as PT5M, got {self._written()}")
            return None
        try:
            return parse_duration(self.value)
        except ValueError as error:
            self.fault(str(error))
            return None

    def moment(self) -> datetime | None:
        """Return a moment, in UTC."""
        text = self.text()
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fault(f"{text!r}: expected a moment with its time zone, such as 2026-12-24T00:00:00Z")
            return None
        return moment.astimezone(UTC)

    def choice(self, options: Sequence[str]) -> str | None:
        text = self.text()
        if text is None or text in options:
            return text
        self.fault(f"{text!r} is not one of {', '.join(options)}{self.suggestion(text, options)}")
        return None

    def unknown(self, what: str, name: str, known: Sequence[str]) -> None:
        """Note that a name is not known, with the nearest one that is."""
        hint = self.suggestion(name, known) or f": expected one of {', '.join(known)}"
        self.fault(f"unknown {what} {name!r}{hint}")

    def suggestion(self, name: str, known: Iterable[str]) -> str:
        """Return `: did you mean 'x'?` where a known name is near, else an empty text."""
        if len(name) > _LONGEST_SUGGESTED or len(self.problems) > _MOST_SUGGESTIONS:
            return ""
        folded = {word.casefold(): word for word in known}
        near = get_close_matches(name.casefold(), folded, n=1)
        return f": did you mean {folded[near[0]]!r}?" if near else ""

    def _at(self, step: str | int, value: Json) -> Self:
        return type(self)(self.tree, self.problems, join(self.path, step), value)

    def _written(self) -> str:
        written = self.tree.texts.get(self.path)
        return repr(written) if written and self.value is not None else _kind(self.value)


def _kind(value: Json) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
    return "a mapping"
