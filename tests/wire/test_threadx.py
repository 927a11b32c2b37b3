import time
from datetime import UTC, datetime
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.material import fixtures, mutated, property_settings
from tests.wire.threadx_builder import ID, TIME, Build, event, flow, message, network, process, table

from fencepost.model.address import parse_address
from fencepost.model.errors import DeviceError
from fencepost.model.event import NetworkActivity, ProcessCreate, ProcessTerminate, Rejected, SecurityMessage
from fencepost.model.instant import micros
from fencepost.model.raw_event import RawEvent
from fencepost.wire.body import MOST_REFUSALS, TOO_MANY
from fencepost.wire.threadx import decode, infer_direction, rows

SAMPLES = {path.stem: path.read_bytes() for path in fixtures("threadx/*.bin")}
AT = datetime.fromtimestamp(TIME, UTC)


def details(body: bytes) -> list[dict[str, Any]]:
    return [row.details for row in rows(body) if isinstance(row, RawEvent)]


def refusals(body: bytes) -> list[Rejected]:
    found = [row for row in rows(body) if isinstance(row, Rejected)]
    assert tuple(found) == decode(body).rejected
    return found


def activity(read: SecurityMessage) -> NetworkActivity:
    (told,) = (told for told in read.events if isinstance(told, NetworkActivity))
    return told


ALL = {
    "NetworkActivity": network([flow()], [flow("fe80::1", "2001:db8::7")]),
    "SystemInformation": event(2, table(s0=("text", "Azure RTOS 6.2"), s2=("text", "board"))),
    "ListeningPorts": event(
        3,
        table(
            s0=("structs", [bytes([10, 0, 0, 5]) + pack("<HBx", 23, 0), bytes(4) + pack("<HBx", 53, 1)]),
            s1=("structs", [bytes(15) + b"\1" + pack("<HBx", 80, 0)]),
        ),
    ),
    "Heartbeat": event(4, table()),
    "OSBaseline": event(
        5,
        table(
            s0=(
                "tables",
                [
                    table(
                        s0=("text", "C-1"), s1=("u8", 2), s2=("text", "no"), s4=("u8", 3), s5=("text", "mend")
                    )
                ],
            )
        ),
    ),
    "ProcessCreate": process(s1=("u32", 7), s2=("u32", 1), s3=("u32", 0), s6=("u8", 1)),
    "Diagnostic": event(
        7,
        table(
            s0=("tables", [table(s0=("text", "oops"), s1=("u8", 2), s2=("u64", 2**40), s4=("text", "a.c"))])
        ),
    ),
}
EVERYTHING = message(*ALL.values())


def test_the_real_collector_message_is_read_field_by_field() -> None:
    told = activity(decode(SAMPLES["09_collector_v4"]))
    assert told.id == "eac1203e-8a0f-ea07-8d68-ca65d96e9b5f"
    assert told.occurred_at == datetime.fromtimestamp(1_660_000_200, UTC)
    assert not told.full
    assert {
        (c.direction, c.local_port, c.remote_address, c.remote_port, c.protocol) for c in told.payload
    } == {
        ("Out", "50123", "52.174.3.80", "8883", "TCP"),
        ("In", "22", "198.51.100.77", "44444", "TCP"),
        ("Out", "0", "10.0.0.1", "0", "ICMP"),
        ("Out", "5000", "10.0.0.53", "53", "UDP"),
    }
    assert all(c.local_address == "10.0.0.5" for c in told.payload)
    assert all(c.remote == parse_address(c.remote_address or "") for c in told.payload)


def test_the_real_ipv6_message_receives_only() -> None:
    (told,) = activity(decode(SAMPLES["02_net_v6_single"])).payload
    assert (told.direction, told.protocol, told.local_address) == ("In", "UDP", "fe80::1")
    assert told.remote == parse_address("2001:db8:85a3::8a2e:370:7334")


def test_the_rows_of_a_real_message_name_traffic_and_direction() -> None:
    (row,) = rows(SAMPLES["01_net_v4_single"], device_id="rtos-1")
    assert isinstance(row, RawEvent)
    assert (row.device_id, row.name, row.category, row.event_type) == (
        "rtos-1",
        "NetworkActivity",
        "Triggered",
        "Security",
    )
    assert (row.id, row.agent_version, row.is_empty) == (str(ID), "3.5.4", False)
    assert row.occurred_at == AT
    assert row.details == {
        "LocalAddress": "10.0.0.5",
        "LocalPort": "50123",
        "RemoteAddress": "52.174.3.80",
        "RemotePort": "8883",
        "Protocol": "TCP",
        "BytesIn": 1234,
        "BytesOut": 5678,
        "Direction": "Out",
    }


