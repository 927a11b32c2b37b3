"""The legacy agents' messages have the members, their order and the oddities of the real ones."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from fencepost.simulation.legacy import Call, LegacyAgent, Style

AT = datetime(2026, 11, 24, 3, 44, 46, tzinfo=UTC)
CALL = Call("2001:db8::a7", 443, "/usr/bin/curl", "curl https://a/", uid="1000")
WINDOWS_CALL = Call("10.0.0.9", 443, "C:\\Edge\\edged.exe", "edged")


def agent(style: Style) -> LegacyAgent:
    return LegacyAgent(style, "gw-0001", Random(1))  # noqa: S311 - a seed makes the test


def payloads(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["Payload"][0] for event in events]


def test_a_message_of_the_c_agent_escapes_slashes_and_says_0_0_5() -> None:
    body = agent("c").message([agent("c").connection(AT, CALL)])
    assert body.startswith(b'{"AgentVersion":"0.0.5","AgentId":"')
    assert b'"Executable":"\\/usr\\/bin\\/curl"' in body
    assert len(json.loads(body)["AgentId"]) == 36


def test_the_c_agent_writes_local_time_with_the_z_of_utc() -> None:
    event = agent("c").connection(AT, CALL)
    assert list(event) == [
        "Category",
        "EventType",
        "Name",
        "PayloadSchemaVersion",
        "Id",
        "TimestampLocal",
        "TimestampUTC",
        "IsEmpty",
        "Payload",
    ]
    assert (event["TimestampUTC"], event["TimestampLocal"]) == (
        "2026-11-24T03:44:46Z",
        "2026-11-23T22:44:46Z",
    )


def test_the_csharp_agent_writes_times_without_a_zone() -> None:
    event = agent("csharp-linux").connection(AT, CALL)
    assert list(event)[:4] == ["Name", "EventType", "Category", "IsEmpty"]
    assert (event["TimestampUTC"], event["TimestampLocal"]) == ("2026-11-24T03:44:46", "2026-11-23T22:44:46")


def test_the_c_agent_knows_no_local_port_and_writes_ipv6_in_full_form() -> None:
    (payload,) = payloads([agent("c").connection(AT, CALL)])
    assert list(payload) == [
        "Protocol",
        "Direction",
        "RemoteAddress",
        "RemotePort",
        "Executable",
        "CommandLine",
        "ProcessId",
        "UserId",
    ]
    assert payload["RemoteAddress"] == "2001:0db8:0000:0000:0000:0000:0000:00a7"
    assert (payload["Protocol"], payload["RemotePort"]) == ("tcp", "443")


def test_the_csharp_agent_writes_ipv6_in_upper_case_and_on_windows_both_ports() -> None:
    linux, windows = agent("csharp-linux"), agent("csharp-windows")
    (payload,) = payloads([linux.connection(AT, CALL)])
    assert payload["RemoteAddress"] == "2001:0DB8:0000:0000:0000:0000:0000:00A7"
    assert "LocalPort" not in payload
    (payload,) = payloads([windows.connection(AT, WINDOWS_CALL)])
    assert payload["Executable"] == "\\device\\harddiskvolume2\\edge\\edged.exe"
    assert payload["LocalPort"].isdigit()
    assert not {"CommandLine", "UserId"} & set(payload)


@pytest.mark.parametrize(
    ("style", "hits", "start"),
    [("c", 3, "2026-11-24T03:42:46Z"), ("csharp-linux", "3", "11/24/2026 03:42:46")],
)
def test_an_aggregate_counts_hits_in_the_agents_own_way(style: Style, hits: object, start: str) -> None:
    event = agent(style).aggregated_connection(AT - timedelta(minutes=2), AT, 3, CALL)
    (payload,) = payloads([event])
    assert event["Category"] == "Aggregated"
    assert payload["ProcessId"] == 0
    assert payload["ExtraDetails"]["HitCount"] == hits
    assert payload["ExtraDetails"]["StartTimeUtc"] == start


@pytest.mark.parametrize(("style", "port"), [("c", 0), ("csharp-linux", "")])
def test_an_inbound_aggregate_has_no_remote_port(style: Style, port: object) -> None:
    call = Call("10.0.0.9", 50_000, "/usr/sbin/sshd", "sshd", "In")
    (payload,) = payloads([agent(style).aggregated_connection(AT, AT, 1, call)])
    assert payload["RemotePort"] == port


def test_an_aggregated_process_keeps_its_hash() -> None:
    (payload,) = payloads([agent("c").aggregated_process(AT, AT, 2, "/bin/sh", "sh")])
    assert list(payload["ExtraDetails"])[:2] == ["Hash", "HitCount"]
    assert payload["ParentProcessId"] == 0


def test_one_failed_attempt_over_ssh_is_two_records_of_one_process() -> None:
    first, second = payloads(agent("c").failed_sign_in(AT, "alice", "203.0.113.7"))
    assert first["ProcessId"] == second["ProcessId"]
    assert (first["Operation"], second["Operation"]) == ("PAM:authentication", "login")
    assert (first["UserName"], second["UserName"]) == ("alice", "alice")
    first, second = payloads(agent("c").failed_sign_in(AT, "(unknown user)", "203.0.113.7"))
    assert (first["UserName"], second["UserName"]) == ("?", "(unknown user)")


def test_a_success_over_ssh_tells_the_name_first_and_the_uid_then() -> None:
    first, second = payloads(agent("c").sign_in(AT, "bob", "1001", "198.51.100.3"))
    assert (first["UserName"], "UserId" in first) == ("bob", False)
    assert (second["UserId"], "UserName" in second) == ("1001", False)
    assert list(second) == ["ProcessId", "UserId", "Executable", "RemoteAddress", "Result", "Operation"]


def test_a_success_at_the_console_tells_the_uid_only() -> None:
    (payload,) = payloads([agent("c").console_sign_in(AT, "0")])
    assert list(payload) == ["ProcessId", "UserId", "Executable", "Result", "Operation"]


def test_windows_names_a_user_with_the_domain_in_one_record() -> None:
    (payload,) = payloads(agent("csharp-windows").failed_sign_in(AT, "alice", "10.0.0.4"))
    assert (payload["UserName"], payload["UserId"], payload["Operation"]) == ("GW-0001\\alice", "", "User32 ")
    assert "Failure Reason" in payload["ExtraDetails"]


def test_an_event_without_payload_says_that_it_is_empty() -> None:
    error = agent("c").statistics(AT, 0)[-1]
    assert (error["Name"], error["IsEmpty"], error["Payload"]) == ("ConfigurationError", True, [])
