"""What a device cannot say, or says that it lost (S18)."""

from fencepost.engine.clock import judged_times
from fencepost.engine.device import Device
from fencepost.engine.gauges import dropped
from fencepost.engine.turn import Turn, name_of_event
from fencepost.model.event import (
    DroppedEventsStatistics,
    Event,
    NetworkActivity,
    SecurityMessage,
)
from fencepost.model.instant import moment
from fencepost.model.outcome import Incomplete


class Completeness:
    """What a device says that it lost (S18): minimums hold, and alerts say `incomplete`."""

    event_names = ("DroppedEventsStatistics", "NetworkActivity")

    def judge(self, device: Device, event: Event, time: int, turn: Turn) -> bool:
        reason = _loss(event)
        if reason is None:
            return False
        note_loss(device, turn, time, name_of_event(event), reason)
        return False


def note_loss(device: Device, turn: Turn, at: int, event_name: str, reason: str) -> None:
    """Take note that something up to an instant was lost: minimums of what agents report hold (S18)."""
    memory = device.remember()
    memory.incomplete = max(memory.incomplete, at)
    for check, window in device.open_windows():
        if check.is_reported:
            check.hold(window, at)
    turn.outcomes.append(
        Incomplete(device_id=turn.device_id, event_name=event_name, at=moment(at), reason=reason)
    )


def note_refusals(device: Device, turn: Turn, message: SecurityMessage) -> None:
    """What could not be decoded was not counted: minimums hold (S18)."""
    at = max(judged_times(message, turn.now), default=turn.now)
    reason = f"{len(message.rejected)} parts of a message could not be decoded"
    note_loss(device, turn, at, "", reason)


def _loss(event: Event) -> str | None:
    match event:
        case NetworkActivity(full=True):
            return "the device's flow cache was full: further flows went unseen"
        case DroppedEventsStatistics() if number := sum(dropped(event)):
            return f"the agent dropped {number} events"
        case _:
            return None


class Witness:
    """Notes that a device sends what its kind of agent is not known to send (S18)."""

    def __init__(self, event_names: tuple[str, ...]) -> None:
        self.event_names = event_names

    def judge(self, device: Device, event: Event, time: int, turn: Turn) -> bool:
        name = name_of_event(event)
        memory = device.memory
        if memory is None or name not in memory.seen:
            memory = device.remember()
            memory.seen |= {name}
        return False
