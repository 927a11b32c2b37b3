"""Tests in a groups file: the messages they make, and the sentences about alerts that differ."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from fencepost.config.rule_tests import START, Expected, RuleTest, Step, happenings_of, mismatches
from fencepost.model.alert import Alert
from fencepost.model.event import (
    Connection,
    ConnectionCreate,
    DroppedEventsStatistics,
    Drops,
    LocalUser,
    LocalUsers,
    Login,
    Process,
    ProcessCreate,
    SecurityMessage,
    SignIn,
)
from fencepost.model.instant import micros

SECOND = timedelta(seconds=1)
FAILURE = SignIn(result="Fail", user_name="alice")
CALL = Connection(direction="Out", remote_address="203.0.113.9", remote=1)


def a_test(*steps: Step) -> RuleTest:
    return RuleTest(name="t", group="g", events=steps)


def messages_of(test: RuleTest) -> list[tuple[datetime, SecurityMessage]]:
    return [(at, said) for at, said in happenings_of(test) if isinstance(said, SecurityMessage)]


def an_alert(rule_type: str = "ConnectionToIpNotAllowed", value: str | None = None, **facts: Any) -> Alert:
    stated: dict[str, Any] = {
        "severity": "Low",
        "state": "Active",
        "count": 1,
        "certainty": "certain",
        **facts,
    }
    return Alert(
        alert_id="i",
        alert_type=f"IoT_CA_{rule_type}",
        rule_type=rule_type,
        device_id="d",
        group="g",
        title="",
        description="",
        remediation="",
        data_source="legacy",
        value=value,
        started_at=START,
        last_seen_at=START,
        received_at=START,
        **stated,
    )


def test_a_step_becomes_one_message_a_repetition_at_its_time() -> None:
    messages = messages_of(a_test(Step(at=10 * SECOND, payload=FAILURE, repeat=3, every=2 * SECOND)))
    assert [received_at - START for received_at, _ in messages] == [10 * SECOND, 12 * SECOND, 14 * SECOND]
    for received_at, message in messages:
        assert message.source == "legacy"
        assert [event.occurred_at for event in message.events] == [received_at]
        assert isinstance(message.events[0], Login)
        assert message.events[0].payload == [FAILURE]


def test_ids_and_fingerprints_differ_between_events_and_are_always_the_same() -> None:
    test = a_test(Step(at=SECOND, payload=FAILURE, repeat=50), Step(at=SECOND, payload=FAILURE, repeat=50))
    messages = [message for _, message in messages_of(test)]
    assert len({message.events[0].id for message in messages}) == 100
    assert len({message.fingerprint for message in messages}) == 100
    assert all(0 <= message.fingerprint < 1 << 63 for message in messages)
    assert messages == [message for _, message in messages_of(test)]


def test_what_the_gateway_sees_happens_between_the_messages() -> None:
    updates = Step(at=SECOND, payload="TwinUpdates", repeat=2, every=2 * SECOND)
    happenings = happenings_of(a_test(Step(at=2 * SECOND, payload=FAILURE), updates))
    assert [(at - START, isinstance(said, SecurityMessage)) for at, said in happenings] == [
        (SECOND, False),
        (2 * SECOND, True),
        (3 * SECOND, False),
    ]
    assert happenings[0][1] == "TwinUpdates"


def test_messages_come_in_the_order_of_their_arrival() -> None:
    late = Step(at=SECOND, payload=FAILURE, received=timedelta(hours=1))
    test = a_test(late, Step(at=5 * SECOND, payload=FAILURE), Step(at=2 * SECOND, payload=FAILURE))
    received = [received_at - START for received_at, _ in messages_of(test)]
    assert received == [2 * SECOND, 5 * SECOND, timedelta(hours=1)]
    assert messages_of(test)[-1][1].events[0].occurred_at == START + SECOND


def test_S11_hits_are_an_aggregate_over_the_time_before_the_event() -> None:
    step = Step(at=timedelta(hours=1), payload=CALL, hits=40, over=timedelta(minutes=10))
    event = messages_of(a_test(step))[0][1].events[0]
    assert isinstance(event, ConnectionCreate)
    end = START + timedelta(hours=1)
    assert event.payload[0].span == (micros(end - timedelta(minutes=10)), micros(end), 40)
    assert event.payload[0].extra_details == {"HitCount": 40}
    assert CALL.span is None


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (CALL, ConnectionCreate),
        (Process(executable="/bin/sh"), ProcessCreate),
        ((LocalUser(user_name="root"),), LocalUsers),
        ((), LocalUsers),
        (Drops(dropped_events=5), DroppedEventsStatistics),
    ],
)
def test_each_payload_travels_in_its_event(payload: Any, event: type[msgspec.Struct]) -> None:
    assert isinstance(messages_of(a_test(Step(at=SECOND, payload=payload)))[0][1].events[0], event)


def test_until_is_where_the_clock_ends() -> None:
    assert RuleTest(name="t", group="g").ends_at is None
    assert RuleTest(name="t", group="g", until=SECOND).ends_at == START + SECOND


def test_what_is_expected_and_came_is_no_mismatch() -> None:
    expected = [
        Expected(
            type="ConnectionToIpNotAllowed", value="203.0.113.9", count=1, severity="Low", state="Active"
        ),
        Expected(type="ProcessNotAllowed", min_count=2, certainty="certain"),
    ]
    alerts = [an_alert("ProcessNotAllowed", "/tmp/x", count=3), an_alert(value="203.0.113.9")]  # noqa: S108
    assert mismatches(expected, alerts) == []


def test_a_missing_alert_is_named() -> None:
    wish = Expected(type="ConnectionToIpNotAllowed", value="203.0.113.9")
    assert mismatches([wish], []) == ["expected ConnectionToIpNotAllowed for 203.0.113.9, no such alert came"]


def test_an_alert_too_many_is_named() -> None:
    assert mismatches([], [an_alert(value="203.0.113.9")]) == [
        "unexpected ConnectionToIpNotAllowed for 203.0.113.9 (count 1, Active)"
    ]
    assert mismatches([], [an_alert("ActiveConnectionsNotInAllowedRange", count=9)]) == [
        "unexpected ActiveConnectionsNotInAllowedRange (count 9, Active)"
    ]


def test_an_alert_that_differs_is_named_once_with_all_that_differs() -> None:
    wish = Expected(
        type="ProcessNotAllowed",
        count=2,
        min_count=2,
        severity="High",
        state="Resolved",
        certainty="possible",
    )
    (sentence,) = mismatches([wish], [an_alert("ProcessNotAllowed", "x")])
    assert sentence == (
        "expected ProcessNotAllowed: it came with count 1 instead of 2, count 1 instead of at least 2, "
        "severity Low instead of High, state Active instead of Resolved, certainty certain instead of possible"
    )


def test_S15_addresses_are_compared_as_addresses() -> None:
    wish = Expected(type="ConnectionToIpNotAllowed", value="::ffff:203.0.113.9")
    assert mismatches([wish], [an_alert(value="203.0.113.9")]) == []
    user = Expected(type="LocalUserNotAllowed", value="::ffff:203.0.113.9")
    assert len(mismatches([user], [an_alert("LocalUserNotAllowed", "203.0.113.9")])) == 2


def test_a_broad_expectation_does_not_take_the_alert_that_a_narrow_one_needs() -> None:
    broad, narrow = Expected(type="LocalUserNotAllowed"), Expected(type="LocalUserNotAllowed", value="alice")
    alerts = [an_alert("LocalUserNotAllowed", "alice"), an_alert("LocalUserNotAllowed", "bob")]
    assert mismatches([broad, narrow], alerts) == []
    assert mismatches([broad, narrow], alerts[:1]) == [
        "expected LocalUserNotAllowed for alice, no such alert came"
    ]


def test_an_alert_meets_one_expectation_only() -> None:
    wish = Expected(type="LocalUserNotAllowed")
    assert mismatches([wish, wish], [an_alert("LocalUserNotAllowed", "a")]) == [
        "expected LocalUserNotAllowed, no such alert came"
    ]
