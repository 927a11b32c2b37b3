"""
A group file's own tests: events on a time axis, and the complete set of alerts that must come of them.

Everything here is pure: `happenings_of` makes what happens, whoever has a detector feeds it to that, and
`mismatches` says in sentences where the alerts are not those that the owner expects.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid5

from msgspec import Struct

from fencepost.model.address import parse_address
from fencepost.model.alert import Alert, Certainty, State
from fencepost.model.catalog import CATALOG, Severity
from fencepost.model.event import (
    Connection,
    ConnectionCreate,
    DroppedEventsStatistics,
    Drops,
    Event,
    LocalUser,
    LocalUsers,
    Login,
    Process,
    ProcessCreate,
    SecurityMessage,
    SignIn,
)
from fencepost.model.identity import Operation
from fencepost.model.instant import micros

START = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the time axis of every test begins."""

DEVICE = "device-under-test"
_NAMESPACE = UUID("6a1c3f0e-5f0b-5c53-9d0e-fe0ce9057000")
_FINGERPRINT = (1 << 63) - 1

_P = TypeVar("_P", Connection, Process)
Reported = Connection | SignIn | Process | tuple[LocalUser, ...] | Drops
Payload = Reported | Operation
Happening = tuple[datetime, SecurityMessage | Operation]
"""What arrives: when, and a message, or what the gateway sees."""


class Step(Struct, frozen=True, kw_only=True):
    """
    Something that happens on the device, `repeat` times, `every` so often.

    `received`: the offset at which its message arrives, where that is not at once. `hits`: the event is
    an aggregate of that many occurrences in the time `over` that ends at `at` (S11).
    """

    at: timedelta
    payload: Payload
    repeat: int = 1
    every: timedelta = timedelta(seconds=1)
    received: timedelta | None = None
    hits: int | None = None
    over: timedelta = timedelta()


class Expected(Struct, frozen=True, kw_only=True):
    """An alert that must come; what is None is not asked. `min_count` asks for at least so many."""

    type: str
    value: str | None = None
    count: int | None = None
    min_count: int | None = None
    severity: Severity | None = None
    state: State | None = None
    certainty: Certainty | None = None

    def __str__(self) -> str:
        return f"{self.type} for {self.value}" if self.value is not None else self.type

    def differences(self, alert: Alert) -> Iterator[str]:
        """Yield what is not as expected in an alert of this type and value."""
        if self.count is not None and alert.count != self.count:
            yield f"count {alert.count} instead of {self.count}"
        if self.min_count is not None and alert.count < self.min_count:
            yield f"count {alert.count} instead of at least {self.min_count}"
        if self.severity is not None and alert.severity != self.severity:
            yield f"severity {alert.severity} instead of {self.severity}"
        if self.state is not None and alert.state != self.state:
            yield f"state {alert.state} instead of {self.state}"
        if self.certainty is not None and alert.certainty != self.certainty:
            yield f"certainty {alert.certainty} instead of {self.certainty}"

    def concerns(self, alert: Alert) -> bool:
        """Whether the alert is of this type and value; addresses are compared as addresses."""
        if alert.rule_type != self.type:
            return False
        if self.value is None or self.value == alert.value:
            return True
        row = CATALOG.get(self.type)
        is_address = row is not None and row.value_type == "IpCidr" and alert.value is not None
        return is_address and _number(self.value) == _number(str(alert.value))


def _number(text: str) -> int | str:
    try:
        return parse_address(text)
    except ValueError:
        return text


class RuleTest(Struct, frozen=True, kw_only=True):
    """One test: of a group by its name, or of a device, whose group its membership decides."""

    name: str
    group: str | None = None
    device: str | None = None
    events: tuple[Step, ...] = ()
    until: timedelta | None = None
    expect: tuple[Expected, ...] = ()
    line: int = 0

    @property
    def device_id(self) -> str:
        return DEVICE if self.device is None else self.device

    @property
    def ends_at(self) -> datetime | None:
        """Where the clock is moved on to behind the last event; None where it stays."""
        return None if self.until is None else START + self.until


def happenings_of(test: RuleTest) -> list[Happening]:
    """Return what happens in a test in the order of arrival, one event in each message; always the same."""
    happenings = [
        _happening(step, step.every * repetition, f"{test.name}\n{index}\n{repetition}")
        for index, step in enumerate(test.events)
        for repetition in range(step.repeat)
    ]
    return sorted(happenings, key=lambda happening: happening[0])


def _happening(step: Step, delay: timedelta, name: str) -> Happening:
    occurred_at = START + step.at + delay
    if isinstance(step.payload, str):
        return occurred_at, step.payload
    received_at = occurred_at if step.received is None else START + step.received + delay
    identity = uuid5(_NAMESPACE, name)
    event = _event(step, step.payload, str(identity), occurred_at)
    message = SecurityMessage(source="legacy", fingerprint=identity.int & _FINGERPRINT, events=[event])
    return received_at, message


def _event(step: Step, payload: Reported, identity: str, at: datetime) -> Event:
    match payload:
        case Connection():
            return ConnectionCreate(id=identity, occurred_at=at, payload=[_aggregated(payload, step, at)])
        case Process():
            return ProcessCreate(id=identity, occurred_at=at, payload=[_aggregated(payload, step, at)])
        case SignIn():
            return Login(id=identity, occurred_at=at, payload=[copy(payload)])
        case Drops():
            return DroppedEventsStatistics(id=identity, occurred_at=at, payload=[copy(payload)])
        case _:
            return LocalUsers(id=identity, occurred_at=at, payload=list(map(copy, payload)))


def _aggregated(payload: _P, step: Step, at: datetime) -> _P:
    own = copy(payload)
    if step.hits is not None:
        own.span = (micros(at - step.over), micros(at), step.hits)
        own.extra_details = {**(own.extra_details or {}), "HitCount": step.hits}
    return own


def mismatches(expected: Sequence[Expected], alerts: Sequence[Alert]) -> list[str]:
    """Return a sentence for every alert that is missing, different or too many; none where all is well."""
    met = _pairs(expected, alerts)
    spare = [alert for index, alert in enumerate(alerts) if index not in met.values()]
    sentences = []
    for index, wish in enumerate(expected):
        if index in met:
            continue
        near = next((alert for alert in spare if wish.concerns(alert)), None)
        if near is None:
            sentences.append(f"expected {wish}, no such alert came")
        else:
            spare.remove(near)
            sentences.append(f"expected {wish}: it came with {', '.join(wish.differences(near))}")
    return sentences + [_unexpected(alert) for alert in spare]


def _unexpected(alert: Alert) -> str:
    value = "" if alert.value is None else f" for {alert.value}"
    return f"unexpected {alert.rule_type}{value} (count {alert.count}, {alert.state})"


def _pairs(expected: Sequence[Expected], alerts: Sequence[Alert]) -> dict[int, int]:
    """Return the largest pairing of wishes with alerts that fulfil them (augmenting paths)."""
    fits = [
        [i for i, alert in enumerate(alerts) if wish.concerns(alert) and not any(wish.differences(alert))]
        for wish in expected
    ]
    taken: dict[int, int] = {}

    def settle(wish: int, tried: set[int]) -> bool:
        for alert in fits[wish]:
            if alert in tried:
                continue
            tried.add(alert)
            if alert not in taken or settle(taken[alert], tried):
                taken[alert] = wish
                return True
        return False

    for wish in range(len(expected)):
        settle(wish, set())
    return {wish: alert for alert, wish in taken.items()}
