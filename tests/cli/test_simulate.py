"""`fencepost simulate` from the outside: what it writes is what detection finds."""

import json
from pathlib import Path

import pytest
from tests.cli.invocation import lines_of, run


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
        (("--duration", "PT1M"), "at least 20 minutes"),
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