def test_a_heartbeat_is_one_row_without_details() -> None:
    (row,) = rows(SAMPLES["05_heartbeat"])
    assert isinstance(row, RawEvent)
    assert (row.name, row.category, row.event_type, row.details) == (
        "Heartbeat",
        "Periodic",
        "Operational",
        {},
    )


def test_every_member_of_the_union_is_read_with_vtables_in_front() -> None:
    read = decode(EVERYTHING)
    assert refusals(EVERYTHING) == []
    assert [type(told).__name__ for told in read.events] == list(ALL)
    assert {told.id for told in read.events} == {str(ID)}
    assert {told.occurred_at for told in read.events} == {AT}


def test_every_member_of_the_union_gives_its_rows() -> None:
    found = [row for row in rows(EVERYTHING) if isinstance(row, RawEvent)]
    by_name = {name: [row.details for row in found if row.name == name] for name in ALL}
    assert len(by_name.pop("NetworkActivity")) == 2
    assert by_name == {
        "SystemInformation": [{"OSName": "Azure RTOS 6.2", "HardwareInfo": "board"}],
        "ListeningPorts": [
            {"LocalAddress": "10.0.0.5", "LocalPort": "23", "Protocol": "TCP"},
            {"LocalAddress": "0.0.0.0", "LocalPort": "53", "Protocol": "UDP"},  # noqa: S104
            {"LocalAddress": "::1", "LocalPort": "80", "Protocol": "TCP"},
        ],
        "Heartbeat": [{}],
        "OSBaseline": [
            {
                "CceId": "C-1",
                "Result": "Err",
                "Error": "no",
                "Severity": "Informational",
                "Remediation": "mend",
            }
        ],
        "ProcessCreate": [
            {
                "Executable": "/bin/nc",
                "ProcessId": 7,
                "ParentProcessId": 1,
                "UserId": "0",
                "EventType": "EXEC",
            }
        ],
        "Diagnostic": [
            {"Message": "oops", "Severity": "Error", "Line": 0, "FileName": "a.c", "Timestamp": 2**40}
        ],
    }


def test_an_unknown_union_member_is_refused_and_its_neighbours_count() -> None:
    body = message(ALL["Heartbeat"], ALL["ProcessCreate"], event(9, table()), ALL["Heartbeat"])
    assert len(decode(body).events) == 3
    assert refusals(body) == [Rejected("events[2].payload_type", "unknown union member 9")]


def test_S14_a_flow_with_an_executable_is_also_a_process() -> None:
    told = flow(s5=("u16", 7), s6=("u16", 3), s7=("text", "/bin/nc"), s8=("text", "nc -l"))
    read = decode(message(network([flow(), told])))
    flows, processes = read.events
    assert isinstance(flows, NetworkActivity)
    assert isinstance(processes, ProcessCreate)
    assert [c.executable for c in flows.payload] == [None, "/bin/nc"]
    assert [(p.executable, p.command_line, p.process_id, p.user_id) for p in processes.payload] == [
        ("/bin/nc", "nc -l", 7, "3")
    ]
    assert (processes.id, processes.occurred_at) == (flows.id, flows.occurred_at)
    assert (
        details(message(network([told])))[0].items()
        >= {
            "ProcessId": 7,
            "UserId": "3",
            "Executable": "/bin/nc",
            "CommandLine": "nc -l",
        }.items()
    )


@pytest.mark.parametrize("kind", [0, 1])
def test_S11_a_process_with_hits_spans_its_interval(kind: int) -> None:
    read = decode(message(process(s6=("u8", kind), s7=("u32", 5)), process(s6=("u8", kind))))
    spans = [p.span for told in read.events if isinstance(told, ProcessCreate) for p in told.payload]
    assert spans == [(micros(AT) - 10_000_000, micros(AT), 5), None]


def test_a_process_that_ends_is_a_process_terminate() -> None:
    body = message(process(s6=("u8", 2), s7=("u32", 4)))
    (told,) = decode(body).events
    assert isinstance(told, ProcessTerminate)
    assert len(told.payload) == 1
    (row,) = rows(body)
    assert isinstance(row, RawEvent)
    assert row.name == "ProcessTerminate"
    assert (row.details["EventType"], row.details["HitCount"]) == ("EXIT", 4)


