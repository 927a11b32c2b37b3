"""
What a range rule remembers of one device: points and spans, packed (S10, S11, S26).

A window is the array of its points, two integers each: time in microseconds and key. It is sorted by
both, so equal data gives equal memory in whatever order it came. A span is five integers in
`Window.spans`: first time, last time, fewest and most occurrences in between, and the key of the event
that stated it (0 for merged points); a negative fewest says that the occurrences are distinct keys that
may also occur elsewhere, so that they cannot be added to others.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Self

from fencepost.model.instant import SECOND
from fencepost.model.outcome import Finding

BYTES = 8
POINT = 2
SPAN = 5
CAPACITY = 4096 // BYTES
"""Integers that a window may hold (S26)."""
CHUNK = 8
"""Points that become one span when a window is full."""
NEAR = 8
"""Points that are passed one by one before the place of another is sought by halving."""
SLACK = 64
"""Integers that may come before a window is asked again whether it is full."""
PAIRING = 5 * SECOND
"""How far apart two records of one sign-in may be (S12, S13)."""

NEVER = 1 << 62
"""A moment that does not come."""

PAM, LOGIN, OTHER = 0, 1, 2
PAM_OPERATION = "PAM:authentication"

Span = tuple[int, int, int, int, int]
Tally = Callable[["array[int]", int, int], int]
"""Counts the occurrences among the entries [lo, hi), both even."""

Floor = Callable[["array[int]", int], list[int]]
"""Counts, for each chunk of points among the entries [0, stop), what it adds for certain to those before."""


class Watch:
    """
    What a window must be told when time passes: minimums that fall due and recoveries (S05, S21).

    `since` is where the first whole window begins. `due` is the next moment at which the count can have
    dropped, `resume` the next one at which the device can be back in its range, NEVER where there is none.
    `violated` is the latest violation that is not over, `shortfalls` the minimums missed of late, `pending`
    the maximums passed in the message at hand, told in the order of time with the rest (S05). `latest` is
    the latest event time seen, `eager` whether even an event in order must be noted.
    """

    __slots__ = (
        "due",
        "eager",
        "latest",
        "pending",
        "resume",
        "shortfalls",
        "since",
        "violated",
        "watermark",
    )

    def __init__(self, since: int) -> None:
        self.since = since
        self.watermark = since
        self.due = NEVER
        self.resume = NEVER
        self.violated: int | None = None
        self.shortfalls: tuple[int, ...] = ()
        self.pending: dict[int, Finding] | None = None
        self.latest = 0
        self.eager = True

    def settle(self) -> None:
        """Bring `eager` up to date after a change."""
        self.eager = self.due == NEVER or self.violated is not None or bool(self.shortfalls)

    def next_step(self) -> int:
        """Return the next moment to judge, NEVER where only a new event can change anything."""
        return min(self.resume, self.due)


if TYPE_CHECKING:
    _Numbers = array[int]
else:
    _Numbers = array


class Window(_Numbers):
    """
    The points and spans of one range rule and device.

    `room` is how many occurrences may still come before the latest window must be counted again: while it
    lasts the maximum cannot have been passed. `merged` says that points have become spans (S26).
    """

    __slots__ = ("merged", "room", "spans", "watch")

    merged: bool
    room: int
    spans: "array[int] | None"
    watch: Watch | None

    def __new__(cls, room: int) -> Self:
        window: Self = super().__new__(cls, "q")  # type: ignore[assignment]  # its type says array
        window.merged, window.room, window.spans, window.watch = False, room, None, None
        return window

    def put(self, time: int, key: int) -> bool:
        """Put a point where it belongs; returns False if it is there already."""
        index = len(self)
        if not index or self[-2] < time:
            self.append(time)
            self.append(key)
            return True
        if index > NEAR * POINT and time <= self[-NEAR * POINT]:
            times = self[::2]
            first, behind = bisect_left(times, time), bisect_right(times, time)
            index = (first + bisect_right(self[2 * first + 1 : 2 * behind : 2], key)) * POINT
        while index and (self[index - 2], self[index - 1]) > (time, key):
            index -= POINT
        if index and self[index - 2] == time and self[index - 1] == key:
            return False
        self[index:index] = array("q", (time, key))
        return True

    def put_all(self, time: int, keys: list[int]) -> bool:
        """Put points of one moment where they belong; returns False if all are there already."""
        if len(keys) == 1:
            return self.put(time, keys[0])
        begin = end = len(self)
        if self and self[-2] >= time:
            times = self[::2]
            begin, end = bisect_left(times, time) * POINT, bisect_right(times, time) * POINT
        known = self[begin + 1 : end : POINT]
        merged = sorted({*known, *keys})
        if len(merged) == len(known):
            return False
        run = array("q", (time, 0)) * len(merged)
        run[1::POINT] = array("q", merged)
        self[begin:end] = run
        return True

    def put_span(self, first: int, last: int, hits: int, key: int) -> bool:
        """Add `hits` occurrences somewhere in [first, last]; returns False if they are there already."""
        if any(span[4] == key and span[1] == last for span in self.each_span()):
            return False
        if self.spans is None:
            self.spans = array("q")
        self.spans.extend((first, last, hits, hits, key))
        return True

    def each_span(self) -> Iterator[Span]:
        spans = self.spans or array("q")
        for index in range(0, len(spans), SPAN):
            yield tuple(spans[index : index + SPAN])  # type: ignore[misc]

    def ends(self, after: int, before: int) -> list[int]:
        """Return the times of points and the ends of spans with after <= time < before, in order."""
        times = self[::2]
        found = set(times[bisect_left(times, after) : bisect_left(times, before)])
        found.update(span[1] for span in self.each_span() if after <= span[1] < before)
        return sorted(found)

    def next_end(self, after: int) -> int:
        """Return the first time of a point or end of a span later than `after`, NEVER if there is none."""
        times = self[::2]
        index = bisect_right(times, after)
        candidates = [span[1] for span in self.each_span() if span[1] > after]
        if index < len(times):
            candidates.append(times[index])
        return min(candidates, default=NEVER)

    def is_latest(self, time: int) -> bool:
        """Return whether nothing in the window is later than a moment."""
        if self and self[-2] > time:
            return False
        return self.spans is None or all(span[1] <= time for span in self.each_span())

    def is_full(self) -> bool:
        """Return whether the window could outgrow its capacity before it is asked again (S26)."""
        return len(self) + len(self.spans or ()) > CAPACITY - SLACK

    def forget(self, before: int) -> None:
        """Drop what lies wholly before a moment; points are never that old, see `condense`."""
        if self.spans:
            kept = [span for span in self.each_span() if span[1] >= before]
            self.spans = array("q", [number for span in kept for number in span]) if kept else None

    def next_change(self, after: int, width: int) -> int:
        """Return the first moment after `after` at which a number of the window may change, else NEVER."""
        candidates = []
        times = self[::2]
        for shift in (0, width):
            index = bisect_right(times, after - shift)
            if index < len(times):
                candidates.append(times[index] + shift)
        for first, last, *_ in self.each_span():
            candidates += (moment for moment in (first, last + width) if moment > after)
        return min(candidates, default=NEVER)

    def points_before(self, time: int) -> int:
        """Return how many points are older than a moment."""
        return bisect_left(self[::2], time)

    def condense(self, points: int, tally: Tally, floor: Floor) -> None:
        """
        Turn the oldest points into spans.

        `tally` counts what a run of points holds at most when looked at alone, `floor` what it adds for
        certain to the points around it.
        """
        stop = points * POINT
        spans = array("q") if self.spans is None else self.spans
        for (start, end), fewest in zip(_chunks(stop), floor(self, stop), strict=True):
            shared = any(self[index] < 0 for index in range(start + 1, end, POINT))
            most = tally(self, start, end)
            spans.extend((self[start], self[end - POINT], -fewest if shared else fewest, most, 0))
        del self[:stop]
        self.spans, self.merged = spans or None, self.merged or stop > 0

    def halve(self, now: int, width: int, tally: Tally, floor: Floor) -> None:
        """Make room in a full window: the older half of its points, then some of its spans, are merged."""
        points = len(self) // POINT // 2 // CHUNK * CHUNK
        if points:
            self.condense(points, tally, floor)
        if not points or len(self.spans or ()) > CAPACITY // 2:
            self._merge_spans(now, width)

    def _merge_spans(self, now: int, width: int) -> None:
        """
        Merge a quarter of the neighbouring spans: those that grow least for their age.

        The wider a span the less it says for certain, and the older the less that matters; within the
        window itself all are alike.
        """
        spans = sorted(self.each_span(), key=lambda span: (span[1], span[0]))
        costs = sorted(
            ((max(old[1], new[1]) - min(old[0], new[0])) / max(now - new[1], width), place)
            for place, (old, new) in enumerate(pairwise(spans))
        )
        chosen: set[int] = set()
        for _, place in costs:
            if len(chosen) * 4 > len(spans):
                break
            if not {place - 1, place, place + 1} & chosen:
                chosen.add(place)
        merged = [
            _joined(span, spans[place + 1]) if place in chosen else span
            for place, span in enumerate(spans)
            if place - 1 not in chosen
        ]
        self.spans = array("q", [number for span in merged for number in span])
        self.merged = True


def _joined(one: Span, other: Span) -> Span:
    first, last = min(one[0], other[0]), max(one[1], other[1])
    most = one[3] + other[3]
    if one[2] < 0 or other[2] < 0:
        return first, last, -max(abs(one[2]), abs(other[2])), most, 0
    return first, last, one[2] + other[2], most, 0


def _chunks(stop: int) -> Iterator[tuple[int, int]]:
    for start in range(0, stop, CHUNK * POINT):
        yield start, min(stop, start + CHUNK * POINT)


def singly(tally: Tally) -> Floor:
    """Return the floor of what adds up: each chunk counted on its own."""
    return lambda entries, stop: [tally(entries, start, end) for start, end in _chunks(stop)]


def distinct(entries: "array[int]", lo: int, hi: int) -> int:
    """Count distinct connections: a negative key carries its connection above the lowest 22 bits."""
    return len({key if key >= 0 else key >> 22 for key in entries[lo + 1 : hi : 2]})


def records(entries: "array[int]", lo: int, hi: int) -> int:
    """Count every point."""
    return (hi - lo) // POINT


def attempts(entries: "array[int]", lo: int, hi: int) -> int:
    """Count sign-in attempts: a login record that repeats a PAM record among the entries is none."""
    return sum(1 for _ in _attempts(entries, lo, hi))


def certain_attempts(entries: "array[int]", stop: int) -> list[int]:
    """Count by chunk the attempts that no earlier entry, wherever it stands, can have counted already."""
    counts = [0 for _ in _chunks(stop)]
    for place in _attempts(entries, 0, stop):
        counts[place // (CHUNK * POINT)] += 1
    return counts


def _attempts(entries: "array[int]", lo: int, hi: int) -> Iterator[int]:
    """Yield the places of the entries that are attempts of their own."""
    latest: dict[int, int] = {}
    for index in range(lo, hi, POINT):
        time, key = entries[index], entries[index + 1]
        attempt, kind = key >> 32, key >> 30 & 3
        if kind == PAM and attempt:
            latest[attempt] = time
        elif kind == LOGIN and attempt in latest and time - latest[attempt] <= PAIRING:
            continue
        yield index
