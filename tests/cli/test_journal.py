"""`fencepost journal` from the outside: check, measure, print, and judge again what was printed."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.store.journal.material import START, filled, opened
from typer.testing import CliRunner, Result

from fencepost.cli import Commands, detect, journal
from fencepost.model.entry import (
    DeviceAssigned,
    Entry,
    GatewayOpened,
    GroupPut,
    Operated,
    Received,
    Ticked,
    TurnedAway,
    TwinServed,
)
from fencepost.model.rule import AllowlistRule, SecurityGroup
from fencepost.sources.wrapper import unwrap
from fencepost.store.journal.reading import JournalReader
from fencepost.store.journal.segment import segments_in

ODD_BODIES = (
    b"",
    b"\0\x10binary",
    b"[]",
    b'{"a": 1}\n',
    b'{"a":\n 1}',
    b'{"a": 1} ',
    b'{"a": "\xff"}',
    b'{"a": 1',
    b'{"a": 1}}',
    b'{"a": ' * 5000 + b"1" + b"}" * 5000,
)


def run(*arguments: object, stdin: bytes | None = None, env: dict[str, str] | None = None) -> Result:
    """Run a command as `tests.cli.invocation` does, with the journal's among them."""
    app = typer.Typer(cls=Commands, pretty_exceptions_enable=False, rich_markup_mode=None)
    journal.register(app)
    detect.register(app)
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], input=stdin, env={"COLUMNS": "160", **(env or {})}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def lines_of(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def written(data: Path, *entries: Entry) -> Path:
    log = opened(data / "journal")
    log.append(entries)
    log.close()
    return data


def connection(remote: str) -> bytes:
    event = {
        "Id": "1",
        "Name": "ConnectionCreate",
        "TimestampUTC": "2026-03-01T12:00:00Z",
        "Category": "Triggered",
        "EventType": "Security",
        "IsEmpty": False,
        "PayloadSchemaVersion": "1.0",
        "Payload": [{"Direction": "Out", "RemoteAddress": remote, "Protocol": "tcp"}],
    }
    return json.dumps({"AgentVersion": "0.0.5", "AgentId": "a", "Events": [event]}).encode()


GROUP = SecurityGroup(
    name="default", rules=(AllowlistRule(type="ConnectionToIpNotAllowed", allow=("10.0.0.0/8",)),)
)
STORY: tuple[Entry, ...] = (
    GroupPut(GROUP, START, "alice"),
    DeviceAssigned("cam-1", None, START, "fencepost"),
    Received("cam-1", START, connection("10.0.0.1")),
    Ticked(START),
    Received("cam-2", START, connection("203.0.113.7")),
    TurnedAway("cam-2", START, 300_000, "too large"),
)


def damage_in(data: Path) -> None:
    """Change the last byte of the second of three commits, positions 2 to 4."""
    filled(data / "journal", 1, 3, 2)
    frame = list(JournalReader(data / "journal").frames())[1]
    path = segments_in(data / "journal")[0].path
    content = bytearray(path.read_bytes())
    content[frame.end - 1] ^= 1
    path.write_bytes(content)


def test_a_whole_journal_is_verified_and_the_exit_code_is_0(tmp_path: Path) -> None:
    filled(tmp_path / "journal", 1, 3)
    filled(tmp_path / "journal", 2)
    result = run("journal", "verify", "--data", tmp_path)
    assert result.exit_code == 0
    assert result.stdout == "6 entries in 2 segments, positions 1 to 6: 0 damages, 0 gaps\n"
    (report,) = lines_of(run("journal", "verify", "--data", tmp_path, "--json"))
    size = sum(segment.size for segment in segments_in(tmp_path / "journal"))
    assert report == {
        "segments": 2,
        "bytes": size,
        "entries": 6,
        "first_position": 1,
        "last_position": 6,
        "unfinished_bytes": 0,
        "damages": [],
        "gaps": [],
        "unnamed": 0,
        "set_aside": [],
    }


def test_a_damage_is_named_by_segment_offset_and_positions_and_the_exit_code_is_1(tmp_path: Path) -> None:
    damage_in(tmp_path)
    result = run("journal", "verify", "--data", tmp_path)
    assert result.exit_code == 1
    named, summary = result.stdout.splitlines()
    assert named.startswith("00000000000000000001.seg, byte ")
    assert named.endswith("the content of a frame is damaged, entries 2 to 4 are missing (passed over)")
    assert summary == "3 entries in 1 segment, positions 1 to 6: 1 damage, 0 gaps"
    result = run("journal", "verify", "--data", tmp_path, "--json")
    assert result.exit_code == 1
    ((damage,),) = [report["damages"] for report in lines_of(result)]
    assert (damage["segment"], damage["first_missing"], damage["last_missing"]) == (
        "00000000000000000001.seg",
        2,
        4,
    )


def test_what_is_missing_or_set_aside_or_not_finished_is_said_too(tmp_path: Path) -> None:
    damage_in(tmp_path)
    opened(tmp_path / "journal").close()
    filled(tmp_path / "journal", 1)
    with segments_in(tmp_path / "journal")[-1].path.open("ab") as file:
        file.write(b"FPfr")
    result = run("journal", "verify", "--data", tmp_path)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "00000000000000000001.seg: entries 2 to 4 are missing: no file holds them",
        "00000000000000000001.seg.damaged: a damaged segment that was set aside; what could be read of it was kept",
        "at the end, 4 bytes of a commit that is not finished and not acknowledged",
        "4 entries in 2 segments, positions 1 to 7: 0 damages, 1 gap",
    ]


