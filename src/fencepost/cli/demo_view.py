"""What the demo shows: a frame for a terminal, and a line for everything else."""

from collections.abc import Sequence
from statistics import median, quantiles

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.text import Text

from fencepost.cli.alerts import count_of, table_of, title_of
from fencepost.cli.output import plural, printable
from fencepost.model.alert import Alert

HEADER = 6
"""The lines of a frame that are not alerts: three above the table, its title, its head, and one to spare."""
LEAST_ROWS = 3
ENOUGH = 20
"""So many delays make a 99th percentile."""


class Frame(Struct, frozen=True):
    """What is known at a moment: `alerts` are the latest, the newest last; `delays` are seconds."""

    url: str
    messages: int
    rate: float
    opened: int
    alerts: tuple[Alert, ...]
    delays: tuple[float, ...]
    hint: str


def frame_of(frame: Frame, width: int, height: int) -> RenderableType:
    """Return the frame for a terminal of so many columns and lines."""
    rows = max(LEAST_ROWS, height - HEADER)
    newest_first = frame.alerts[: -rows - 1 : -1]
    numbers = f"{frame.rate:,.1f} messages/s   {plural(frame.messages, 'message')}   {plural(frame.opened, 'alert')}"
    if said := delays_of(frame.delays):
        numbers += f"   {said}"
    head = Text.assemble(("Fencepost", "bold"), "  ", (frame.url, "cyan"), "  ", (frame.hint, "dim"))
    body = table_of(newest_first, width) if newest_first else Text("No alerts yet.", "dim")
    return Group(head, Text(numbers), Text(""), body)


def delays_of(delays: Sequence[float]) -> str:
    """Return how long alerts take, from the receipt of a message; empty where there were none."""
    if not delays:
        return ""
    usual = f"{seconds(median(delays))} from message to alert"
    if len(delays) < ENOUGH:
        return usual
    return f"{usual} ({seconds(quantiles(delays, n=100)[98])} for the slowest 1 %)"


def seconds(number: float) -> str:
    return f"{number * 1000:,.0f} ms" if number < 1 else f"{number:,.1f} s"


def line_of(alert: Alert) -> str:
    """Return an alert as a line: when, what, where."""
    value = f": {alert.value}" if alert.value is not None else ""
    state = "" if alert.state == "Active" else f" {alert.state}"
    said = f"{title_of(alert)}{value}, {count_of(alert)}{state}"
    return printable(f"{alert.last_seen_at:%H:%M:%S}  {alert.severity:<8} {alert.device_id}  {said}")