@pytest.mark.parametrize(
    ("bad", "where", "reason"),
    [
        (process(None), "events[0].executable", "missing"),
        (process(s6=("u8", 3)), "events[0].event_type", "unknown process event 3"),
        (process(s7=("u32", 0)), "events[0].hit_count", "not between 1 and 2147483648"),
        (process(s7=("u32", 2**31 + 1)), "events[0].hit_count", "not between 1 and 2147483648"),
        (event(4, None), "events[0].payload", "missing"),
        (event(4, table(), s0=("struct", None)), "events[0].id", "missing"),
    ],
)
def test_a_bad_event_is_refused_with_its_place(bad: Build, where: str, reason: str) -> None:
    body = message(bad, ALL["Heartbeat"])
    assert len(decode(body).events) == 1
    assert refusals(body) == [Rejected(where, reason)]


def test_a_bad_flow_is_refused_with_its_place_and_its_neighbours_count() -> None:
    bad = [table(), table(s0=("struct", bytes(8)))]
    body = message(network([flow(), bad[0], flow(), bad[1]]))
    assert len(activity(decode(body)).payload) == 2
    assert refusals(body) == [
        Rejected("events[0].ipv4_activity[1].addresses", "missing"),
        Rejected("events[0].ipv4_activity[3].common", "missing"),
    ]


def test_an_offset_outside_the_message_is_named_with_its_place() -> None:
    body = bytearray(SAMPLES["01_net_v4_single"])
    body[0x5C:0x60] = b"\xff\xff\xff\x7f"
    assert refusals(bytes(body)) == [
        Rejected("events[0].ipv4_activity[0].common", "offset outside the message")
    ]


def test_bad_log_records_checks_and_texts_do_not_hide_their_neighbours() -> None:
    good = table(s0=("text", "m"), s4=("text", "f"))
    body = message(
        event(7, table(s0=("tables", [table(), good]))),
        event(5, table(s0=("tables", [table(), table(s0=("text", "C-2"))]))),
    )
    assert [told.where for told in refusals(body)] == [
        "events[0].logs[0].message",
        "events[1].baseline_checks[0].id",
    ]
    assert [told.get("Message") or told.get("CceId") for told in details(body)] == ["m", "C-2"]


def test_bytes_that_are_no_text_hide_no_process() -> None:
    body = message(process("/bin/XX")).replace(b"XX", b"\xff\xfe")
    (told,) = decode(body).events
    assert isinstance(told, ProcessCreate)
    assert told.payload[0].executable == "/bin/\ufffd\ufffd"


def test_numbers_that_the_schema_does_not_know_are_kept_as_digits() -> None:
    body = message(network([flow(s4=("u8", 132))]))
    assert activity(decode(body)).payload[0].protocol == "132"


def test_a_log_record_without_level_states_no_severity() -> None:
    body = message(event(7, table(s0=("tables", [table(s0=("text", "m"), s4=("text", "f"))]))))
    assert "Severity" not in details(body)[0]


@pytest.mark.parametrize(("flows", "full"), [(63, False), (64, True)])
@pytest.mark.parametrize("version", [4, 6])
def test_S18_a_full_cache_of_either_version_is_said(flows: int, full: bool, version: int) -> None:
    v4 = [flow(s0=("u16", port)) for port in range(1, flows + 1)]
    v6 = [flow("fe80::1", "2001:db8::7", s0=("u16", port)) for port in range(1, flows + 1)]
    body = message(network(v4 if version == 4 else None, v6 if version == 6 else None))
    told = activity(decode(body))
    assert (told.full, len(told.payload)) == (full, flows)
    assert refusals(body) == []


def test_a_message_without_its_module_is_read_and_says_so() -> None:
    body = message(ALL["Heartbeat"], module=None)
    assert len(decode(body).events) == 1
    assert refusals(body) == [Rejected("security_module_id", "missing")]


def test_a_message_without_events_is_refused() -> None:
    with pytest.raises(DeviceError, match="events: empty"):
        decode(message())
    with pytest.raises(DeviceError, match="not a FlatBuffers message"):
        decode(b"\xff\xff\xff\x7f")
    with pytest.raises(DeviceError, match="too large: 130 bytes"):
        decode(SAMPLES["05_heartbeat"], 129)
    with pytest.raises(DeviceError, match="empty body"):
        rows(b"")


