"""
The one loop for messages that lie in files: decode, judge, and keep the alerts.

It has no clock: the time is that of the messages. A message that does not say when it was received counts
as received at its own latest event time.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from msgspec import Struct

from fencepost.engine.book import AlertBook
from fencepost.engine.detector import Detector
from fencepost.engine.lifecycle import REPAIRED
from fencepost.model.alert import Alert
from fencepost.model.errors import DeviceError
from fencepost.model.event import SecurityMessage
from fencepost.model.layer import NO_LAYERS, Layers
from fencepost.model.outcome import Duplicate, Incomplete, Late, Outcome, Possible, Skewed
from fencepost.model.rule import DEFAULT_GROUP, SecurityGroup
from fencepost.service.refusals import Refusals
from fencepost.wire.body import LIMIT
from fencepost.wire.message import decode

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)
"""A receive time outside these is a slip, and no clock follows it."""
AHEAD = timedelta(minutes=5)
"""How far a device's clock may be ahead of ours and still be believed (S08)."""


class Counts(Struct):
    """What came of the input besides alerts; `understood` are the messages with at least one event."""

    messages: int = 0
    events: int = 0
    understood: int = 0
    rejected_messages: int = 0
    rejected_parts: int = 0
    backwards: int = 0
    late: int = 0
    beyond_horizon: int = 0
    skewed: int = 0
    duplicate_messages: int = 0
    duplicate_events: int = 0
    possible: int = 0
    incomplete: int = 0


class Replay:
    """
    Runs messages through the detector in the order in which they are given.

    `wall_clock` bounds the event times that may stand for a receive time; nothing else asks it.
    `clock` is the latest receive time, None before the first message.
    """

    def __init__(
        self,
        groups: Iterable[SecurityGroup],
        layers: Layers = NO_LAYERS,
        *,
        limit: int = LIMIT,
        wall_clock: Callable[[], datetime],
    ) -> None:
        self.detector = Detector(groups, layers)
        self.book = AlertBook()
        self.counts = Counts()
        self.refusals = Refusals()
        self.clock: datetime | None = None
        self._limit = limit
        self._wall_clock = wall_clock
        self._possible: dict[str, set[str]] = {}
        self._latest: dict[str, datetime] = {}

    def refuse(self, place: str, reason: str) -> None:
        """Take note of a place from which no message could be taken."""
        self.counts.rejected_messages += 1
        self.refusals.add(place, reason)

    def receive(self, device_id: str, body: bytes, received_at: datetime | None, origin: str) -> None:
        """Decode and judge one message; what cannot be decoded is counted and never raised."""
        message = self.understand(body, origin)
        if message is not None:
            self.judge(device_id, message, self.arrival(message, received_at, origin))

    def understand(self, body: bytes, origin: str) -> SecurityMessage | None:
        """Return the message, None where nothing of it can be used; refusals are noted with their places."""
        counts = self.counts
        try:
            message = decode(body, self._limit)
        except DeviceError as error:
            self.refuse(f"{origin}: {error.where}" if error.where else origin, error.reason)
            return None
        counts.messages += 1
        counts.events += len(message.events)
        if message.events:
            counts.understood += 1
        for rejected in message.rejected:
            counts.rejected_parts += 1
            self.refusals.add(f"{origin}: {rejected.where}", rejected.reason)
        return message

    def arrival(self, message: SecurityMessage, stated: datetime | None, origin: str) -> datetime:
        """Return when the message counts as received."""
        if stated is not None:
            if EARLIEST <= stated < LATEST:
                return stated
            self.counts.rejected_parts += 1
            self.refusals.add(f"{origin}: received_at", "not between the years 2000 and 2999, ignored")
        now = self._wall_clock()
        bound = now + AHEAD
        times = [event.occurred_at for event in message.events if EARLIEST <= event.occurred_at <= bound]
        # one device without a clock must not make the silence of all others fall due
        return max(times) if times else self.clock or now

    def judge(
        self, device_id: str, message: SecurityMessage, received_at: datetime
    ) -> tuple[list[Outcome], list[Alert]]:
        """Judge a message, after what fell due before it; return its outcomes and the alerts it changed."""
        if self.clock is None or received_at > self.clock:
            self.clock = received_at
            due = self.detector.next_wakeup()
            if due is not None and due <= received_at:
                self._take(self.detector.tick(received_at))
        if received_at < self._latest.get(device_id, received_at):
            self.counts.backwards += 1
        else:
            self._latest[device_id] = received_at
        outcomes = self.detector.receive(device_id, message, received_at)
        return outcomes, self._take(outcomes) if outcomes else []

    def finish(self, until: datetime | None = None) -> list[Alert]:
        """Let fall due what is due at the last receive time, and then up to `until`; return changed alerts."""
        if self.clock is None:
            return []
        changed = self._take(self.detector.tick(self.clock))
        if until is None or until <= self.clock:
            return changed
        while (due := self.detector.next_wakeup()) is not None and self.clock < due <= until:
            self.clock = due
            changed += self._take(self.detector.tick(due))
        self.clock = until
        return changed + self._take(self.detector.tick(until))

    def alerts(self) -> list[Alert]:
        """Return the alerts that stand, in the order of their first violation."""
        return [alert for alert in self.book.alerts() if alert.merged_into is None and not _repaired(alert)]

    def repaired(self) -> int:
        """Return how many alerts for a minimum late data has taken back."""
        return sum(_repaired(alert) and alert.merged_into is None for alert in self.book.alerts())

    def possible(self) -> dict[str, int]:
        """Return how many devices a maximum may have been passed on, by rule type."""
        return {rule_type: len(devices) for rule_type, devices in sorted(self._possible.items())}

    def not_measurable(self) -> dict[str, int]:
        """Return how many devices cannot feed a rule, by rule type."""
        detector = self.detector
        types = (name for device in detector.device_ids() for name in detector.not_measurable(device))
        return dict(sorted(Counter(types).items()))

    def unassigned(self) -> list[str]:
        """Return the devices that no id and no glob places in a group."""
        return [device_id for device_id in self.detector.device_ids() if self._is_unassigned(device_id)]

    def _is_unassigned(self, device_id: str) -> bool:
        group = self.detector.group_of(device_id)
        if group.name.casefold() != DEFAULT_GROUP or device_id in group.members.ids:
            return False
        return not any(fnmatchcase(device_id, glob) for glob in group.members.globs)

    def _take(self, outcomes: list[Outcome]) -> list[Alert]:
        changed: list[Alert] = []
        counts = self.counts
        for outcome in outcomes:
            match outcome:
                case Late():
                    counts.late += 1
                    counts.beyond_horizon += not outcome.judged
                case Skewed():
                    counts.skewed += 1
                case Duplicate():
                    counts.duplicate_messages += outcome.event_id is None
                    counts.duplicate_events += outcome.event_id is not None
                case Possible():
                    counts.possible += 1
                    self._possible.setdefault(outcome.rule_type, set()).add(outcome.device_id)
                case Incomplete():
                    counts.incomplete += 1
                case _:
                    changed += self.book.apply(outcome)
        return changed


def _repaired(alert: Alert) -> bool:
    return alert.state == "Resolved" and alert.reason == REPAIRED
