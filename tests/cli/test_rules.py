"""`fencepost rules` from the outside: check, test and explain."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.invocation import lines_of, run

EXAMPLES = Path(__file__).parents[2] / "examples"
GROUPS, MESSAGES = EXAMPLES / "groups.yaml", EXAMPLES / "messages"


def save(folder: Path, text: str, name: str = "groups.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def explained(device: str, rule: str, *more: object) -> list[dict[str, Any]]:
    return lines_of(
        run(
            *("rules", "explain", "--groups", GROUPS, "--device", device, "--rule", rule, "--json"),
            *(more or (MESSAGES,)),
        )
    )


def test_check_summarises_each_group_of_a_file_in_order() -> None:
    result = run("rules", "check", GROUPS)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "4 groups, 10 tests, no problems" in result.stdout
    assert "    ActiveConnectionsNotInAllowedRange: 0 to 30 in PT5M" in result.stdout


def test_check_names_all_problems_of_all_files_with_their_places(tmp_path: Path) -> None:
    bad = save(
        tmp_path, "groups:\n  g:\n    rules:\n      - {type: Nope}\n      - {type: ProcessNotAllowed}\n"
    )
    missing = tmp_path / "missing.yaml"
    result = run("rules", "check", bad, missing, GROUPS)
    assert result.exit_code == 2
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == [
        f"{bad}:4",
        f"{bad}:5",
        str(missing),
    ]
    assert "groups.g.rules[0].type" in result.stderr
    assert f"{GROUPS}: 4 groups" in result.stdout


def test_check_shows_warnings_and_does_not_fail(tmp_path: Path) -> None:
    path = save(tmp_path, "groups: {g: {rules: [{type: ProcessNotAllowed, allow: []}]}}")
    result = run("rules", "check", path)
    assert result.exit_code == 0
    assert result.stderr.startswith(f"warning: {path}:1: groups.g.rules[0].allow: nothing is allowed")
    (report,) = lines_of(run("rules", "check", "--json", path))
    assert set(report) == {"file", "groups", "fleet", "devices", "problems", "warnings"}
    assert (report["fleet"], report["devices"]) == ([], {})
    assert report["warnings"][0]["line"] == 1
    assert [group["name"] for group in report["groups"]] == ["g", "default"]


def test_check_shows_what_is_added_for_the_fleet_and_for_devices(tmp_path: Path) -> None:
    text = (
        "groups: {g: {rules: [{type: ProcessNotAllowed, allow: [/usr/bin/*]}]}}\n"
        "fleet: {rules: [{type: ProcessNotAllowed, allow: [/opt/agent]}]}\n"
        "devices: {cam-1: {rules: [{type: FailedLocalLoginsNotInAllowedRange, min: 0, max: 9, window: PT5M}]}}\n"
    )
    path = save(tmp_path, text)
    result = run("rules", "check", path)
    assert result.exit_code == 0
    _, added = result.stdout.split("    no rules\n")
    assert added.splitlines() == [
        "  added for the fleet:",
        "    ProcessNotAllowed: 1 entry allowed",
        "  added for the device cam-1:",
        "    FailedLocalLoginsNotInAllowedRange: 0 to 9 in PT5M",
    ]
    (report,) = lines_of(run("rules", "check", "--json", path))
    assert report["fleet"] == ["ProcessNotAllowed"]
    assert report["devices"] == {"cam-1": ["FailedLocalLoginsNotInAllowedRange"]}


def test_check_prints_problems_as_json_too(tmp_path: Path) -> None:
    path = save(tmp_path, "groups: 1")
    result = run("rules", "check", "--json", path)
    assert result.exit_code == 2
    (report,) = lines_of(result)
    assert report["problems"][0]["path"] == "groups"
    assert report["groups"] == []


def test_the_tests_of_the_example_pass() -> None:
    result = run("rules", "test", GROUPS)
    assert result.exit_code == 0
    assert "10 of 10 tests passed" in result.stdout
    assert result.stdout.count("pass  ") == 10


FAILING = """
groups:
  g: {rules: [{type: ProcessNotAllowed, allow: [sh]}, {type: ActiveConnectionsNotInAllowedRange, min: 1, max: 9, window: PT5M}]}
tests:
  - name: wrong about the value
    group: g
    events: [{at: 0, process: /tmp/x}]
    expect: [{type: ProcessNotAllowed, value: /tmp/y}]
  - name: silence is noticed
    group: g
    events: [{at: 0, connect: 10.0.0.1}]
    until: PT12H
    expect: [{type: ActiveConnectionsNotInAllowedRange, count: 0}]
