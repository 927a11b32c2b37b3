"""`fencepost demo` as a real process: alerts within seconds, and nothing left behind however it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fencepost.cli import served

PROGRAM = """
import typer
from fencepost.cli import Commands, demo
app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
app.callback()(lambda: None)
demo.register(app)
app()
"""
QUICK = ("--devices", "5", "--rate", "10")


@contextmanager
def demo(folder: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo; `folder` is where it finds room for temporary files."""
    folder.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder), **environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def children_of(process: subprocess.Popen[str]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_demo_shows_its_first_alert_at_once_and_leaves_nothing_behind_when_it_is_ended(
    tmp_path: Path,
) -> None:
    """Settings of the operator's own service are none of its business."""
    begun = time.monotonic()
    with demo(tmp_path / "tmp", *QUICK, FENCEPOST_CONTROL_URL="postgresql://production/alerts") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert time.monotonic() - begun < 15
        (service,) = children_of(process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert re.match(
        r"\d\d:\d\d:\d\d  Low +\S+  Outbound connection to an address that is not allowed: ", first
    )
    assert re.search(r"https://localhost:\d+", err)
    assert "all came, and no others" in out
    assert "from message to alert" in out
    assert "fencepost init" in out
    assert "\x1b" not in out + err
    assert (process.returncode, is_alive(service), list((tmp_path / "tmp").iterdir())) == (0, False, [])


def test_a_demo_for_programs_ends_by_itself_and_keeps_its_data_where_it_is_told(tmp_path: Path) -> None:
    with demo(
        tmp_path / "tmp", *QUICK, "--for", "PT2S", "--json", "--keep", str(tmp_path / "data")
    ) as process:
        out, _ = process.communicate(timeout=30)
    *alerts, summary = map(json.loads, out.splitlines())
    assert [alert["rule_type"] for alert in alerts] == ["ConnectionToIpNotAllowed"]
    assert (summary["expected"], summary["missing"], summary["unexpected"]) == (1, [], [])
    assert len(summary["delays"]) == 1
    assert process.returncode == 0
    assert list((tmp_path / "tmp").iterdir()) == []
    assert {"tokens.json", "journal", "control.db", "serve.log"} <= {
        one.name for one in (tmp_path / "data").iterdir()
    }


def test_a_service_that_dies_ends_the_demo_with_its_last_words(tmp_path: Path) -> None:
    with demo(tmp_path / "tmp", *QUICK) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (service,) = children_of(process)
        os.kill(service, signal.SIGKILL)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "`fencepost serve` has ended with -9. It said last:" in err
    assert "listening" in err
    assert "Traceback" not in err
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with demo(tmp_path / "tmp", "--port", str(port)) as process:
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert "has ended with 2" in err
    assert f"127.0.0.1:{port}" in err
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--rate", "0"), "rate: 50 devices send between"),
        (("--for", "a while"), "--for: 'a while' is not a duration"),
        (("--keep", "."), "the folder is not empty; fencepost serve --data . serves what is there"),
    ],
)
def test_options_that_make_no_demo_are_an_operators_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with demo(tmp_path / "tmp", *options) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert reason in err
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_usual_port_is_taken_if_it_is_free_and_else_any() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert served.free_port(port) == 0
    assert served.free_port(port) == port
