"""Alerts as people and programs read them: a table, the details of each, and one line of JSON."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from fencepost.cli.output import UTC_TIMES, bare_table, printable
from fencepost.model.alert import Alert, Evidence
from fencepost.model.catalog import Severity
from fencepost.model.duration import iso_duration

_COLOURS = {"High": "bold red", "Medium": "yellow", "Low": "cyan", "Informational": "dim"}
_OPENINGS = ("Custom alert - ", "the ", "an ")
NARROW = 116
SHORT_ID = 8
"""Characters of an alert's id that a table has room for, and that name it among the latest."""
_COLUMNS: dict[str, dict[str, Any]] = {
    "Id": {"no_wrap": True},
    "Severity": {"no_wrap": True},
    "State": {"no_wrap": True},
    "Device": {"overflow": "fold", "min_width": 8},
    "Group": {"overflow": "fold", "min_width": 6},
    "Alert": {"min_width": 12},
    "Value": {"overflow": "fold", "min_width": 8},
    "Count": {"min_width": 7},
    "First seen": {"min_width": 8},
    "Last seen": {"min_width": 8},
    "Flags": {"min_width": 6},
}


def colour_of(severity: Severity) -> str:
    """Return the style of a severity on a terminal."""
    return _COLOURS[severity]


def title_of(alert: Alert) -> str:
    """Return what happened in few words."""
    title = alert.title
    for opening in _OPENINGS:
        title = title.removeprefix(opening)
    return title[:1].upper() + title[1:]


def count_of(alert: Alert) -> str:
    """Return the number, for a range with its bounds: `42 (0-30 in PT5M)`."""
    number = f"{alert.count:,}" if alert.certainty == "certain" else f"up to {alert.count:,}"
    if alert.min is None or alert.max is None:
        return number
    window = f" in {iso_duration(alert.window)}" if alert.window is not None else ""
    return f"{number} ({alert.min}-{alert.max}{window})"


def table_of(alerts: Sequence[Alert], width: int, *, ids: bool = False) -> Table:
    """
    Return the alerts as a table, one row each; a day that all of them share stands above it.

    A narrow terminal has no room for every column: it gets those that tell the alerts apart. With `ids` each
    begins with what names it in other commands.
    """
    days = {moment.date() for alert in alerts for moment in (alert.started_at, alert.last_seen_at)}
    day = days.pop() if len(days) == 1 else None
    table = bare_table(UTC_TIMES if day is None else f"{day}, times are UTC", is_narrow=width < NARROW)
    left_out = {"Group", "Last seen"} if width < NARROW else set()
    if not ids:
        left_out.add("Id")
    if not any(alert.flags for alert in alerts):
        left_out.add("Flags")
    names = [name for name in _COLUMNS if name not in left_out]
    for name in names:
        table.add_column(name, **_COLUMNS[name])
    for alert in alerts:
        cells = _cells(alert, day)
        table.add_row(*(cells[name] for name in names))
    return table


def _cells(alert: Alert, day: date | None) -> dict[str, Text]:
    return {
        "Id": Text(alert.alert_id[:SHORT_ID], "dim"),
        "Severity": Text(alert.severity, _COLOURS[alert.severity]),
        "State": Text(alert.state, "dim" if alert.state == "Resolved" else ""),
        "Device": Text(printable(alert.device_id), "bold"),
        "Group": Text(printable(alert.group)),
        "Alert": Text(title_of(alert)),
        "Value": Text(printable(alert.value or "")),
        "Count": Text(count_of(alert)),
        "First seen": Text(_time(alert.started_at, day)),
        "Last seen": Text(_time(alert.last_seen_at, day or alert.started_at.date())),
        "Flags": Text(", ".join(flag.replace("_", " ") for flag in alert.flags)),
    }


def details_of(alert: Alert) -> Iterator[tuple[str, str]]:
    """Yield everything about an alert, each thing with its label."""
    value = f": {alert.value}" if alert.value is not None else ""
    yield alert.device_id, f"{title_of(alert)}{value}"
    yield "  what happened", alert.description
    yield "  what to do", alert.remediation
    if alert.nearest_entry is not None:
        yield "  nearest entry", alert.nearest_entry
    if alert.allowing_entry is not None:
        yield "  to allow it", alert.allowing_entry
    if alert.reason is not None:
        yield "  state", f"{alert.state}: {alert.reason}"
    yield "  alert id", f"{alert.alert_id} ({alert.alert_type}, {alert.data_source})"
    for evidence in alert.evidence:
        yield "  evidence", _evidence(evidence)


def _evidence(evidence: Evidence) -> str:
    members = {**evidence.facts, **(evidence.facts.get("ExtraDetails") or {})}
    facts = ", ".join(f"{name}={value}" for name, value in members.items() if name != "ExtraDetails")
    return f"{_time(evidence.occurred_at)}  {evidence.event_name}  {facts}"


def _time(moment: datetime, day: date | None = None) -> str:
    """Return a time, without the day if that has just been named."""
    return f"{moment:%H:%M:%S}" if moment.date() == day else f"{moment:%Y-%m-%d %H:%M:%S}"
