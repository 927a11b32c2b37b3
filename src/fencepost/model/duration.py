"""Durations as people and programs read them."""

from datetime import timedelta


def iso_duration(span: timedelta) -> str:
    """Return a duration in ISO 8601, the way people write it: PT5M, PT1H30M, P1D."""
    days, seconds = span.days, span.seconds
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    exact = f"{seconds}.{span.microseconds:06}".rstrip("0") if span.microseconds else str(seconds)
    parts = [(days, f"{days}D"), (hours, f"{hours}H"), (minutes, f"{minutes}M"), (exact != "0", f"{exact}S")]
    date, *time = (text if number else "" for number, text in parts)
    tail = "".join(time)
    return f"P{date}T{tail}" if tail else f"P{date}" if date else "PT0S"
