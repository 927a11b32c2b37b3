"""
Errors say who must act.

    FencepostError
    ├── DeviceError        a device sent what cannot be read: kept, counted, never retried
    ├── OperatorError      a rule, a file or an option is wrong: named with file, line and path
    └── StoreUnavailable   a database cannot be reached now: tried again, nothing is lost meanwhile

Anything else that is raised is a fault of ours and is not caught on the way up.
"""

from collections.abc import Iterable

from msgspec import Struct


class FencepostError(Exception):
    """The root of every error that Fencepost raises on purpose."""


class DeviceError(FencepostError):
    """
    A message that cannot be read as a whole.

    `where` is the place in the message (`Events`, or an empty text for the message itself).
    """

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.reason = reason
        self.where = where


class Problem(Struct, frozen=True):
    """One thing that an operator must mend; `line` counts from 1 and is 0 where there is none."""

    path: str
    reason: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.path}: {self.reason}" if self.path else f"{place}{self.reason}"


class OperatorError(FencepostError):
    """All problems of one piece of configuration, at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class StoreUnavailable(FencepostError):  # noqa: N818 - a state of the world, not somebody's error
    """The control store cannot be reached at the moment; the same call may succeed later."""