def test_a_journal_can_be_checked_while_it_is_served(tmp_path: Path) -> None:
    log = opened(tmp_path / "journal")
    log.append(STORY)
    for command in ("verify", "stats", "replay"):
        assert run("journal", command, "--data", tmp_path).exit_code == 0
    log.close()


def test_where_there_is_no_journal_the_exit_code_is_2_and_the_line_says_what_to_do(tmp_path: Path) -> None:
    for command in ("verify", "stats", "replay"):
        result = run("journal", command, "--data", tmp_path / "nowhere")
        assert result.exit_code == 2
        assert result.stderr.startswith(f"{tmp_path / 'nowhere' / 'journal'}: there is no journal here: ")


def test_the_data_folder_may_come_from_the_environment(tmp_path: Path) -> None:
    filled(tmp_path / "journal", 1)
    result = run("journal", "verify", env={"FENCEPOST_DATA": str(tmp_path)})
    assert result.stdout.startswith("1 entry in 1 segment")


def test_statistics_count_by_kind_and_by_size(tmp_path: Path) -> None:
    written(tmp_path, *STORY)
    filled(tmp_path / "journal", 4)
    (report,) = lines_of(run("journal", "stats", "--data", tmp_path, "--json"))
    disk = sum(segment.size for segment in segments_in(tmp_path / "journal"))
    assert report.pop("raw_bytes") > len(connection("10.0.0.1")) * 2
    assert report == {
        "segments": 2,
        "disk_bytes": disk,
        "commits": 2,
        "entries": 10,
        "kinds": {"message": 6, "group": 1, "device": 1, "tick": 1, "turned away": 1},
        "first_position": 1,
        "last_position": 10,
        "first_at": "2026-03-01T12:00:00Z",
        "last_at": "2026-03-01T12:00:00.010000Z",
        "bytes_per_entry": round(disk / 10, 1),
    }
    text = run("journal", "stats", "--data", tmp_path).stdout
    assert "positions        1 to 10\n" in text
    assert "  message        6\n" in text
    assert f"on disk          {disk:,} bytes, {round(disk / 10, 1)} an entry\n" in text


def test_statistics_of_nothing_are_zeros(tmp_path: Path) -> None:
    opened(tmp_path / "journal").close()
    result = run("journal", "stats", "--data", tmp_path)
    assert result.exit_code == 0
    assert "entries          0\n" in result.stdout
    assert run("journal", "replay", "--data", tmp_path).stdout == ""


def test_what_is_replayed_is_judged_as_the_messages_were(tmp_path: Path) -> None:
    written(tmp_path, *STORY)
    groups = tmp_path / "groups.yaml"
    rule = "{type: ConnectionToIpNotAllowed, allow: [10.0.0.0/8]}"
    groups.write_text(f"groups:\n  default:\n    rules: [{rule}]\n")
    replayed = run("journal", "replay", "--data", tmp_path)
    assert [(line["position"], line["device_id"]) for line in lines_of(replayed)] == [
        (3, "cam-1"),
        (5, "cam-2"),
    ]
    result = run("detect", "--json", "--groups", groups, "-", stdin=replayed.stdout_bytes)
    (alert,) = lines_of(result)
    assert (alert["device_id"], alert["value"]) == ("cam-2", "203.0.113.7")


