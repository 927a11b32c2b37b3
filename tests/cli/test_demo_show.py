"""The demo is a view on a terminal, lines of text in a pipe, and JSON for programs."""

import io
import json
import sys
from datetime import UTC, datetime

import pytest
from msgspec import structs
from tests.cli.test_demo_view import alert_of, frame
from tests.cli.test_findings import findings

from fencepost.cli.demo_show import show
from fencepost.simulation.watch import Heard, Watch

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
ALERT = alert_of()
NEXT = "Next:\n  fencepost init"


class Terminal(io.StringIO):
    """A standard output that somebody looks at."""

    def isatty(self) -> bool:
        return True


def told(*, json: bool) -> None:
    """Tell of an alert that opens, counts on and resolves, and of the end."""
    watch = Watch()
    watch.delays.append(0.25)
    resolved = structs.replace(ALERT, state="Resolved")
    with show(json=json) as shown:
        shown.begin("https://localhost:8443")
        shown.hear(Heard(ALERT, AT, is_new=True, before=None))
        shown.refresh(frame(ALERT))
        shown.hear(Heard(ALERT, AT, is_new=False, before="Active"))
        shown.hear(Heard(resolved, AT, is_new=False, before="Active"))
        shown.end(findings(), watch, NEXT)


def test_a_pipe_gets_a_line_for_each_alert_that_opens_or_moves(capsys: pytest.CaptureFixture[str]) -> None:
    told(json=False)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.endswith("Resolved") for line in lines[:2]] == [False, True]
    assert lines[2:] == [
        "",
        "sent         1,200 messages in 60 s, 20.0 a second, 1,500 events",
        "alerts       5 had to come: all came, and no others",
        "delay        250 ms from message to alert",
        "",
        *NEXT.splitlines(),
    ]
    assert "https://localhost:8443" in err


def test_programs_get_json_and_the_summary_last(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    told(json=True)
    opened, resolved, summary = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert (opened["state"], resolved["state"]) == ("Active", "Resolved")
    assert (summary["expected"], summary["delays"]) == (5, [0.25])


def test_a_terminal_gets_a_view_and_then_the_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    told(json=False)
    shown = terminal.getvalue()
    assert "20.0 messages/s" in shown
    assert shown.index("/bin/nc") < shown.index("5 had to come")
    assert shown.endswith(f"{NEXT}\n")
