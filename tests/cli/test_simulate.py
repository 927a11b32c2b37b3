"""`fencepost simulate` from the outside: what it writes or sends is what detection finds."""

import io
import json
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from tests.cli.invocation import lines_of, run
from tests.client.loopback import TOKEN, FastClock, Loopback
from typer.testing import Result

from fencepost.cli import simulate_live
from fencepost.simulation.live import LivePlan
from fencepost.simulation.run import run_live
from fencepost.simulation.watch import Watch


def test_detection_finds_exactly_the_alerts_that_the_simulation_expects(tmp_path: Path) -> None:
    out = tmp_path / "fleet"
    written = run("simulate", "--out", out, "--devices", 30, "--seed", 3, "--incidents", 0.1)
    assert written.exit_code == 0
    command = written.stdout.splitlines()[-1].split()
    assert command[:3] == ["fencepost", "detect", "--groups"]
    alerts = lines_of(run(*command[1:], "--json"))
    expected = json.loads((out / "expected.json").read_bytes())
    assert sorted((a["rule_type"], a["device_id"], a["value"] or "") for a in alerts) == sorted(
        (a["rule_type"], a["device_id"], a["value"] or "") for a in expected
    )
    counts = {(a["rule_type"], a["device_id"], a["value"]): a["count"] for a in alerts}
    for wish in expected:
        assert counts[wish["rule_type"], wish["device_id"], wish["value"]] >= wish["min_count"]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("simulate", "--out", tmp_path / name, "--devices", 5, "--seed", 9, "--duration", "PT20M")
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("a", "b")
    )
    assert first == second


