"""Times and lengths of time as people write them on the command line: 30d, 12h, P30D, 2026-12-24."""

import re
from datetime import UTC, datetime, timedelta

from fencepost.config.durations import parse_duration
from fencepost.model.errors import OperatorError, Problem
from fencepost.service.replay import EARLIEST, LATEST

_SHORT = re.compile(r"([0-9]{1,6})(m|h|d|w)", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST = timedelta(days=365 * 50)


def span_of(text: str, option: str) -> timedelta:
    """Return a length of time that is not zero; raises OperatorError, which names the option."""
    short = _SHORT.fullmatch(text.strip())
    try:
        span = timedelta(**{_UNITS[short[2]]: int(short[1])}) if short else parse_duration(text.strip())
    except (ValueError, OverflowError):
        reason = f"{text!r} is no length of time: write it as 30d, 12h, 90m or P30D"
        raise OperatorError([Problem(option, reason)]) from None
    if not timedelta() < span <= LONGEST:
        raise OperatorError([Problem(option, f"{text!r} is not between one second and 50 years")])
    return span


def moment_of(text: str, option: str) -> datetime:
    """Return a point in time, in UTC unless it says otherwise; raises OperatorError, which names the option."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        reason = (
            f"{text!r} is no time: write 2026-12-24 or 2026-12-24T18:00:00Z, or a length of time such as 30d"
        )
        raise OperatorError([Problem(option, reason)]) from None
    if not EARLIEST <= moment < LATEST:
        raise OperatorError([Problem(option, f"{text!r} is not between the years 2000 and 2999")])
    return moment


def since_of(text: str | None, option: str, now: datetime) -> datetime | None:
    """Return a point in time that is stated as such, or as so long ago."""
    if text is None:
        return None
    return now - span_of(text, option) if _is_span(text) else moment_of(text, option)


def until_of(text: str | None, option: str, now: datetime) -> datetime | None:
    """Return a point in time that is stated as such, or as so far ahead."""
    if text is None:
        return None
    return now + span_of(text, option) if _is_span(text) else moment_of(text, option)


def _is_span(text: str) -> bool:
    return bool(_SHORT.fullmatch(text.strip())) or text.strip().startswith("P")
