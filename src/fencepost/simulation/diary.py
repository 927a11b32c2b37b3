"""What happens to a legacy device, in the order of time and thought up only as far as it is read."""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random

from fencepost.simulation.habits import Habit, Happening
from fencepost.simulation.incidents import Incident

Entry = tuple[datetime, Happening]


class Diary:
    """The habits of a device between two instants, and the incidents that strike it."""

    def __init__(
        self,
        habits: Sequence[Habit],
        incidents: Sequence[Incident],
        span: tuple[datetime, datetime],
        random: Random,
    ) -> None:
        self._random = random
        scripted = [one for incident in incidents for one in incident.happenings(random)]
        self._scripted = deque(sorted(scripted, key=_time))
        self._usual = heapq.merge(*(_repeated(habit, span, random) for habit in habits), key=_time)
        self._next = next(self._usual, None)

    def add(self, incident: Incident) -> None:
        """Let one more incident strike; what of it lies before the last reading is read with the next."""
        self._scripted = deque(sorted([*self._scripted, *incident.happenings(self._random)], key=_time))

    def until(self, end: datetime) -> Iterator[Entry]:
        """Yield what happens before an instant and has not been read."""
        return heapq.merge(self._scripted_until(end), self._usual_until(end), key=_time)

    def _scripted_until(self, end: datetime) -> Iterator[Entry]:
        while self._scripted and self._scripted[0][0] < end:
            yield self._scripted.popleft()

    def _usual_until(self, end: datetime) -> Iterator[Entry]:
        while self._next is not None and self._next[0] < end:
            yield self._next
            self._next = next(self._usual, None)


def _time(entry: Entry) -> datetime:
    return entry[0]


def _repeated(habit: Habit, span: tuple[datetime, datetime], random: Random) -> Iterator[Entry]:
    at = span[0] + habit.period * random.random()
    while at < span[1]:
        yield at.replace(microsecond=0), habit.what(random)
        at += habit.period * random.uniform(0.8, 1.2)
