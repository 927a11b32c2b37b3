"""`fencepost detect` from the outside: alerts as a table and as JSON, the clock, and what the summary says."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.invocation import lines_of, run

EXAMPLES = Path(__file__).parents[2] / "examples"
KEYS = [
    "alert_id",
    "alert_type",
    "rule_type",
    "device_id",
    "group",
    "group_version",
    "severity",
    "state",
    "title",
    "description",
    "remediation",
    "data_source",
    "value",
    "count",
    "min",
    "max",
    "window",
    "started_at",
    "last_seen_at",
    "received_at",
    "ended_at",
    "reason",
    "assigned_to",
    "certainty",
    "flags",
    "nearest_entry",
    "allowing_entry",
    "previous_id",
    "evidence",
]
GROUPS = """
groups:
  cameras:
    members: {globs: ["cam-*"]}
    allowed_lateness: PT15M
    rules:
      - {type: ActiveConnectionsNotInAllowedRange, min: 1, max: 3, window: PT5M}
      - {type: ConnectionToIpNotAllowed, allow: [10.0.0.0/8]}
      - {type: ProcessNotAllowed, allow: [sh]}
"""
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    path = tmp_path / "groups.yaml"
    path.write_text(GROUPS)
    return path


def event(name: str, at: datetime | str, *payload: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return {
        "Id": f"e{number}-{at}",
        "Name": name,
        "TimestampUTC": at if isinstance(at, str) else at.isoformat().replace("+00:00", "Z"),
        "Category": "Triggered",
        "EventType": "Security",
        "IsEmpty": not payload,
        "PayloadSchemaVersion": "1.0",
        "Payload": list(payload),
    }


def call(at: datetime, remote: str = "10.0.0.9", number: int = 0) -> dict[str, Any]:
    payload = {"Direction": "Out", "RemoteAddress": remote, "RemotePort": "443", "Protocol": "tcp"}
    return event("ConnectionCreate", at, payload, number=number)


def start(at: datetime | str, executable: str = "/tmp/miner", number: int = 0) -> dict[str, Any]:  # noqa: S108
    return event("ProcessCreate", at, {"Executable": executable, "ProcessId": 1}, number=number)


def wrapped(device: str, *events: dict[str, Any], received_at: datetime | str | None = None) -> str:
    wrapper: dict[str, Any] = {"device_id": device, "body": {"Events": list(events)}}
    if received_at is not None:
        wrapper["received_at"] = received_at if isinstance(received_at, str) else received_at.isoformat()
    return json.dumps(wrapper)


def save(folder: Path, *lines: str, name: str = "fleet.ndjson") -> Path:
    path = folder / name
    path.write_text("\n".join(lines))
    return path


def test_the_examples_give_each_of_the_five_alerts() -> None:
    result = run("detect", "--groups", EXAMPLES / "groups.yaml", EXAMPLES / "messages")
    assert result.exit_code == 0
    for words in (
        "Number of active",
        "Number of failed",
        "Outbound connection",
        "Sign-in of a user",
        "Start of a process",
    ):
        assert words in result.stdout
    assert "41 (0-30 in PT5M)" in result.stdout
    assert "9 messages of 8 devices" in result.stdout


def test_a_line_of_json_has_exactly_the_promised_keys_and_nothing_else_is_on_stdout() -> None:
    result = run("detect", "--groups", EXAMPLES / "groups.yaml", "--json", EXAMPLES / "messages")
    alerts = lines_of(result)
    assert len(alerts) == 5
    assert all(list(alert) == KEYS for alert in alerts)
    by_type = {alert["rule_type"]: alert for alert in alerts}
    assert by_type["ActiveConnectionsNotInAllowedRange"]["window"] == "PT5M"
    assert by_type["ConnectionToIpNotAllowed"]["window"] is None
    assert by_type["ConnectionToIpNotAllowed"]["started_at"] == "2026-11-24T03:02:10Z"
    for alert in alerts:
        assert alert["alert_type"] == f"IoT_CA_{alert['rule_type']}"
        for evidence in alert["evidence"]:
            assert set(evidence) == {"event_id", "event_name", "occurred_at", "received_at", "facts"}
    assert "alerts         5" in result.stderr


def test_alerts_stand_in_the_order_in_which_they_began(tmp_path: Path, groups: Path) -> None:
    path = save(
        tmp_path,
        wrapped("cam-2", start(AT + timedelta(minutes=2))),
        wrapped("cam-1", start(AT + timedelta(minutes=1))),
    )
    alerts = lines_of(run("detect", "--groups", groups, "--json", path))
    assert [alert["device_id"] for alert in alerts] == ["cam-1", "cam-2"]


def test_an_alert_fails_the_command_only_if_that_was_asked_for(tmp_path: Path, groups: Path) -> None:
    bad, good = (
        save(tmp_path, wrapped("cam-1", start(AT, program)), name=name)
        for program, name in (("/tmp/x", "bad.json"), ("/bin/sh", "good.json"))  # noqa: S108
    )
    assert run("detect", "--groups", groups, bad).exit_code == 0
    assert run("detect", "--groups", groups, "--fail-on-alert", bad).exit_code == 1
    assert run("detect", "--groups", groups, "--fail-on-alert", good).exit_code == 0


def test_details_name_the_remedy_the_entries_and_the_evidence(tmp_path: Path, groups: Path) -> None:
    path = save(tmp_path, wrapped("cam-1", call(AT), call(AT, "11.0.0.1", number=1)))
    out = " ".join(run("detect", "--groups", groups, "--details", path).stdout.split())
    for words in (
        "what to do Look at",
        "nearest entry 10.0.0.0/8",
        "to allow it 11.0.0.1",
        "RemoteAddress=11.0.0.1",
    ):
        assert words in out


def test_a_message_without_a_receive_time_counts_as_received_at_its_own_latest_event(
    tmp_path: Path, groups: Path
) -> None:
    path = save(tmp_path, wrapped("cam-1", start(AT), call(AT + timedelta(seconds=9))))
    (alert,) = lines_of(run("detect", "--groups", groups, "--json", path))
    assert alert["evidence"][0]["received_at"] == "2026-03-01T12:00:09Z"
    assert alert["flags"] == []


def test_a_late_event_says_so(tmp_path: Path, groups: Path) -> None:
    path = save(tmp_path, wrapped("cam-1", start(AT), received_at=AT + timedelta(hours=1)))
    result = run("detect", "--groups", groups, "--json", path)
    assert lines_of(result)[0]["flags"] == ["late"]
    assert "late           1 event" in result.stderr


def test_silence_falls_due_only_as_far_as_the_clock_is_moved(tmp_path: Path, groups: Path) -> None:
    path = save(tmp_path, wrapped("cam-1", call(AT)))

    def alerts(*until: object) -> list[dict[str, Any]]:
        return lines_of(run("detect", "--groups", groups, "--json", *until, path))

    assert alerts() == []
    assert alerts("--until", "PT19M") == []
    (alert,) = alerts("--until", "PT1H")
    assert (alert["rule_type"], alert["count"], alert["min"]) == ("ActiveConnectionsNotInAllowedRange", 0, 1)
    assert alerts("--until", "2026-03-01T13:00:00Z") == [alert]
    assert alerts("--until", "2026-03-01T13:00:00") == [alert]
    assert alerts("--until", "2026-03-01T14:00:00+01:00") == [alert]


def test_one_devices_silence_is_noticed_while_others_talk(tmp_path: Path, groups: Path) -> None:
    talking = [
        wrapped("cam-2", call(at, number=minute), received_at=at)
        for minute in range(0, 60, 4)
        if (at := AT + timedelta(minutes=minute))
    ]
    path = save(tmp_path, wrapped("cam-1", call(AT), received_at=AT), *talking)
    alerts = lines_of(run("detect", "--groups", groups, "--json", path))
    assert [(alert["device_id"], alert["count"]) for alert in alerts] == [("cam-1", 0)]


def test_files_of_the_same_hour_one_after_the_other_make_no_silence(tmp_path: Path, groups: Path) -> None:
    for device in ("cam-1", "cam-2"):
        lines = [json.dumps({"Events": [call(AT + timedelta(minutes=m), number=m)]}) for m in range(0, 60, 4)]
        save(tmp_path, *lines, name=f"{device}.ndjson")
    result = run("detect", "--groups", groups, "--json", tmp_path / "cam-1.ndjson", tmp_path / "cam-2.ndjson")
    assert lines_of(result) == []
    assert "repaired" not in result.stderr


@pytest.mark.parametrize("until", ["soon", "-PT1H", "P", "9999-12-31T23:59:59Z", "1999-01-01T00:00:00Z"])
def test_a_time_that_is_none_is_an_operators_fault(tmp_path: Path, groups: Path, until: str) -> None:
    path = save(tmp_path, wrapped("cam-1", call(AT)))
    result = run("detect", "--groups", groups, f"--until={until}", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("--until: ")


def test_the_clock_does_not_go_back_and_never_overflows(tmp_path: Path, groups: Path) -> None:
    path = save(tmp_path, wrapped("cam-1", call(AT)))
    assert "later than this" in run("detect", "--groups", groups, "--until", "2026-01-01", path).stderr
    assert run("detect", "--groups", groups, "--until", "P99999W", path).exit_code == 0
    far = [
        wrapped("cam-1", start(time, number=number), received_at=received)
        for number, (time, received) in enumerate(
            [
                ("9999-12-31T23:59:59Z", None),
                ("0001-01-01T00:00:00Z", None),
                ("2026-03-01T12:00:00Z", "9999-12-31T23:59:59Z"),
                ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
            ]
        )
    ]
    for lines in (far, [far[0]], [far[1]], [far[2]], [far[3]], far[::-1]):
        result = run(
            "detect", "--groups", groups, "--until", "PT1H", save(tmp_path, *lines, name="far.ndjson")
        )
        assert result.exit_code == 0
        assert "Start of a process" in result.stdout


def test_a_device_without_a_clock_does_not_move_the_clock_of_others(tmp_path: Path, groups: Path) -> None:
    path = save(
        tmp_path, wrapped("cam-1", call(AT)), wrapped("cam-2", start("1970-01-01T00:00:10Z"), call(AT))
    )
    alone = save(
        tmp_path, wrapped("cam-1", call(AT)), wrapped("cam-2", start("1970-01-01T00:00:10Z")), name="b.ndjson"
    )
    for file in (path, alone):
        result = run("detect", "--groups", groups, "--json", file)
        (alert,) = lines_of(result)
        assert (alert["flags"], alert["started_at"]) == (["clock_skew"], "2026-03-01T12:00:00Z")
        assert "clock skew     1 event" in result.stderr


def test_a_redelivered_message_counts_once(tmp_path: Path, groups: Path) -> None:
    line = wrapped("cam-1", start(AT))
    result = run("detect", "--groups", groups, "--json", save(tmp_path, line, line))
    assert lines_of(result)[0]["count"] == 1
    assert "duplicates     1 message, 0 events" in result.stderr


def test_possible_and_incomplete_numbers_are_in_the_summary(tmp_path: Path, groups: Path) -> None:
    details = {
        "HitCount": 9,
        "StartTimeUtc": (AT - timedelta(minutes=30)).isoformat(),
        "EndTimeUtc": AT.isoformat(),
    }
    many = call(AT)
    many["Payload"][0]["ExtraDetails"] = details
    lost = event("DroppedEventsStatistics", AT, {"Queue": "High", "CollectedEvents": 9, "DroppedEvents": 4})
    path = save(tmp_path, wrapped("cam-1", many, lost))
    result = run("detect", "--groups", groups, "--json", path)
    assert lines_of(result) == []
    assert "possible" in result.stderr
    assert "ActiveConnectionsNotInAllowedRange on 1 device" in result.stderr
    assert "incomplete     1 report" in result.stderr


def test_what_a_device_cannot_feed_and_who_is_in_no_group_is_in_the_summary(groups: Path) -> None:
    plc = EXAMPLES / "messages" / "plc-0001.bin"
    out = run("detect", "--groups", groups, "--device", "cam-7", plc).stdout
    assert "not measurable ProcessNotAllowed on 1 device" in out
    assert (
        "unassigned     1 device in no group, judged by 'default': plc-0001"
        in run("detect", "--groups", groups, plc).stdout
    )


def test_the_device_comes_from_where_the_option_says(tmp_path: Path, groups: Path) -> None:
    body = json.dumps({"Events": [start(AT)]})
    path = save(tmp_path, wrapped("cam-wrapped", start(AT)), body, name="cam-file.ndjson")

    def devices(*options: str) -> list[str]:
        return [
            alert["device_id"]
            for alert in lines_of(run("detect", "--groups", groups, "--json", *options, path))
        ]

    assert devices() == ["cam-file", "cam-wrapped"]
    assert devices("--device", "cam-option") == ["cam-option", "cam-wrapped"]
    assert devices("--device-from", "wrapper") == ["cam-wrapped"]
    assert devices("--device-from", "filename") == ["cam-file"]
    assert devices("--device-from", "option", "--device", "cam-option") == ["cam-option"]
    result = run("detect", "--groups", groups, "--device-from", "option", path)
    assert (result.exit_code, result.stderr) == (2, "--device-from option: --device ID is missing\n")


def test_the_standard_input_gzip_and_arrays_are_read(tmp_path: Path, groups: Path) -> None:
    line = wrapped("cam-1", start(AT)).encode()
    for stdin in (line, gzip.compress(line), b"[" + line + b"]"):
        result = run("detect", "--groups", groups, "--json", "-", stdin=stdin)
        assert [alert["device_id"] for alert in lines_of(result)] == ["cam-1"]


def test_bad_neighbours_are_counted_with_their_places_and_lose_no_message(
    tmp_path: Path, groups: Path
) -> None:
    path = save(
        tmp_path,
        wrapped("cam-1", start(AT)),
        "not JSON",
        '{"device_id": "cam-2", "body": {"Events": []}}',
        '{"device_id": "cam-2", "body": ' + "[" * 100_000 + "}",
        '{"device_id": "cam-2", "body": "' + "x" * 300_000 + '"}',
        wrapped("cam-3", call(AT, "no address"), start(AT)),
        '{"Events": [{"Name": "Nonsense", "Id": "1", "TimestampUTC": "2026-03-01T12:00:00Z", "Payload": []}]}',
        '{"Events": [',
        wrapped("cam-4", start(AT)),
    )
    result = run("detect", "--groups", groups, "--json", path, tmp_path / "missing.json")
    assert result.exit_code == 0
    assert [alert["device_id"] for alert in lines_of(result)] == ["cam-1", "cam-3", "cam-4"]
    assert "rejected       6 messages or files, 2 parts of other messages" in result.stderr
    assert f"at {path}:6: Events[0].Payload[0].RemoteAddress" in result.stderr
    assert f"at {tmp_path / 'missing.json'}" in result.stderr
    assert "unknown event name 'Nonsense'" in result.stderr


def test_many_cases_of_a_reason_are_counted_and_a_few_places_named(tmp_path: Path, groups: Path) -> None:
    bad = [json.dumps({"Events": [event(f"N{number}", AT)]}) for number in range(500)]
    path = save(tmp_path, wrapped("cam-1", start(AT)), *["null"] * 1000, *bad)
    result = run("detect", "--groups", groups, path)
    assert "1,000  not an object" in result.stdout
    assert "and at 997 more places" in result.stdout
    assert "other reasons" in result.stdout
    assert len(result.stdout.splitlines()) < 250


def test_when_nothing_can_be_read_the_exit_code_is_2(tmp_path: Path, groups: Path) -> None:
    for path in (
        tmp_path / "missing.json",
        save(tmp_path, "", name="empty.json"),
        save(tmp_path, "[]", name="none.json"),
    ):
        result = run("detect", "--groups", groups, path)
        assert result.exit_code == 2
        assert result.stderr == "no message could be read\n"


def test_a_wrong_groups_file_is_named_with_all_its_problems(tmp_path: Path) -> None:
    path = save(
        tmp_path, "groups: {g: {rules: [{type: Nope}, {type: ProcessNotAllowed, allow: 1}]}}", name="g.yaml"
    )
    result = run("detect", "--groups", path, tmp_path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == [f"{path}:1"] * 2


def test_what_a_device_writes_cannot_move_the_cursor(tmp_path: Path, groups: Path) -> None:
    path = save(tmp_path, wrapped("cam-\u001b[2J", start(AT, "/tmp/\u001b[31mred\u202e")))  # noqa: S108
    result = run("detect", "--groups", groups, "--details", path)
    assert "red" in result.stdout
    assert "\u001b" not in result.output
    assert "\u202e" not in result.output


def test_numbers_and_names_that_json_has_no_form_for_do_not_stop_the_output(
    tmp_path: Path, groups: Path
) -> None:
    huge = start(AT)
    huge["Payload"][0]["UserId"] = 10**30
    path = tmp_path / "cam-\udce9.json"
    path.write_text(json.dumps({"Events": [huge]}))
    (alert,) = lines_of(run("detect", "--groups", groups, "--json", path))
    assert alert["evidence"][0]["facts"]["UserId"] == 10**30
    assert run("detect", "--groups", groups, path).exit_code == 0


def test_a_hundred_thousand_events_in_one_message_are_judged(tmp_path: Path, groups: Path) -> None:
    template = json.dumps(start(AT, "/bin/sh"))
    events = [template.replace("e0-", f"e{number}-") for number in range(100_000)]
    body = ",".join([*events, json.dumps(start(AT, number=-1))])
    path = save(tmp_path, '{"Events":[' + body + "]}", name="cam-1.json")
    result = run("detect", "--groups", groups, "--json", "--limit", 100_000_000, path)
    assert [alert["value"] for alert in lines_of(result)] == ["/tmp/miner"]  # noqa: S108
    assert "100,001 events" in result.stderr
    assert run("detect", "--groups", groups, path).exit_code == 2


def test_a_table_that_nobody_can_read_to_its_end_says_how_many_alerts_are_missing(
    tmp_path: Path, groups: Path
) -> None:
    path = save(tmp_path, *(wrapped(f"cam-{number}", start(AT)) for number in range(1003)))
    result = run("detect", "--groups", groups, path)
    assert "... and 3 more alerts: --json prints them all" in result.stdout
    assert "alerts         1,003" in result.stdout
    assert len(lines_of(run("detect", "--groups", groups, "--json", path))) == 1003
