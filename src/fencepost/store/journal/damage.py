"""What is wrong with a journal: where, which entries are missing for it, and what was done."""

from msgspec import Struct


class Damage(Struct, frozen=True, kw_only=True):
    """
    A place in a segment that should hold a frame and does not.

    The entries from `first_missing` to `last_missing` are not in the journal for it. Both are None where
    none are missing; `last_missing` alone is None where nobody can say how many there were.
    """

    segment: str
    offset: int
    size: int
    reason: str
    first_missing: int | None
    last_missing: int | None
    done: str = "passed over"

    def __str__(self) -> str:
        place = f"{self.segment}, byte {self.offset:,} to {self.offset + self.size:,}"
        return f"{place}: {self.reason}, {_missing(self.first_missing, self.last_missing)} ({self.done})"


class Gap(Struct, frozen=True, kw_only=True):
    """Entries that no segment has a place for: a file is missing, or they were given up; seen at `segment`."""

    segment: str
    first_missing: int
    last_missing: int

    def __str__(self) -> str:
        return f"{self.segment}: {_missing(self.first_missing, self.last_missing)}: no file holds them"


def _missing(first: int | None, last: int | None) -> str:
    if first is None:
        return "no entry is missing"
    if last is None:
        return f"entries from position {first} on may be missing"
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
