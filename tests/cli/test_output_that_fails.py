"""What cannot be written is told in one line, and a reader that goes away is no fault."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")
COMMANDS = (
    ["decode", "examples/messages"],
    ["detect", "--groups", "examples/groups.yaml", "examples/messages"],
    ["detect", "--json", "--groups", "examples/groups.yaml", "examples/messages"],
    ["rules", "check", "examples/groups.yaml"],
)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_a_full_disk_is_exit_2_and_one_line(command: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fencepost", *command],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS[:3], ids=lambda command: " ".join(command[:2]))
def test_a_closed_pipe_is_exit_141_and_silent(command: list[str]) -> None:
    lines = [*command, *["examples/messages"] * 200]
    running = subprocess.Popen(
        [sys.executable, "-m", "fencepost", *lines],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    complaint = running.stderr.read()
    running.stderr.close()
    assert running.wait() == 141
    assert "Traceback" not in complaint
    assert "Exception" not in complaint