"""


def test_a_test_that_fails_says_why_and_the_others_still_run(tmp_path: Path) -> None:
    path = save(tmp_path, FAILING)
    result = run("rules", "test", path)
    assert result.exit_code == 1
    assert "FAIL  wrong about the value" in result.stdout
    assert f"{path}:5: expected ProcessNotAllowed for /tmp/y, no such alert came" in result.stdout
    assert "unexpected ProcessNotAllowed for /tmp/x" in result.stdout
    assert "pass  silence is noticed" in result.stdout
    verdicts = lines_of(run("rules", "test", "--json", path))
    assert [(verdict["name"], verdict["passed"]) for verdict in verdicts] == [
        ("wrong about the value", False),
        ("silence is noticed", True),
    ]


HUB = """
groups:
  g:
    rules:
      - {type: MqttD2CMessagesNotInAllowedRange, min: 1, max: 5, window: PT10M}
      - {type: UnauthorizedOperationsNotInAllowedRange, min: 0, max: 2, window: PT1H}
      - {type: FailedLocalLoginsNotInAllowedRange, min: 1, max: 9, window: PT5M}
tests:
  - name: a device that falls silent is noticed the moment that the window is over
    group: g
    events: [{at: 0, hub: MqttD2CMessages}, {at: PT1M, hub: TwinUpdates}]
    until: PT10M
    expect: [{type: MqttD2CMessagesNotInAllowedRange, count: 0, state: Active}]
  - name: what the agent says is no message that the gateway saw
    group: g
    events: [{at: 0, login: root, result: Fail}, {at: PT1M, login: root, result: Fail, repeat: 8}]
    expect: []
  - name: six in ten minutes are too many, and so are three strangers
    group: g
    events:
      - {at: 0, hub: MqttD2CMessages, repeat: 6, every: PT1M}
      - {at: PT5M, hub: UnauthorizedOperations, repeat: 3}
    expect:
      - {type: MqttD2CMessagesNotInAllowedRange, count: 6}
      - {type: UnauthorizedOperationsNotInAllowedRange, count: 3}
