"""What could not be read, by reason: every case is counted, and of each reason a few places are kept."""

from collections.abc import Iterator

from msgspec import Struct

PLACES = 3
REASONS = 50
OTHER = "other reasons"


class Refusal(Struct, frozen=True):
    """One reason, how often it came up, and the first places where it did."""

    reason: str
    count: int
    places: tuple[str, ...]


class Refusals:
    """Bounded memory of refusals, however many a hostile input makes."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._places: dict[str, list[str]] = {}

    def add(self, place: str, reason: str) -> None:
        if reason not in self._counts and len(self._counts) >= REASONS:
            place, reason = f"{place}: {reason}", OTHER
        self._counts[reason] = self._counts.get(reason, 0) + 1
        places = self._places.setdefault(reason, [])
        if len(places) < PLACES:
            places.append(place)

    @property
    def total(self) -> int:
        return sum(self._counts.values())

    def __iter__(self) -> Iterator[Refusal]:
        """Yield the reasons, the most frequent first."""
        for reason, count in sorted(self._counts.items(), key=lambda item: -item[1]):
            yield Refusal(reason, count, tuple(self._places[reason]))
