"""The loop over messages: when a message counts as received, and what time alone brings."""

import json
from datetime import UTC, datetime, timedelta

from fencepost.model.rule import Members, SecurityGroup, TimeWindowRule
from fencepost.service.replay import Replay
from fencepost.testing import (
    active_connections,
    allowing,
    connection,
    device_layer,
    fleet,
    group,
    layers_of,
    message,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CONNECTIONS = TimeWindowRule(type="ActiveConnectionsNotInAllowedRange", min=1, max=9, window=5 * MINUTE)


def a_replay() -> Replay:
    group = SecurityGroup(
        name="cameras",
        members=Members(globs=("cam-*",)),
        allowed_lateness=timedelta(),
        rules=(CONNECTIONS,),
    )
    return Replay([group], wall_clock=lambda: NOW)


def a_call(*times: datetime) -> bytes:
    events = [
        {
            "Id": str(at),
            "Name": "ConnectionCreate",
            "TimestampUTC": at.isoformat(),
            "Payload": [{"Direction": "Out", "RemoteAddress": "10.0.0.1", "Protocol": "tcp"}],
        }
        for at in times
    ]
    return json.dumps({"Events": events}).encode()


def received(replay: Replay, body: bytes, stated: datetime | None = None) -> datetime:
    message = replay.understand(body, "here")
    assert message is not None
    return replay.arrival(message, stated, "here")


def test_what_a_wrapper_states_goes_before_the_events_own_time() -> None:
    assert received(a_replay(), a_call(NOW), NOW + 9 * MINUTE) == NOW + 9 * MINUTE


def test_the_latest_time_that_can_be_right_stands_for_the_receive_time() -> None:
    far, old = datetime(9999, 12, 31, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)
    times = (NOW - MINUTE, NOW + 4 * MINUTE, NOW + 6 * MINUTE, far, old)
    assert received(a_replay(), a_call(*times)) == NOW + 4 * MINUTE
    assert received(a_replay(), a_call(far, old)) == NOW


def test_a_message_without_any_right_time_is_received_when_the_one_before_it_was() -> None:
    replay = a_replay()
    replay.receive("cam-1", a_call(NOW - 30 * MINUTE), None, "here")
    assert received(replay, a_call(datetime(1970, 1, 1, tzinfo=UTC))) == NOW - 30 * MINUTE


def test_a_receive_time_that_no_calendar_can_go_beyond_is_reported_and_not_followed() -> None:
    replay = a_replay()
    assert received(replay, a_call(NOW), datetime(9999, 12, 31, tzinfo=UTC)) == NOW
    assert [refusal.places for refusal in replay.refusals] == [("here: received_at",)]


def test_the_clock_stands_at_the_latest_receive_time_until_it_is_moved_on() -> None:
    replay = a_replay()
    for at in (NOW, NOW - 4 * MINUTE, NOW - 2 * MINUTE):
        replay.receive("cam-1", a_call(at), None, "here")
    replay.finish()
    assert (replay.clock, replay.alerts()) == (NOW, [])
    replay.finish(NOW + 11 * MINUTE)
    (alert,) = replay.alerts()
    assert (alert.count, alert.started_at, alert.received_at) == (0, NOW + 5 * MINUTE, NOW + 5 * MINUTE)


def test_an_alert_that_late_data_takes_back_is_counted_and_not_shown() -> None:
    replay = a_replay()
    replay.receive("cam-1", a_call(NOW - 20 * MINUTE), None, "here")
    replay.receive("cam-2", a_call(NOW - 10 * MINUTE), None, "here")
    assert [alert.device_id for alert in replay.alerts()] == ["cam-1"]
    replay.receive("cam-1", a_call(NOW - 12 * MINUTE), NOW - 9 * MINUTE, "here")
    replay.receive("cam-1", a_call(NOW - 16 * MINUTE), NOW - 9 * MINUTE, "here")
    assert replay.repaired() == 1


def test_a_device_whose_receive_times_go_back_is_counted() -> None:
    """Another device's time says nothing about it."""
    replay = a_replay()
    replay.receive("cam-1", a_call(NOW - 20 * MINUTE), NOW - 10 * MINUTE, "here")
    replay.receive("cam-2", a_call(NOW - 21 * MINUTE), NOW - 15 * MINUTE, "here")
    assert replay.counts.backwards == 0
    replay.receive("cam-1", a_call(NOW - 22 * MINUTE), NOW - 11 * MINUTE, "here")
    assert replay.counts.backwards == 1


def test_S27_files_are_judged_by_the_layers_too() -> None:
    """An entry of the fleet allows, a range of the device's own judges."""
    layers = layers_of(
        fleet(allowing("ConnectionToIpNotAllowed", "198.51.100.7")),
        device_layer("d", active_connections(high=0)),
    )
    of_group = group(allowing("ConnectionToIpNotAllowed"), active_connections(high=9))
    replay = Replay([of_group], layers, wall_clock=lambda: NOW)
    replay.judge("d", message(connection(NOW, "198.51.100.7")), NOW)
    assert [alert.rule_type for alert in replay.alerts()] == ["ActiveConnectionsNotInAllowedRange"]
