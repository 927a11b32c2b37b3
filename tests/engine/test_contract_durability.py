"""S30-S31 as far as the decoders go: what is acknowledged is known again, and what cannot be read says why."""

import json
from typing import Any

import pytest

from fencepost.model.errors import DeviceError
from fencepost.model.outcome import Duplicate
from fencepost.testing import Bench, allowing, group
from fencepost.wire.message import decode


def body(*events: dict[str, Any]) -> bytes:
    return json.dumps({"AgentVersion": "0.0.6", "AgentId": "a", "Events": events}).encode()


def connection(**members: Any) -> dict[str, Any]:
    payload = {"Protocol": "tcp", "Direction": "Out", "RemoteAddress": "203.0.113.1", "RemotePort": "443"}
    return {
        "EventType": "Security",
        "Category": "Triggered",
        "Name": "ConnectionCreate",
        "IsEmpty": False,
        "PayloadSchemaVersion": "1.0",
        "Id": "e1",
        "TimestampLocal": "2026-03-02T10:00:00Z",
        "TimestampUTC": "2026-03-02T10:00:00Z",
        "Payload": [payload | members],
    }


def test_S30_a_message_that_is_delivered_again_after_a_restart_doubles_no_alert() -> None:
    """The same bytes have the same fingerprint, in every run of the program."""
    sent = body(connection())
    bench = Bench(group(allowing("ConnectionToIpNotAllowed")))
    bench.deliver("cam", decode(sent))
    bench.restart()
    assert [type(outcome) for outcome in bench.deliver("cam", decode(sent))] == [Duplicate]
    assert bench.alert().count == 1


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "empty"),
        (b"not json", "JSON"),
        (b'{"AgentVersion": "1", "Events": 7}', "Events"),
        (body(connection())[:-30], "JSON"),
        (b"[" * 100_000, ""),
    ],
    ids=["empty", "text", "no events", "truncated", "deep"],
)
def test_S31_a_message_that_cannot_be_read_is_refused_with_a_reason(sent: bytes, reason: str) -> None:
    """The declared error, and no other, says what is wrong and where."""
    with pytest.raises(DeviceError) as refused:
        decode(sent)
    assert reason in str(refused.value)
    assert refused.value.reason


def test_S31_what_cannot_be_read_of_a_message_never_costs_its_neighbours() -> None:
    """One bad address is refused with its place; the alert of the good one stands."""
    decoded = decode(body(connection(RemoteAddress="203.0.113.999"), connection()))
    assert [(one.where, one.reason) for one in decoded.rejected] == [
        ("Events[0].Payload[0].RemoteAddress", "not an IP address")
    ]
    bench = Bench(group(allowing("ConnectionToIpNotAllowed")))
    bench.deliver("cam", decoded)
    assert bench.alert().value == "203.0.113.1"
