"""The ThreadX messages say what went in, in the shape of schema 2.3."""

from datetime import UTC, datetime
from random import Random

from fencepost.model.raw_event import RawEvent
from fencepost.simulation.threadx import Flow, ThreadXModule
from fencepost.wire.message import rows

AT = datetime(2026, 11, 24, 3, 0, 10, tzinfo=UTC)
V4 = Flow("10.0.0.5", 50_123, "52.174.3.80", 8883, 1234, 5678)
V6 = Flow("fe80::1", 5353, "2001:db8:85a3::8a2e:370:7334", 443, 77, 0, "UDP")
ICMP = Flow("10.0.0.5", 0, "10.0.0.1", 0, 64, 64, "ICMP")


def module() -> ThreadXModule:
    return ThreadXModule(Random(1))  # noqa: S311 - a seed makes the test


def test_flows_of_both_families_are_read_back_as_they_were_given() -> None:
    body = module().message(AT, [V4, V6, ICMP], minute=False)
    found = []
    for row in rows(body):
        assert isinstance(row, RawEvent)
        details = row.details
        found.append(
            (
                details["LocalAddress"],
                int(details["LocalPort"]),
                details["RemoteAddress"],
                int(details["RemotePort"]),
                details["BytesIn"],
                details["BytesOut"],
                details["Protocol"],
            )
        )
    given = [
        (f.local, f.local_port, f.remote, f.remote_port, f.bytes_in, f.bytes_out, f.protocol)
        for f in (V4, ICMP, V6)
    ]
    assert found == given


def test_once_a_minute_the_device_tells_its_system_and_that_it_lives() -> None:
    body = module().message(AT, [V4], minute=True)
    assert len(list(rows(body))) == 3
    assert b"defender-iot-micro-agent" in body
    assert b"Azure RTOS 6.2" in body


def test_event_identifiers_are_counters() -> None:
    threadx = module()
    first, second = (threadx.message(AT, [V4], minute=False) for _ in range(2))
    changed = [index for index, (one, other) in enumerate(zip(first, second, strict=True)) if one != other]
    assert len(changed) == 2
    assert all(second[index] == first[index] + 1 for index in changed)
