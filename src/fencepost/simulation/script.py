"""
Incidents of a fleet that lives: which are due, and which device is the next to meet with one.

A due incident strikes the next device that sends, that can report it and has not met with it, so that it is
told at once however many devices there are and however seldom each of them sends.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count, cycle
from random import Random

from msgspec import Struct

from fencepost.simulation.incidents import (
    BURST,
    FAILURES,
    FOREIGN_CALL,
    FOREIGN_PROCESS,
    STRANGER,
    Device,
    Incident,
    length_of,
    reports,
    value_of,
)

HASTE = 30
"""A scan of a minute takes two seconds here, and two minutes of guessed passwords take four."""
FIRST = timedelta(milliseconds=500)
"""When the first incident falls due."""
ORDER = (FOREIGN_CALL, BURST, STRANGER, FAILURES, FOREIGN_PROCESS)
RESTS = {BURST: timedelta(minutes=45), FAILURES: timedelta(minutes=45)}
"""By then the alert of a range has resolved itself and the next incident is another alert (S21)."""
REST = timedelta(minutes=2)
"""So that the incidents of lists on one device stay well inside the range of its connections."""
BRIEF = timedelta(seconds=1)
"""The shortest incident has begun so long before it is told."""
SPREAD = 0.25
"""How irregularly incidents fall due, as a share of the time between them."""


class Due(Struct, frozen=True):
    """An incident that wants to happen from a moment on."""

    at: datetime
    rule_type: str


def planned(counts: Mapping[str, int], span: tuple[datetime, datetime], random: Random) -> Iterator[Due]:
    """Yield so many incidents of each type between two instants, the types in turns, the first at once."""
    left = Counter({rule_type: counts.get(rule_type, 0) for rule_type in ORDER})
    turns = [rule_type for turn in range(max(left.values())) for rule_type in ORDER if turn < left[rule_type]]
    gap = (span[1] - span[0] - FIRST) / max(1, len(turns))
    return _timed(turns, span[0] + FIRST, gap, random)


def endless(start: datetime, gap: timedelta, random: Random) -> Iterator[Due]:
    """Yield incidents of all types in turns, for ever."""
    return _timed(cycle(ORDER), start + FIRST, gap, random)


def _timed(types: Iterable[str], first: datetime, gap: timedelta, random: Random) -> Iterator[Due]:
    for number, rule_type in zip(count(), types, strict=False):
        yield Due(first + gap * (number + random.uniform(0, SPREAD) * bool(number)), rule_type)


class Script:
    """
    The incidents that strike these devices, which send every `interval`.

    One type strikes a device again only after a rest. A device that has met with no other incident goes
    first, for as long as an interval. Of those that fell due and found no device, one of each type waits
    where `endless`, all do otherwise.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        dues: Iterator[Due],
        interval: timedelta,
        random: Random,
        *,
        is_endless: bool,
    ) -> None:
        self._number = len(devices)
        self._dues = dues
        self._next = next(dues, None)
        self._interval = interval
        self._random = random
        self._is_endless = is_endless
        self._waiting: list[Due] = []
        self._struck: set[str] = set()
        self._met: dict[tuple[str, str], tuple[int, datetime]] = {}

    def strike(self, device: Device, at: datetime) -> list[Incident]:
        """Return the incidents that a device which sends at `at` has just met with."""
        self._admit(at)
        if not self._waiting:
            return []
        taken: dict[str, Due] = {}
        for due in self._waiting:
            if due.rule_type not in taken and self._fits(due, device, at):
                taken[due.rule_type] = due
                self._mark(device)
        self._waiting = [due for due in self._waiting if due is not taken.get(due.rule_type)]
        return [self._incident(rule_type, device, at) for rule_type in taken]

    def _admit(self, at: datetime) -> None:
        while self._next is not None and self._next.at <= at:
            if not (self._is_endless and any(due.rule_type == self._next.rule_type for due in self._waiting)):
                self._waiting.append(self._next)
            self._next = next(self._dues, None)

    def _fits(self, due: Due, device: Device, at: datetime) -> bool:
        if not reports(device, due.rule_type):
            return False
        if device.device_id in self._struck and at - due.at <= self._interval:
            return False
        met = self._met.get((device.device_id, due.rule_type))
        return met is None or (self._is_endless and at - met[1] >= RESTS.get(due.rule_type, REST))

    def _mark(self, device: Device) -> None:
        self._struck.add(device.device_id)
        if len(self._struck) == self._number:
            self._struck.clear()

    def _incident(self, rule_type: str, device: Device, at: datetime) -> Incident:
        key = device.device_id, rule_type
        again = self._met[key][0] + 1 if key in self._met else 0
        self._met[key] = again, at
        begun = at - min(self._interval / 2, max(BRIEF, length_of(rule_type) / HASTE))
        return Incident(rule_type, device, begun, value_of(rule_type, device, self._random, again), HASTE)
