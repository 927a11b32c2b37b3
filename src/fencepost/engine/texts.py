"""What an alert says in words: the row's sentence, then the facts of this very case (S22)."""

from datetime import timedelta

from fencepost.model.alert import Alert
from fencepost.model.rule import AllowlistRule, DenylistRule, Rule, ThresholdRule, TimeWindowRule


def described(alert: Alert, rule: Rule) -> str:
    """Return the description of an alert: the owner's own words if there are any, and the facts."""
    return f"{rule.description or rule.row.description} {_facts(alert, rule)}"


def _facts(alert: Alert, rule: Rule) -> str:
    thing = rule.row.counted
    match rule:
        case TimeWindowRule():
            likely = "" if alert.certainty == "certain" else "Up to "
            return (
                f"{likely}{alert.count} {thing} within {spoken(rule.window)}; "
                f"allowed are {rule.min} to {rule.max}."
            )
        case ThresholdRule():
            return f"{alert.count} {thing}; allowed are {rule.min} to {rule.max}."
        case AllowlistRule():
            nearest = (
                f" The nearest entry of the list is {alert.nearest_entry}." if alert.nearest_entry else ""
            )
            return f"{_seen(alert)} is not on the list.{nearest}"
        case DenylistRule():
            return f"{_seen(alert)} is denied by the entry {alert.nearest_entry}."


def _seen(alert: Alert) -> str:
    times = "once" if alert.count == 1 else f"{alert.count} times"
    return f"{alert.value}, seen {times},"


def spoken(span: timedelta) -> str:
    """Return a duration in words: `5 minutes`, `1 hour 30 minutes`."""
    seconds = int(span.total_seconds())
    parts = []
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {word}{'s' if number > 1 else ''}")
    return " ".join(parts) or "0 seconds"
