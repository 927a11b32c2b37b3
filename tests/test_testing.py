"""The builders that users' tests are made of."""

import doctest
from datetime import UTC, datetime

import pytest

from fencepost import testing
from fencepost.model.event import Connection, Heartbeat, NetworkActivity
from fencepost.model.instant import micros
from fencepost.model.outcome import Duplicate
from fencepost.model.rule import problems_of_group
from fencepost.testing import (
    Bench,
    active_connections,
    allowing,
    at,
    connection,
    denying,
    failed_logins,
    flows,
    group,
    heartbeat,
    local_users,
    login,
    message,
    process,
)


def test_the_examples_in_the_documentation_are_true() -> None:
    """They are run."""
    failed, tried = doctest.testmod(testing)
    assert (failed, tried > 10) == (0, True)


def test_a_time_is_one_of_the_fixed_day() -> None:
    """As text, as text of another day, or as it is."""
    assert at("10:00:05") == datetime(2026, 3, 2, 10, 0, 5, tzinfo=UTC)
    assert at("10:00", day=-1) == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert at(datetime(1970, 1, 1, tzinfo=UTC)).year == 1970


def test_the_same_words_are_the_same_message() -> None:
    """Ids and fingerprints are derived from what is said."""
    said = [
        connection("10:00"),
        login("10:01"),
        process("10:02", "/bin/sh"),
        local_users("10:03", {"0": "r"}),
    ]
    assert message(*said) == message(*said)
    assert message(*said).fingerprint != message(*said[:3]).fingerprint
    assert message(*said).events[:3] == message(*said[:3]).events


def test_equal_events_of_one_message_are_two_events() -> None:
    """The second has an id of its own, and the builder's event none."""
    one = heartbeat("10:00")
    sent = message(one, one, heartbeat("10:00", event_id="mine"))
    assert len({event.id for event in sent.events}) == 3
    assert (one.id, sent.events[2].id) == ("", "mine")


def test_the_source_follows_from_what_is_said() -> None:
    """Unless the test says otherwise."""
    assert message(flows("10:00", "203.0.113.1")).source == "threadx"
    assert message(heartbeat("10:00")).source == "legacy"
    assert message(heartbeat("10:00"), source="threadx").source == "threadx"


def test_a_connection_is_as_a_decoder_makes_it() -> None:
    """The address is parsed, hits are a span."""
    event = connection("10:00", "203.0.113.1", "::ffff:203.0.113.1", hits=7, since="09:00")
    first, second = event.payload
    assert first.remote == second.remote
    assert first.span == (micros(at("09:00")), micros(at("10:00")), 7)
    assert isinstance(flows("10:00", "203.0.113.1"), NetworkActivity)
    assert all(isinstance(payload, Connection) for payload in event.payload)


def test_the_rules_that_are_built_are_right() -> None:
    """Nothing about them must be mended."""
    rules = (
        active_connections(low=1, high=3, severity="High"),
        failed_logins(high=3, count="records"),
        allowing("ProcessNotAllowed", "sh"),
        denying("ProcessDenied", "nc"),
    )
    assert list(problems_of_group(group(*rules, description="four rules"))) == []


def test_a_message_arrives_at_its_latest_event_and_never_earlier_than_the_one_before() -> None:
    """So that a test need not speak of arrival."""
    bench = Bench(group(allowing("ConnectionToIpNotAllowed")))
    bench.send("cam", connection("10:00"), connection("09:00"))
    assert bench.now == at("10:00")
    bench.send("cam", connection("09:30"))
    assert bench.now == at("10:00")
    bench.send("cam", connection("11:00"), received_at="12:00")
    assert bench.now == at("12:00")


def test_a_message_can_be_delivered_again() -> None:
    """Over a restart as well."""
    bench = Bench()
    sent = message(heartbeat("10:00"))
    bench.deliver("cam", sent)
    bench.restart()
    assert bench.deliver("cam", sent) == [Duplicate(device_id="cam", received_at=at("10:00"))]
    assert bench.outcomes == [Duplicate(device_id="cam", received_at=at("10:00"))]


def test_the_only_alert_is_asked_for_by_name() -> None:
    """Where there is none or more than one, the test has failed."""
    bench = Bench(group(allowing("ConnectionToIpNotAllowed")))
    with pytest.raises(AssertionError, match="0 alerts instead of one"):
        bench.alert()
    bench.send("cam", connection("10:00", "203.0.113.1", "203.0.113.2"))
    with pytest.raises(AssertionError, match="2 alerts instead of one"):
        bench.alert()
    assert bench.act("dismiss", bench.alerts()[0]).state == "Dismissed"


def test_an_edit_is_still_there_after_a_restart() -> None:
    """The bench keeps the groups as a program would."""
    bench = Bench(group())
    bench.edit(group(allowing("ConnectionToIpNotAllowed"), version=2), "10:00")
    bench.restart()
    bench.send("cam", connection("10:01"))
    assert bench.alert().group_version == 2


def test_a_heartbeat_is_an_event_that_no_rule_reads() -> None:
    """It only tells that the device lives."""
    assert isinstance(heartbeat("10:00"), Heartbeat)
    assert Bench(group(allowing("ProcessNotAllowed"))).send("cam", heartbeat("10:00")) == []
