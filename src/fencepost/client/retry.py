"""When to try again: as the service says, else after a pause that grows."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

AGAIN = frozenset({429, 502, 503, 504})
"""Answers that may be another one soon."""
SHORTEST, LONGEST = 0.1, 5.0


def pause(attempt: int, random: Callable[[], float]) -> float:
    """Return the seconds before the next attempt, the first being 0; `random` gives numbers from 0 to 1."""
    longest: float = min(LONGEST, SHORTEST * 2 ** min(attempt, 10))
    return longest * (0.5 + random() / 2)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that a service asks to be left alone, None where it does not say (RFC 9110, 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        until = parsedate_to_datetime(text)
        return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return None