def shared(events: int, flows: int) -> bytes:
    """A message built by hand in which every event is the same table, and every flow of it too."""
    vtable = {
        "message": pack("<HHHHHH", 12, 12, 4, 0, 0, 8),
        "event": pack("<HHHHHHH", 14, 32, 4, 20, 0, 24, 28),
        "activity": pack("<HHH", 6, 8, 4),
        "flow": pack("<HHHH", 8, 16, 4, 12),
        "common": pack("<HH", 4, 4),
    }
    body = bytearray(4)
    at = {}
    for name, entries in vtable.items():
        at[name] = len(body)
        body += entries + bytes(-len(entries) % 4)
    room = {"root": 12, "vector": 4 + 4 * events, "event": 32, "activity": 8, "flows": 4 + 4 * flows}
    place = {}
    for name, size in (room | {"flow": 16, "common": 4, "name": 8}).items():
        place[name] = len(body)
        body += bytes(size)

    def offset(position: int, target: str) -> None:
        body[position : position + 4] = pack("<I", (place[target] - position) & 0xFFFFFFFF)

    for name, kind in (
        ("root", "message"),
        ("event", "event"),
        ("activity", "activity"),
        ("flow", "flow"),
        ("common", "common"),
    ):
        body[place[name] : place[name] + 4] = pack("<i", place[name] - at[kind])
    offset(0, "root")
    offset(place["root"] + 4, "name")
    offset(place["root"] + 8, "vector")
    body[place["vector"] : place["vector"] + 4] = pack("<I", events)
    body[place["event"] + 24] = 1
    offset(place["event"] + 28, "activity")
    offset(place["activity"] + 4, "flows")
    body[place["flows"] : place["flows"] + 4] = pack("<I", flows)
    offset(place["flow"] + 12, "common")
    # An offset only points forward; what lies behind its vector is out of reach, as it is for any reader.
    for name, count, target in (("vector", events, "event"), ("flows", flows, "flow")):
        for number in range(count):
            offset(place[name] + 4 + 4 * number, target)
    return bytes(body)


@pytest.mark.parametrize(("events", "flows"), [(1, 60_000), (30_000, 30_000), (60_000, 1)])
def test_the_work_is_bounded_by_the_size_of_the_message_and_not_by_its_offsets(
    events: int, flows: int
) -> None:
    body = shared(events, flows)
    assert len(body) < 262_144
    begun = time.process_time()
    read = decode(body)
    assert time.process_time() - begun < 5
    found = sum(len(told.payload) for told in read.events if isinstance(told, NetworkActivity))
    assert found <= len(body) // 8
    assert len(read.rejected) <= 3
    assert read.rejected[-1].reason == "names more than the message can hold; the rest is not read"
    assert len(list(rows(body))) <= len(body)


def unnamed(count: int) -> list[Build]:
    """Log records that do not say which file they are from, which refuses them."""
    return [table(s0=("text", "m"))] * count


LOG = table(s0=("text", "m"), s4=("text", "a.c"))


@pytest.mark.parametrize("more", [0, 1])
def test_S31_as_many_refusals_as_may_be_are_told_and_the_rest_counts(more: int) -> None:
    """One more, and what stands behind it is not read."""
    records = [LOG, *unnamed(MOST_REFUSALS - 1 + more), LOG]
    body = message(event(9, table()), event(7, table(s0=("tables", records))), event(4, table()))
    read = decode(body)
    assert len(refusals(body)) == MOST_REFUSALS + more
    assert [len(getattr(told, "payload")) for told in read.events] == ([1] if more else [2, 0])  # noqa: B009
    if more:
        assert read.rejected[-1] == Rejected(f"events[1].logs[{MOST_REFUSALS}]", TOO_MANY)


def test_S31_events_that_nothing_is_known_of_end_with_a_refusal_that_says_so() -> None:
    body = message(*[event(9, table())] * (MOST_REFUSALS + 1), event(4, table()))
    assert refusals(body)[-1] == Rejected(f"events[{MOST_REFUSALS}]", TOO_MANY)
    assert len(refusals(body)) == MOST_REFUSALS + 1
    assert decode(body).events == []


