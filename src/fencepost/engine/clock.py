"""Whose clock an event is judged by (S01, S07, S08). Instants are microseconds since 1970."""

from collections.abc import Sequence

from fencepost.model.event import SecurityMessage
from fencepost.model.instant import HOUR, MINUTE, micros

TOLERANCE = 5 * MINUTE
YEAR_2000 = 946_684_800_000_000
HORIZON = 48 * HOUR
"""An event older than this is kept and counted, but judged no more (S07)."""


def is_wrong(time: int, now: int) -> bool:
    """Return whether an event time cannot be right: before 2000, or more than 5 min after receipt (S08)."""
    return not YEAR_2000 <= time <= now + TOLERANCE


def latest_faults(times: Sequence[int]) -> tuple[int, int]:
    """Return the latest time before 2000 and the latest of all, of the times of one message."""
    ancient = max((time for time in times if time < YEAR_2000), default=YEAR_2000)
    return ancient, max(times, default=YEAR_2000)


def corrected(time: int, faults: tuple[int, int], now: int) -> int:
    """
    Return when an event with a wrong clock is judged, `faults` being those of its message.

    The latest event with the same fault happened at receipt, the others as much before it as the
    device's clock says, but never before the horizon.
    """
    latest = faults[0] if time < YEAR_2000 else faults[1]
    return now - min(latest - time, HORIZON)


def judged_times(message: SecurityMessage, now: int) -> list[int]:
    """Return when each event of a message is judged, in the message's order."""
    times = [micros(event.occurred_at) for event in message.events]
    faults = latest_faults(times)
    return [corrected(time, faults, now) if is_wrong(time, now) else time for time in times]
