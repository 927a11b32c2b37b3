"""Durations as people write them in files: ISO 8601, such as PT5M."""

import re
from datetime import timedelta

PATTERN = (
    r"^P(?=[0-9T])([0-9]{1,5}W)?([0-9]{1,5}D)?"
    r"(T(?=[0-9])([0-9]{1,7}H)?([0-9]{1,7}M)?([0-9]{1,9}(\.[0-9]{1,6})?S)?)?$"
)
"""The durations that are read, in the dialect that JSON Schema shares with Python."""

_PATTERN = re.compile(PATTERN, re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Return the length of an ISO 8601 duration; raises ValueError with a reason that says how to mend it."""
    match = _PATTERN.match(text) if text.isprintable() else None
    if match is None:
        raise ValueError(_fault(text))
    weeks, days, _, hours, minutes, seconds, _ = match.groups()
    return timedelta(
        weeks=int((weeks or "0W")[:-1]),
        days=int((days or "0D")[:-1]),
        hours=int((hours or "0H")[:-1]),
        minutes=int((minutes or "0M")[:-1]),
        seconds=float((seconds or "0S")[:-1]),
    )


def _fault(text: str) -> str:
    if text.startswith("-"):
        return f"{text!r}: a duration is not negative"
    if re.fullmatch(r"P[0-9]+[HS]", text):
        return f"{text!r} is not a duration: hours, minutes and seconds stand behind a T, as in PT{text[1:]}"
    return f"{text!r} is not a duration: write it in ISO 8601, such as PT30S, PT5M, PT6H15M or P1D"