"""


def test_what_the_gateway_sees_is_played_too(tmp_path: Path) -> None:
    result = run("rules", "test", save(tmp_path, HUB))
    assert "3 of 3 tests passed" in result.stdout
    assert result.exit_code == 0


def test_what_the_gateway_sees_is_not_explained_from_messages(tmp_path: Path) -> None:
    groups = save(tmp_path, HUB.replace("  g:", "  default:").replace("group: g", "group: default"))
    rule = "MqttD2CMessagesNotInAllowedRange"
    result = run("rules", "explain", "--groups", groups, "--device", "cam-0001", "--rule", rule, MESSAGES)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{rule} counts what the gateway sees and no message tells" in result.stderr


def test_a_bad_file_goes_before_a_failing_test_and_a_file_without_tests_says_so(tmp_path: Path) -> None:
    failing, bad = save(tmp_path, FAILING), save(tmp_path, "groups: 1", "bad.yaml")
    bare = save(tmp_path, "groups: {g: {rules: []}}", "bare.yaml")
    assert run("rules", "test", failing, bad).exit_code == 2
    result = run("rules", "test", bare)
    assert result.exit_code == 0
    assert "this file has no tests" in result.stdout


def test_explain_says_which_entry_matched_or_was_nearest_and_what_alert_came() -> None:
    lines = explained("cam-0003", "ConnectionToIpNotAllowed")
    assert [(line["counted"], line["entry"], line["nearest_entry"]) for line in lines] == [
        (False, "10.20.7.0/24", None),
        (True, None, "203.0.113.20:443/tcp"),
        (True, None, "203.0.113.20:443/tcp"),
    ]
    changes = [change for line in lines for change in line["alerts"]]
    assert [(change["change"], change["count"]) for change in changes] == [("opened", 2)]


def test_explain_says_the_number_in_the_window_and_which_record_repeats_an_attempt() -> None:
    lines = explained("gw-0001", "FailedLocalLoginsNotInAllowedRange")
    failed = [line for line in lines if "attempt" in line["why"]]
    assert [line["counted"] for line in failed] == [True, False] * 7
    assert [line["certain"] for line in failed] == [number for n in range(1, 8) for number in (n, n)]
    assert (lines[0]["min"], lines[0]["max"], lines[0]["window"]) == (0, 5, "PT10M")


def test_explain_shows_certain_and_possible_numbers_of_aggregates() -> None:
    first, second = explained("cam-0002", "ActiveConnectionsNotInAllowedRange")
    assert (first["certain"], first["possible"]) == (1, 41)
    assert second["why"].startswith("an aggregate: 40 hits")


def message(*payload: dict[str, object], name: str, at: str = "12:00:00", identity: str = "1") -> str:
    event = {"Id": identity, "Name": name, "TimestampUTC": f"2026-03-01T{at}Z", "Payload": payload}
    return json.dumps({"Events": [event]})


def test_explain_says_what_is_a_duplicate_late_or_of_a_wrong_clock(tmp_path: Path) -> None:
    start = {"Executable": "/tmp/x", "ProcessId": 1}  # noqa: S108
    once = message(start, name="ProcessCreate")
    late = f'{{"received_at": "2026-03-02T12:00:00Z", "body": {message(start, name="ProcessCreate", identity="2")}}}'
    old = f'{{"received_at": "2026-03-05T12:00:00Z", "body": {message(start, name="ProcessCreate", identity="3")}}}'
    early = f'{{"received_at": "2026-03-01T01:00:00Z", "body": {message(start, name="ProcessCreate", identity="4")}}}'
    path = save(tmp_path, f"{once}\n{once}\n{late}\n{old}\n{early}", "cam-0001.ndjson")
    lines = explained("cam-0001", "ProcessNotAllowed", path)
    assert [(line["counted"], line["flags"]) for line in lines] == [
        (True, []),
        (False, []),
        (True, ["late"]),
        (False, ["late"]),
        (True, ["clock_skew"]),
    ]
    assert "received before" in lines[1]["why"]
    assert "older than 48 h" in lines[3]["why"]
    assert lines[4]["judged_at"] == "2026-03-01T01:00:00Z"


def test_explain_says_what_the_rule_does_not_watch(tmp_path: Path) -> None:
    path = save(
        tmp_path,
        "\n".join(
            [
                message({"Direction": "In", "RemoteAddress": "203.0.113.9"}, name="ConnectionCreate"),
                message({"Direction": "Out", "RemoteAddress": ""}, name="ConnectionCreate", identity="2"),
                message({"Executable": "/bin/sh"}, name="ProcessCreate", identity="3"),
            ]
        ),
        "cam-0001.ndjson",
    )
    arguments = ("rules", "explain", "--groups", GROUPS, "--device", "cam-0001")
    result = run(*arguments, "--rule", "ConnectionToIpNotAllowed", path)
    assert "an inbound connection: the rule watches the other direction" in result.stdout
    assert "it names no remote address" in result.stdout
    assert "1 other event of the device" in result.stdout
    assert "no alert" in result.stdout


@pytest.mark.parametrize(
    ("device", "rule", "reason"),
    [
        ("cam-0001", "Nope", "unknown rule type 'Nope'"),
        ("cam-0001", "LocalUserDenied", "is not judged in the group 'cameras'"),
        ("stray", "FileUploadsNotInAllowedRange", "is not judged in the group 'default'"),
        ("stray", "TwinUpdatesNotInAllowedRange", "is not judged in the group 'default'"),
    ],
)
def test_explain_refuses_a_rule_that_does_not_judge_the_device(device: str, rule: str, reason: str) -> None:
    result = run("rules", "explain", "--groups", GROUPS, "--device", device, "--rule", rule, MESSAGES)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr


def test_explain_takes_the_name_of_a_sign_in_from_where_the_engine_takes_it() -> None:
    quiet = explained("cam-0001", "LocalUserNotAllowed")
    assert quiet
    assert not any(line["counted"] for line in quiet)
    assert any("PAM record" in line["why"] for line in quiet)
    strangers = explained("gw-0002", "LocalUserNotAllowed")
    assert [line["value"] for line in strangers if line["counted"]] == ["mallory", "mallory"]


def test_what_explain_says_counts_is_what_the_alerts_count(tmp_path: Path) -> None:
    run("simulate", "--out", tmp_path / "f", "--devices", 20, "--duration", "PT20M", "--incidents", 0.3)
    groups, messages = tmp_path / "f" / "groups.yaml", tmp_path / "f" / "messages.ndjson"
    alerts = lines_of(run("detect", "--groups", groups, "--json", messages))
    for rule in ("ConnectionToIpNotAllowed", "LocalUserNotAllowed", "ProcessNotAllowed"):
        own = [alert for alert in alerts if alert["rule_type"] == rule]
        assert own
        for device in {alert["device_id"] for alert in own}:
            lines = lines_of(
                run(
                    *("rules", "explain", "--groups", groups, "--device", device),
                    *("--rule", rule, "--json", messages),
                )
            )
            total = sum(alert["count"] for alert in own if alert["device_id"] == device)
            assert sum(line["hits"] for line in lines if line["counted"]) == total
            opened = {c["alert_id"] for line in lines for c in line["alerts"] if c["change"] == "opened"}
            assert opened == {alert["alert_id"] for alert in own if alert["device_id"] == device}
