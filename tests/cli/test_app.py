"""The command line as a whole: help, docs, exit codes, and real processes."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from tests.cli.invocation import run

from fencepost import __version__
from fencepost.cli import app

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "cli.md").read_text()
OWN_WORDS = {"--help", "-h"}


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands())


def fencepost(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fencepost", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT, timeout=60, **options)


def test_the_commands_are_these() -> None:
    assert {" ".join(path) for path in COMMANDS} == {
        "detect",
        "decode",
        "rules check",
        "rules test",
        "rules explain",
        "simulate",
        "init",
        "serve",
        "devices add",
        "devices list",
        "devices show",
        "devices enable",
        "devices disable",
        "devices delete",
        "devices rotate-key",
        "devices connection-string",
        "devices import",
        "devices export",
        "groups list",
        "groups show",
        "groups diff",
        "groups apply",
        "groups delete",
        "groups export",
        "alerts list",
        "alerts show",
        "alerts watch",
        "alerts allow",
        "alerts undo",
        "alerts resolve",
        "alerts dismiss",
        "alerts start",
        "alerts activate",
        "alerts assign",
        "alerts comment",
        "tokens list",
        "tokens create",
        "tokens show",
        "tokens revoke",
        "users list",
        "users add",
        "users show",
        "users grant",
        "users disable",
        "users enable",
        "users delete",
        "users password",
        "audit",
        "journal verify",
        "journal stats",
        "journal replay",
        "rebuild",
        "demo",
    }


@pytest.mark.parametrize("path", [(), ("rules",), *COMMANDS], ids=" ".join)
def test_every_command_has_a_help_with_an_example(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert re.search(rf"Examples?:\s+fencepost {' '.join(path)}", result.stdout)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_stands_in_the_docs(path: tuple[str, ...]) -> None:
    assert f"## fencepost {' '.join(path)}\n" in DOCS
    for parameter in COMMANDS[path].params:
        for option in set(parameter.opts) - OWN_WORDS:
            if option.startswith("-"):
                assert f"`{option}" in DOCS or f"{option} " in DOCS, option
                assert parameter.help, option


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_takes_json(path: tuple[str, ...]) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[path].params)


def test_the_commands_that_the_docs_show_work_as_they_are(tmp_path: Path) -> None:
    shown = re.findall(r"^\$ (fencepost (?:[^\n]*\\\n)?[^\n]*)$", DOCS, re.MULTILINE)
    assert len(shown) >= 7
    for command in shown:
        arguments = command.replace("\\\n", " ").replace("examples/", f"{ROOT}/examples/").split()[1:]
        arguments = [
            word.replace("fleet", f"{tmp_path}/fleet", 1) if word.startswith("fleet") else word
            for word in arguments
        ]
        assert run(*arguments).exit_code == 0, command


@pytest.mark.parametrize(
    "arguments",
    [("frobnicate",), ("detect",), ("detect", "x"), ("decode", "--limit", "0", "x"), ("rules", "check")],
    ids=" ".join,
)
def test_wrong_usage_is_said_on_stderr_and_exits_with_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == f"fencepost {__version__}\n"


def test_a_real_process_judges_the_examples() -> None:
    done = fencepost(
        "detect", "--groups", "examples/groups.yaml", "--json", "--fail-on-alert", "examples/messages"
    )
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 5
    assert b"Traceback" not in done.stderr


def test_a_real_process_reads_the_standard_input() -> None:
    body = (ROOT / "examples" / "messages" / "plc-0001.bin").read_bytes()
    done = fencepost("decode", "--device", "plc-1", "-", input=body)
    assert done.returncode == 0
    assert all(line.startswith(b'{"DeviceId":"plc-1"') for line in done.stdout.splitlines())


def test_an_operators_fault_is_lines_on_stderr_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "groups.yaml").write_text("groups: [")
    done = fencepost("detect", "--groups", tmp_path / "groups.yaml", "x")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(str(tmp_path / "groups.yaml").encode())
    assert b"Traceback" not in done.stderr


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    line = (ROOT / "examples" / "messages" / "gw-0001.ndjson").read_bytes()
    path = tmp_path / "gw-1.ndjson"
    path.write_bytes(line * 500)
    with subprocess.Popen(
        [sys.executable, "-m", "fencepost", "decode", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 141


def test_names_that_no_encoding_knows_can_be_printed(tmp_path: Path) -> None:
    path = tmp_path / "cam-\udce9.json"
    path.write_text("not JSON")
    for environment in ({"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "1"}):
        done = fencepost("decode", path, env=environment)
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from fencepost.cli.output import progress  # noqa: PLC0415

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress("judging", 10) as step:
            step(10)
        assert bool(stream.getvalue()) == shown