def test_S31_neither_flows_nor_ports_of_the_other_kind_are_read_behind_the_last_refusal() -> None:
    flows = network([table(s0=("struct", bytes(8)))] * (MOST_REFUSALS + 1), [flow("::1", "::2")])
    assert activity(decode(message(flows))).payload == []
    hollow = event(7, table(s0=("tables", unnamed(MOST_REFUSALS))))
    beyond = event(3, table(s0=("u32", 2**30), s1=("structs", [bytes(15) + b"\1" + pack("<HBx", 80, 0)])))
    read = decode(message(hollow, beyond))
    assert read.rejected[-1] == Rejected("events[1]", TOO_MANY)
    assert [len(getattr(told, "payload")) for told in read.events] == [0, 0]  # noqa: B009


def test_a_text_that_thousands_of_records_share_is_not_copied_out_of_proportion() -> None:
    record = table(s0=("text", "m" * 100_000), s4=("text", "a.c"))
    body = message(event(7, table(s0=("tables", [record] * 3000))))
    assert len(body) < 262_144
    assert sum(len(told["Message"]) for told in details(body)) <= 8 * len(body)
    (rejected,) = refusals(body)
    assert rejected.reason == "names more than the message can hold; the rest is not read"


def test_texts_that_a_few_records_share_are_read_in_full() -> None:
    record = table(s0=("text", "a rather long message of a module"), s4=("text", "nx_secure_tls_session.c"))
    body = message(event(7, table(s0=("tables", [record] * 20))))
    assert len(details(body)) == 20
    assert refusals(body) == []


def test_a_small_message_that_shares_its_tables_is_read_in_full() -> None:
    assert refusals(shared(1, 1)) == []
    assert len(activity(decode(shared(1, 1))).payload) == 1


@pytest.mark.parametrize("name", [*SAMPLES, "everything"])
def test_a_message_cut_anywhere_raises_nothing_but_a_device_error(name: str) -> None:
    body = SAMPLES.get(name, EVERYTHING)
    for end in range(len(body)):
        survives(body[:end])


@pytest.mark.parametrize("name", [*SAMPLES, "everything"])
def test_a_flipped_bit_raises_nothing_but_a_device_error(name: str) -> None:
    body = SAMPLES.get(name, EVERYTHING)
    for place in range(len(body) * 8):
        damaged = bytearray(body)
        damaged[place // 8] ^= 1 << place % 8
        survives(bytes(damaged))


def survives(body: bytes) -> None:
    try:
        read = decode(body)
    except DeviceError:
        with pytest.raises(DeviceError):
            rows(body)
        return
    assert len(read.events) + len(read.rejected) <= len(body)
    assert tuple(row for row in rows(body) if isinstance(row, Rejected)) == read.rejected


@given(mutated([*SAMPLES.values(), EVERYTHING]))
@property_settings
def test_a_damaged_message_raises_nothing_but_a_device_error(body: bytes) -> None:
    survives(body)


@given(st.binary(min_size=1, max_size=300))
@property_settings
def test_arbitrary_bytes_raise_nothing_but_a_device_error(body: bytes) -> None:
    survives(body)


@given(st.lists(st.integers(0, 40), min_size=8, max_size=60))
@property_settings
def test_small_numbers_as_offsets_raise_nothing_but_a_device_error(words: list[int]) -> None:
    survives(b"".join(pack("<H", word) for word in words))


@pytest.mark.parametrize(
    ("local", "remote", "protocol", "sent", "direction"),
    [
        (50123, 8883, "TCP", 120, "Out"),
        (22, 44444, "TCP", 40, "In"),
        (0, 0, "ICMP", 64, "Out"),
        (0, 0, "ICMP", 0, "In"),
        (5000, 53, "UDP", 50, "Out"),
        (5353, 443, "UDP", 0, "In"),
        (50123, 8883, "TCP", 0, "In"),
        (123, 123, "UDP", 48, "Out"),
        (68, 67, "UDP", 300, "Out"),
        (5353, 5353, "UDP", 60, "Out"),
        (50000, 4444, "TCP", 10, "Out"),
        (4444, 50000, "TCP", 10, "In"),
        (1024, 5671, "TCP", 1, "Out"),
        (8883, 2000, "TCP", 1, "In"),
    ],
)
def test_S15_the_direction_of_a_flow_is_inferred(
    local: int, remote: int, protocol: str, sent: int, direction: str
) -> None:
    assert infer_direction(local, remote, protocol, sent) == direction
