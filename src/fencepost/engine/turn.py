"""The turn of one message: who sent it, when it came, and what has been concluded so far."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, to_builtins

from fencepost.engine.clock import HORIZON, TOLERANCE, corrected, latest_faults
from fencepost.engine.device import Device
from fencepost.engine.effective import OwnLists
from fencepost.model.alert import Evidence, Facts, Flag
from fencepost.model.event import Event, HubOperation, SecurityMessage, SignIn, Source
from fencepost.model.instant import micros, moment
from fencepost.model.outcome import Duplicate, Finding, Late, Outcome, Skewed
from fencepost.model.rule import Rule, SecurityGroup


class Dirty(Struct, gc=False):
    """
    Windows of one range rule, ending with begin <= end < before, that late data has changed.

    `told` says that the maximum is known to be passed although no single window shows it (S11).
    """

    begin: int
    before: int
    event: Event
    flags: tuple[Flag, ...]
    told: bool = False


_OURS = ("Span", "Remote")


class Turn:
    """
    Handed through the checks of one message; the detector reuses it, so nothing may keep it.

    `now` is the receive time in microseconds, `flags` what is wrong with the event being judged, `shift`
    the microseconds by which its wrong clock was put right. `message` is None when only time passes;
    `dirty` are, by the place of a range rule, the windows to judge once it is wholly taken in (S07);
    `sign_ins` are its sign-in records with their times, by process, and `faults` its latest times with either
    fault of a clock, both found when first asked for. `own` are the devices' own lists, by device.
    """

    __slots__ = (
        "device",
        "device_id",
        "dirty",
        "faults",
        "flags",
        "message",
        "now",
        "outcomes",
        "own",
        "shift",
        "sign_ins",
    )

    device: Device

    def __init__(self, own: Mapping[str, OwnLists]) -> None:
        self.own = own
        self.device_id = ""
        self.message: SecurityMessage | None = None
        self.now = 0
        self.flags: tuple[Flag, ...] = ()
        self.shift = 0
        self.dirty: dict[int, Dirty] | None = None
        self.sign_ins: dict[int | str, list[tuple[int, SignIn]]] | None = None
        self.faults: tuple[int, int] | None = None
        self.outcomes: list[Outcome] = []

    def placed(self, span: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return an aggregate's (first, last, hits) by the clock of its event, within the horizon (S07, S08)."""
        earliest, latest = self.now - HORIZON, self.now + TOLERANCE
        first, last = span[0] + self.shift, span[1] + self.shift
        return min(max(first, earliest), latest), min(max(last, earliest), latest), span[2]

    def corrected(self, event: Event, time: int) -> int:
        """Return when an event with a wrong clock is judged, and take note of it (S08)."""
        if self.faults is None:
            events = self.message.events if self.message is not None else []
            self.faults = latest_faults([micros(other.occurred_at) for other in events])
        right = corrected(time, self.faults, self.now)
        self.outcomes.append(
            Skewed(
                device_id=self.device_id,
                event_id=event.id,
                event_name=name_of_event(event),
                occurred_at=event.occurred_at,
                judged_at=moment(right),
                received_at=self.received_at,
            )
        )
        return right

    @property
    def received_at(self) -> datetime:
        return moment(self.now)

    @property
    def group(self) -> SecurityGroup:
        return self.device.plan.group

    @property
    def source(self) -> Source:
        return self.device.plan.source

    @property
    def incomplete(self) -> int:
        """The latest moment for which the device has reported drops, 0 for never (S18)."""
        memory = self.device.memory
        return memory.incomplete if memory is not None else 0

    def finding(
        self,
        rule: Rule,
        span: tuple[int, int],
        count: int,
        event: Event | None,
        payload: Struct | None,
        **facts: Any,
    ) -> Finding:
        """Return a violation in this turn, from the first to the last instant; `facts` are the other members."""
        return Finding(
            device_id=self.device_id,
            group=self.group,
            rule=rule,
            source=self.source,
            count=count,
            first_at=moment(span[0]),
            last_at=moment(span[1]),
            received_at=self.received_at,
            evidence=self.evidence(event, payload) if event is not None and payload is not None else None,
            **facts,
        )

    def late(self, event: Event, *, judged: bool) -> Late:
        """Return that an event came later than such data may (S07)."""
        return Late(
            device_id=self.device_id,
            event_id=event.id,
            event_name=name_of_event(event),
            occurred_at=event.occurred_at,
            received_at=self.received_at,
            judged=judged,
        )

    def duplicate(self, event: Event) -> Duplicate:
        """Return that an event had been seen before (S09)."""
        return Duplicate(device_id=self.device_id, received_at=self.received_at, event_id=event.id)

    def evidence(self, event: Event, payload: Struct) -> Evidence:
        """Return what an alert keeps of an event (S22)."""
        return Evidence(
            event_id=event.id,
            event_name=name_of_event(event),
            occurred_at=event.occurred_at,
            received_at=self.received_at,
            facts=facts_of(payload),
        )


def name_of_event(event: Event) -> str:
    """Return the event's name as the agents write it, or the operation's as the catalogue does."""
    if isinstance(event, HubOperation):
        return event.operation
    return str(type(event).__struct_config__.tag)


def facts_of(payload: Struct) -> Facts:
    """Return a payload as the agent named its members, without those that it left out."""
    members: dict[str, Any] = to_builtins(payload)
    return {name: value for name, value in members.items() if value is not None and name not in _OURS}
