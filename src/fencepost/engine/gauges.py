"""Gauges: a single reported number (S17)."""

from msgspec import Struct

from fencepost.engine.device import Device
from fencepost.engine.turn import Turn
from fencepost.model.event import (
    DroppedEventsStatistics,
    Event,
    LocalUsers,
)
from fencepost.model.instant import moment
from fencepost.model.outcome import Recovered
from fencepost.model.rule import (
    ThresholdRule,
)


class GaugeCheck:
    """A single reported number (S17)."""

    def __init__(self, rule: ThresholdRule) -> None:
        self.rule = rule
        self.event_names: tuple[str, ...] = (rule.row.event,)

    def judge(self, device: Device, event: Event, time: int, turn: Turn) -> bool:
        number = _gauge(event)
        violates = not self.rule.min <= number <= self.rule.max
        memory = device.remember()
        known = {name: (at, bad) for name, at, bad in memory.gauges}
        latest_at, was_violating = known.get(self.rule.type, (time, False))
        if time >= latest_at:
            known[self.rule.type] = (time, violates)
            memory.gauges = tuple((name, at, bad) for name, (at, bad) in sorted(known.items()))
        if violates:
            self._find(event, number, time, turn)
            if time < latest_at and not was_violating:
                self._recover(latest_at, turn)
        elif was_violating and time >= latest_at:
            self._recover(time, turn)
        return False

    def _recover(self, at: int, turn: Turn) -> None:
        turn.outcomes.append(Recovered(device_id=turn.device_id, rule_type=self.rule.type, at=moment(at)))

    def _find(self, event: Event, number: int, time: int, turn: Turn) -> None:
        payload: list[Struct] = getattr(event, "payload", [])
        first = payload[0] if payload else None
        below = number < self.rule.min
        turn.outcomes.append(
            turn.finding(self.rule, (time, time), number, event, first, below=below, flags=turn.flags)
        )


def _gauge(event: Event) -> int:
    match event:
        case LocalUsers():
            return len({(account.user_id, account.user_name) for account in event.payload})
        case DroppedEventsStatistics():
            return sum(dropped(event))
        case _:
            return 0


def dropped(event: DroppedEventsStatistics) -> list[int]:
    """Return the numbers of dropped events, one per queue; what is no number counts as none."""
    texts = [str(queue.dropped_events) for queue in event.payload]
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 16]  # noqa: PLR2004