def test_incidents_can_be_named_and_the_summary_is_json(tmp_path: Path) -> None:
    result = run(
        *("simulate", "--out", tmp_path / "f", "--devices", 10, "--duration", "PT20M"),
        *("--incidents", "ProcessNotAllowed=2,LocalUserNotAllowed=1", "--json"),
    )
    (summary,) = lines_of(result)
    assert set(summary) == {"folder", "devices", "messages", "bytes", "alerts", "next"}
    assert summary["alerts"] == 3


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--duration", "PT1M"), "--duration: a simulation lasts at least 20 minutes"),
        (("--duration", "an hour"), "--duration"),
        (("--incidents", "many"), "--incidents"),
        (("--incidents", "nan"), "between 0 and 1"),
        (("--incidents", "Nope=1"), "no incident of this type"),
        (("--incidents", "ProcessNotAllowed=99"), "0 to"),
    ],
)
def test_arguments_that_make_no_fleet_are_an_operators_fault(
    tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    result = run("simulate", "--out", tmp_path / "f", "--devices", 5, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr


def test_a_folder_that_holds_something_is_left_alone_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    arguments = ("simulate", "--out", tmp_path, "--devices", 2, "--duration", "PT20M")
    assert "not empty" in run(*arguments).stderr
    assert run(*arguments, "--force").exit_code == 0


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """Yield a service that lives forty times faster, together with the fleet."""
    for name in ("FENCEPOST_TOKEN", "FENCEPOST_CA", "FENCEPOST_DATA"):
        monkeypatch.delenv(name, raising=False)
    with Loopback(FastClock(40)) as running:
        monkeypatch.setattr(simulate_live, "run_live", partial(run_live, clock=running.clock))
        yield running


def live(service: Loopback, *options: object, access: bool = True) -> Result:
    way = ("--token", TOKEN, "--ca", service.ca) if access else ()
    pace = ("--devices", 5, "--rate", 1, "--duration", "PT30S")
    return run("simulate", "--to", service.url, *way, *pace, *options)


def test_a_live_fleet_is_judged_and_the_outcome_said(
    service: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FENCEPOST_TOKEN", TOKEN)
    monkeypatch.setenv("FENCEPOST_CA", str(service.ca))
    result = live(service, access=False)
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(r"sent +[\d,]+ messages in \d\d s, \d\.\d a second, \d+ events", result.stdout)
    assert "5 had to come: all came, and no others" in result.stdout
    assert "silent from now on" in result.stdout
    assert set(service.bodies) == {"cameras", "gateways", "plcs"}


def test_a_live_fleet_whose_alerts_do_not_come_exits_with_1(service: Loopback) -> None:
    service.hidden = lambda alert: alert.rule_type == "LocalUserNotAllowed"
    result = live(service)
    assert result.exit_code == 1
    assert re.search(r"missing +\S+ +LocalUserNotAllowed \S+", result.stdout)
    assert "5 had to come: 1 did not, and 0 others came" in result.stdout


def test_the_outcome_of_a_live_fleet_is_json_for_programs(service: Loopback) -> None:
    (report,) = lines_of(live(service, "--json", "--incidents", "ProcessNotAllowed=1", "--keep-groups"))
    assert set(report) == {
        *("url", "devices", "seconds", "messages", "events", "rejected", "reasons", "rate", "rate_reached"),
        *("expected", "alerts", "missing", "unexpected"),
    }
    assert (report["expected"], report["alerts"], len(report["missing"])) == (1, 0, 1)
    assert service.bodies == {}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "--out, --to: say either where to write files, or which service to send to"),
        (("--out", "f", "--to", "https://localhost"), "--out, --to: say either"),
        (("--out", "f", "--rate", "1"), "--rate, --keep-groups and the ways to send go with --to"),
        (("--out", "f", "--mqtt"), "--rate, --keep-groups and the ways to send go with --to"),
        (("--to", "https://localhost", "--mqtt", "--amqp"), "--mqtt, --amqp: choose one"),
        (("--to", "https://localhost", "--https", "--device-port", "1"), "they go with --mqtt or --amqp"),
        (("--to", "https://localhost", "--connections", "9"), "they go with --mqtt or --amqp"),
        (("--to", "https://localhost", "--force"), "--force goes with --out"),
        (("--to", "https://localhost"), "--token TOKEN is missing"),
        (("--to", "https://localhost", "--token", "x", "--rate", "0"), "rate: 50 devices send between"),
        (("--to", "https://localhost", "--token", "x", "--duration", "PT1S"), "--duration: at 20 messages"),
        (("--to", "hub.example", "--token", "x"), "--to: 'hub.example' is not"),
        (("--to", "https://localhost", "--token", "x", "--duration", "1 h"), "--duration: "),
        (("--to", "localhost:8443", "--token", "x"), "is not the address of a service"),
        (
            ("--to", "https://localhost", "--token", "x", "--ca", "missing.pem"),
            "missing.pem: there is no such file",
        ),
        (("--to", "https://localhost", "--data", "nowhere"), "nowhere: there is no installation here"),
    ],
)
def test_what_a_live_fleet_lacks_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], reason: str
) -> None:
    for name in ("FENCEPOST_TOKEN", "FENCEPOST_CA", "FENCEPOST_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    result = run("simulate", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_wrong_token_is_one_line(service: Loopback) -> None:
    result = live(service, "--token", "wrong")
    assert result.exit_code == 2
    assert result.stderr == (
        f"{service.url}: the token is not accepted: it is wrong, over, or not for this; "
        "`fencepost init --json` prints the installation's own as admin_token\n"
    )


def test_progress_says_how_far_a_run_has_come() -> None:
    watch = Watch()
    assert simulate_live.said_of(watch, 0) == "0 messages, 0.0/s, 0 alerts"
    watch.messages, watch.rejected, watch.opened = 1200, 3, 1
    assert simulate_live.said_of(watch, 19.96) == "1,200 messages, 20.0/s, 3 rejected, 1 alert"


def test_progress_is_shown_on_a_terminal(service: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    plan = LivePlan(devices=5, rate=1.0, duration=timedelta(seconds=30), incidents=0)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert simulate_live.simulate_live(service.access, plan, keep_groups=False, json=True)
    assert re.search(r"simulating.*\d+ messages, \d+\.\d/s, 0 alerts", terminal.getvalue())
