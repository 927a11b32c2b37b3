"""`fencepost decode` from the outside: a row for each payload, a line for each refusal, in their order."""

import json
from pathlib import Path

import pytest
from tests.cli.invocation import lines_of, run

FIXTURES = Path(__file__).parents[1] / "fixtures" / "wire"
COLUMNS = {
    "DeviceId",
    "RawEventName",
    "RawEventCategory",
    "RawEventType",
    "IoTRawEventId",
    "TimeStamp",
    "EventDetails",
}


def event(remote: str = "10.0.0.1", name: str = "ConnectionCreate") -> dict[str, object]:
    return {
        "Id": "1",
        "Name": name,
        "TimestampUTC": "2026-03-01T12:00:00Z",
        "Category": "Triggered",
        "EventType": "Security",
        "IsEmpty": False,
        "PayloadSchemaVersion": "1.0",
        "Payload": [{"Direction": "Out", "RemoteAddress": remote, "Protocol": "tcp"}],
    }


def test_a_row_has_the_columns_of_the_table_and_its_details_as_an_object() -> None:
    result = run("decode", "--device", "plc-7", FIXTURES / "threadx" / "01_net_v4_single.bin")
    (row,) = lines_of(result)
    assert set(row) >= COLUMNS
    assert row["DeviceId"] == "plc-7"
    assert row["RawEventName"] == "NetworkActivity"
    assert row["TimeStamp"] == "2022-08-08T23:06:40Z"
    assert row["EventDetails"]["LocalPort"] == "50123"
    assert result.stderr.splitlines() == ["read           1 message, 1 payload"]


def test_the_samples_are_understood_and_what_is_invalid_is_rejected_with_its_reason() -> None:
    lines = lines_of(run("decode", "--json", FIXTURES / "official", FIXTURES / "legacy"))
    refused = [line for line in lines if "rejected" in line]
    assert all(set(line) == {"rejected", "where"} for line in refused)
    assert all("invalid_" in line["where"] or "twin" in line["where"] for line in refused)
    assert len([line for line in lines if "RawEventName" in line]) > 40


def test_a_refusal_says_why_and_where_and_its_neighbours_stand(tmp_path: Path) -> None:
    path = tmp_path / "fleet.ndjson"
    good, bad = event(), event("nowhere")
    messages = [{"Events": [good, bad, good]}, {"Events": []}, {"Events": [event(name="Nonsense")]}]
    path.write_text("\n".join([*map(json.dumps, messages), "{", json.dumps({"Events": [good]})]))
    result = run("decode", path)
    assert result.exit_code == 0
    assert [line.get("where", line.get("RawEventName")) for line in lines_of(result)] == [
        "ConnectionCreate",
        f"{path}:1: Events[1].Payload[0].RemoteAddress",
        "ConnectionCreate",
        f"{path}:2: Events",
        f"{path}:3: Events[0].Name",
        f"{path}:4",
        "ConnectionCreate",
    ]
    assert lines_of(result)[1] == {
        "rejected": "not an IP address",
        "where": f"{path}:1: Events[1].Payload[0].RemoteAddress",
    }
    assert "rejected       4" in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "null", "not JSON", '{"Events": []}', '{"Events": [1]}'])
def test_when_nothing_can_be_understood_the_exit_code_is_2_and_the_reason_is_a_line(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "cam-1.json"
    path.write_text(text)
    result = run("decode", path)
    assert result.exit_code == 2
    assert all(set(line) == {"rejected", "where"} for line in lines_of(result))
    assert len(lines_of(result)) == 1


def test_an_empty_event_is_understood_although_it_has_no_row(tmp_path: Path) -> None:
    path = tmp_path / "cam-1.json"
    path.write_text(json.dumps({"Events": [event() | {"IsEmpty": True, "Payload": []}]}))
    result = run("decode", path)
    assert (result.exit_code, result.stdout) == (0, "")


def test_a_message_beyond_the_limit_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "cam-1.json"
    path.write_text(json.dumps({"Events": [event()]}))
    (line,) = lines_of(run("decode", "--limit", 100, path))
    assert line["rejected"] == "the message has more than 100 bytes"
    assert line["where"].startswith(str(path))
