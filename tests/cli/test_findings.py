"""What came of a live run is said in full, and never longer than one reads."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from fencepost.cli.findings import MOST, lines_of, report_of
from fencepost.model.alert import Alert
from fencepost.simulation.incidents import ExpectedAlert
from fencepost.simulation.run import Findings
from fencepost.testing import Bench, allowing, group, process

START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def alert() -> Alert:
    bench = Bench(group(allowing("ProcessNotAllowed", "sh")))
    bench.send("cam-1", process("10:00", "/bin/\x1bnc"))
    return bench.alert()


def findings(**members: Any) -> Findings:
    usual = {
        "start": START,
        "end": START + timedelta(seconds=60),
        "messages": 1200,
        "events": 1500,
        "rejected": 0,
        "reasons": {},
        "rate": 20.0,
        "expected": 5,
        "alerts": 5,
        "missing": (),
        "unexpected": (),
    }
    return Findings(**{**usual, **members})


def test_a_run_as_it_should_be_is_two_lines() -> None:
    assert list(lines_of(findings())) == [
        "sent         1,200 messages in 60 s, 20.0 a second, 1,500 events",
        "alerts       5 had to come: all came, and no others",
    ]


def test_a_rate_that_was_not_reached_is_named() -> None:
    lines = list(lines_of(findings(messages=600)))
    assert "10.0 a second" in lines[0]
    assert (
        lines[1]
        == "rate         20 a second were asked for: this computer or the service does not reach them"
    )


def test_what_was_rejected_is_told_with_the_reasons() -> None:
    lines = list(lines_of(findings(rejected=3, reasons={"Events: missing": 2, "no JSON": 1})))
    assert lines[1:4] == [
        "rejected     3 parts and messages",
        "             2 x Events: missing",
        "             1 x no JSON",
    ]


def test_each_alert_that_is_missing_or_unexpected_is_named() -> None:
    missing = (
        ExpectedAlert("ActiveConnectionsNotInAllowedRange", "plc-0001", None, 41),
        ExpectedAlert("LocalUserNotAllowed", "gw-0001", "mallory", 1),
    )
    lines = list(lines_of(findings(missing=missing, unexpected=(alert(),))))
    assert lines[1:4] == [
        "alerts       5 had to come: 2 did not, and 1 other came",
        "missing      plc-0001  ActiveConnectionsNotInAllowedRange, at least 41 times",
        "             gw-0001  LocalUserNotAllowed mallory",
    ]
    assert lines[4].startswith("unexpected   cam-1  ProcessNotAllowed /bin/\ufffdnc: ")


def test_only_the_first_of_many_are_named() -> None:
    missing = (ExpectedAlert("LocalUserNotAllowed", "gw-0001", "mallory", 1),) * (MOST + 7)
    lines = list(lines_of(findings(missing=missing)))
    assert len(lines) == 2 + MOST + 1
    assert lines[-1] == "             and 7 more"


def test_programs_get_everything() -> None:
    report = msgspec.json.decode(msgspec.json.encode(report_of(findings(unexpected=(alert(),)))))
    assert (report["seconds"], report["rate"], report["rate_reached"]) == (60.0, 20.0, 20.0)
    assert report["unexpected"][0]["rule_type"] == "ProcessNotAllowed"
