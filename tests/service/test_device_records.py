"""What a commit adds to the devices' records and tallies: who was seen, and how much was not for us."""

from datetime import UTC, datetime, timedelta

import pytest

from fencepost.engine.detector import Detector
from fencepost.model.entry import DeviceAssigned, Entry, Operated, Received, TwinServed
from fencepost.model.event import CONTACTS
from fencepost.model.identity import Operation
from fencepost.model.record import DeviceRecord
from fencepost.service.device_records import records_of
from fencepost.service.judge import Judged, judge
from fencepost.service.tallies import Tallies

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)


def judged(*entries: Entry) -> list[Judged]:
    detector = Detector()
    return [judge(detector, position, entry) for position, entry in enumerate(entries, 1)]


def record(**members: object) -> DeviceRecord:
    return DeviceRecord(device_id="cam-1", position=9, registered_at=AT, **members)  # type: ignore[arg-type]


def test_a_device_whose_message_passed_was_seen_and_sent_us_nothing() -> None:
    """Telemetry is not for us: it is counted, and no security message."""
    entries = [Operated("cam-1", AT, "MqttD2CMessages"), Operated("cam-1", LATER, "HttpC2DMessages")]
    assert records_of(judged(*entries), 9) == [record(first_seen_at=AT, last_seen_at=LATER)]


@pytest.mark.parametrize("operation", ["TwinUpdates", "QueuePurges", "UnauthorizedOperations"])
def test_what_a_service_or_a_stranger_does_does_not_show_the_device(operation: Operation) -> None:
    assert operation not in CONTACTS
    assert records_of(judged(Operated("cam-1", AT, operation)), 9) == []
    known = DeviceAssigned("cam-1", None, AT, "me")
    assert records_of(judged(known, Operated("cam-1", LATER, operation)), 9) == [record(tagged=True)]


def test_a_message_through_the_gateway_is_counted_once() -> None:
    (one,) = records_of(judged(Received("cam-1", AT, b"{", "mqtt")), 9)
    assert (one.messages, one.rejected, one.last_seen_at) == (1, 1, AT)


def test_a_served_twin_is_in_no_record() -> None:
    assert records_of(judged(TwinServed("cam-1", {}, AT)), 9) == []


def test_telemetry_is_tallied_by_its_channel_and_other_operations_are_not() -> None:
    tallies = Tallies()
    operations: list[Operation] = ["MqttD2CMessages", "TwinUpdates", "AmqpD2CMessages", "MqttC2DMessages"]
    for operation in operations:
        tallies.take_operation(Operated("cam-1", AT, operation))
    tallies.take_operation(Operated("cam-1", LATER, "MqttD2CMessages"))
    assert [(one.kind, one.subject, one.count, one.first_at, one.last_at) for one in tallies.all()] == [
        ("telemetry", "mqtt", 2, AT, LATER),
        ("telemetry", "amqp", 1, AT, AT),
    ]
