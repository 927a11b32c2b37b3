"""What came of a live run, as people and as programs read it."""

from collections.abc import Iterator
from typing import Any

from fencepost.cli.output import plural, printable
from fencepost.model.alert_view import view_of
from fencepost.simulation.incidents import ExpectedAlert
from fencepost.simulation.run import Findings

MOST = 20
_WIDTH = 13


def report_of(findings: Findings) -> dict[str, Any]:
    """Return the findings for programs."""
    return {
        "seconds": round((findings.end - findings.start).total_seconds(), 3),
        "messages": findings.messages,
        "events": findings.events,
        "rejected": findings.rejected,
        "reasons": findings.reasons,
        "rate": findings.rate,
        "rate_reached": round(findings.rate_reached, 2),
        "expected": findings.expected,
        "alerts": findings.alerts,
        "missing": findings.missing,
        "unexpected": [view_of(alert) for alert in findings.unexpected],
    }


def lines_of(findings: Findings) -> Iterator[str]:
    """Yield the findings for people."""
    seconds = (findings.end - findings.start).total_seconds()
    sent = (
        f"{plural(findings.messages, 'message')} in {seconds:,.0f} s, {findings.rate_reached:,.1f} a second"
    )
    yield _line("sent", sent if findings.events is None else f"{sent}, {plural(findings.events, 'event')}")
    if not findings.is_rate_held:
        yield _line(
            "rate",
            f"{findings.rate:,.10g} a second were asked for: this computer or the service does not reach them",
        )
    if findings.rejected:
        yield _line("rejected", plural(findings.rejected, "part or message", "parts and messages"))
        yield from (_line("", f"{count:,} x {reason}") for reason, count in findings.reasons.items())
    yield _line("alerts", _summary_of(findings))
    yield from _first("missing", [_expectation(alert) for alert in findings.missing])
    yield from _first(
        "unexpected",
        [
            f"{one.device_id}  {_what(one.rule_type, one.value)}: {one.description}"
            for one in findings.unexpected
        ],
    )


def _summary_of(findings: Findings) -> str:
    asked = f"{findings.expected:,} had to come"
    if not findings.missing and not findings.unexpected:
        return f"{asked}: all came, and no others"
    missing, strange = len(findings.missing), len(findings.unexpected)
    return f"{asked}: {missing:,} did not, and {plural(strange, 'other')} came"


def _expectation(alert: ExpectedAlert) -> str:
    least = f", at least {alert.min_count} times" if alert.min_count > 1 else ""
    return f"{alert.device_id}  {_what(alert.rule_type, alert.value)}{least}"


def _what(rule_type: str, value: str | None) -> str:
    return rule_type if value is None else f"{rule_type} {value}"


def _first(label: str, texts: list[str]) -> Iterator[str]:
    for number, text in enumerate(texts[:MOST]):
        yield _line("" if number else label, text)
    if len(texts) > MOST:
        yield _line("", f"and {len(texts) - MOST:,} more")


def _line(label: str, text: str) -> str:
    return printable(f"{label:<{_WIDTH}}{text}")
