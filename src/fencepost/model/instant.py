"""
One way to write an instant as a number: whole microseconds since 1970-01-01T00:00:00Z.

The engine computes in these integers because they are exact, compare fast and pack into arrays;
everything outside the engine sees aware UTC datetimes.
"""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def micros(moment: datetime) -> int:
    """Return the instant of an aware datetime; raises TypeError for a naive one."""
    return (moment - EPOCH) // MICROSECOND


def moment(micros: int) -> datetime:
    """Return the aware UTC datetime of an instant; the inverse of `micros`."""
    return EPOCH + timedelta(microseconds=micros)


def length(span: timedelta) -> int:
    """Return a duration in whole microseconds."""
    return span // MICROSECOND