@pytest.mark.parametrize("body", [connection("10.0.0.1"), *ODD_BODIES])
def test_every_body_comes_out_of_its_line_as_the_same_bytes(tmp_path: Path, body: bytes) -> None:
    written(tmp_path, Received("cam-1", START, body))
    output = run("journal", "replay", "--data", tmp_path).stdout_bytes
    assert output.count(b"\n") == 1
    letter = unwrap(output.strip())
    assert (letter.body, letter.device_id, letter.received_at) == (body, "cam-1", START)
    assert (b'"body":' in output) == (body not in ODD_BODIES)


def test_what_the_gateway_saw_is_counted_and_printed(tmp_path: Path) -> None:
    written(
        tmp_path,
        GatewayOpened(START),
        Received("cam-1", START, connection("10.0.0.1"), "amqp"),
        Operated("cam-1", START, "TwinUpdates"),
        TwinServed("cam-1", {"ConnectionCreate": timedelta(hours=1, minutes=30)}, START),
    )
    (statistics,) = lines_of(run("journal", "stats", "--data", tmp_path, "--json"))
    assert statistics["kinds"] == {"gateway": 1, "message": 1, "operation": 1, "twin": 1}
    opened_line, message, operated, served = lines_of(run("journal", "replay", "--data", tmp_path, "--all"))
    at = "2026-03-01T12:00:00Z"
    assert opened_line["entry"] == {"type": "gateway", "at": at}
    assert message["via"] == "amqp"
    assert unwrap(json.dumps(message).encode()).device_id == "cam-1"
    assert operated["entry"] == {
        "type": "operation",
        "device_id": "cam-1",
        "at": at,
        "operation": "TwinUpdates",
    }
    assert served["entry"] == {
        "type": "twin",
        "device_id": "cam-1",
        "delays": {"ConnectionCreate": "PT5400S"},
        "at": at,
    }
    only = lines_of(run("journal", "replay", "--data", tmp_path, "--all", "--device", "cam-1"))
    assert [line["position"] for line in only] == [2, 3, 4]


def test_all_entries_are_printed_on_demand(tmp_path: Path) -> None:
    written(tmp_path, *STORY)
    lines = lines_of(run("journal", "replay", "--data", tmp_path, "--all"))
    assert [line["position"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line["entry"]["type"] for line in lines if "entry" in line] == [
        "group",
        "device",
        "tick",
        "turned away",
    ]
    assert lines[0]["entry"]["group"]["rules"][0]["allow"] == ["10.0.0.0/8"]
    assert lines[3]["entry"] == {"type": "tick", "at": "2026-03-01T12:00:00Z"}


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        (["--after", 3], [5]),
        (["--after", 5], []),
        (["--limit", 1], [3]),
        (["--limit", 0], []),
        (["--device", "cam-2"], [5]),
        (["--device", "cam-2", "--all"], [5, 6]),
        (["--all", "--after", 1, "--limit", 3], [2, 3, 4]),
        (["--json"], [3, 5]),
    ],
)
def test_a_part_can_be_printed(tmp_path: Path, options: list[object], positions: list[int]) -> None:
    written(tmp_path, *STORY)
    lines = lines_of(run("journal", "replay", "--data", tmp_path, *options))
    assert [line["position"] for line in lines] == positions


def test_what_cannot_be_printed_is_said_beside_the_output(tmp_path: Path) -> None:
    damage_in(tmp_path)
    result = run("journal", "replay", "--data", tmp_path)
    assert result.exit_code == 1
    assert [line["position"] for line in lines_of(result)] == [1, 5, 6]
    assert result.stderr.count("\n") == 1
    assert "entries 2 to 4 are missing" in result.stderr
    assert run("journal", "replay", "--data", tmp_path, "--after", 4).exit_code == 0


def test_every_command_has_help_with_an_example() -> None:
    assert run("journal", "--help").exit_code == 0
    for command in ("verify", "stats", "replay"):
        text = run("journal", command, "--help").stdout
        assert f"fencepost journal {command} --data" in text
        assert "--json" in text
