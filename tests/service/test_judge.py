"""One entry and the detector: what the gateway saw is said to it as well as what devices sent (S19)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fencepost.engine.detector import Detector
from fencepost.model.entry import Entry, GatewayOpened, Operated, Received, Ticked, TurnedAway, TwinServed
from fencepost.model.errors import DeviceError
from fencepost.model.event import ARRIVALS, SecurityMessage
from fencepost.model.identity import Channel
from fencepost.model.outcome import Duplicate, Finding, Outcome
from fencepost.model.rule import SecurityGroup, TimeWindowRule
from fencepost.service.judge import INTERNAL, Judged, judge

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CHANNELS: tuple[Channel, ...] = ("mqtt", "amqp", "https")


def hub_rule(name: str = "MqttD2CMessages", low: int = 0, high: int = 9) -> TimeWindowRule:
    return TimeWindowRule(type=f"{name}NotInAllowedRange", min=low, max=high, window=10 * MINUTE)


CONNECTIONS = TimeWindowRule(type="ActiveConnectionsNotInAllowedRange", min=0, max=9, window=10 * MINUTE)


def detector(*rules: TimeWindowRule) -> Detector:
    return Detector([SecurityGroup(name="default", rules=rules)])


def body(name: str = "1", at: datetime = AT) -> bytes:
    event: dict[str, Any] = {
        "Id": name,
        "Name": "ConnectionCreate",
        "TimestampUTC": at.isoformat(),
        "Category": "Triggered",
        "EventType": "Security",
        "IsEmpty": False,
        "PayloadSchemaVersion": "1.0",
        "Payload": [{"Direction": "Out", "RemoteAddress": "10.0.0.1", "Protocol": "tcp"}],
    }
    return json.dumps({"AgentVersion": "0.0.5", "AgentId": "a", "Events": [event]}).encode()


def judged(on: Detector, *entries: Entry) -> list[Judged]:
    return [judge(on, position, entry) for position, entry in enumerate(entries, 1)]


def outcomes(on: Detector, *entries: Entry) -> list[Outcome]:
    return [outcome for one in judged(on, *entries) for outcome in one.outcomes]


def number(on: Detector, rule: TimeWindowRule, at: datetime = AT) -> int:
    return (on.count("cam-1", rule.type, at) or (0, 0))[0]


@pytest.mark.parametrize("via", CHANNELS)
def test_S19_a_message_through_the_gateway_is_one_message_on_its_channel(via: Channel) -> None:
    """And what it says is judged in the same step."""
    rules = {channel: hub_rule(ARRIVALS[channel]) for channel in CHANNELS}
    on = detector(*rules.values(), CONNECTIONS)
    judged(on, Received("cam-1", AT, body(), via))
    assert {channel: number(on, rule) for channel, rule in rules.items()} == {
        channel: int(channel == via) for channel in CHANNELS
    }
    assert number(on, CONNECTIONS) == 1


def test_S19_a_message_on_another_way_is_nothing_to_the_hub() -> None:
    on = detector(hub_rule(), CONNECTIONS)
    judged(on, Received("cam-1", AT, body()))
    assert on.not_measurable("cam-1") == ("MqttD2CMessagesNotInAllowedRange",)
    assert number(on, CONNECTIONS) == 1


def test_S09_a_redelivered_message_says_nothing_new_and_is_another_message_all_the_same() -> None:
    on = detector(hub_rule(high=1), CONNECTIONS)
    told = outcomes(on, *[Received("cam-1", AT, body(), "mqtt")] * 2)
    assert [type(one) for one in told if not isinstance(one, Finding)][-1] is Duplicate
    assert [one.count for one in told if isinstance(one, Finding)] == [2]
    assert number(on, CONNECTIONS) == 1


def test_S31_a_message_that_cannot_be_read_came_nevertheless() -> None:
    on = detector(hub_rule(high=0))
    (one,) = judged(on, Received("cam-1", AT, b"{", "mqtt"))
    assert isinstance(one.decoded, DeviceError)
    assert [type(outcome) for outcome in one.outcomes] == [Finding]


def test_S31_a_message_that_we_cannot_bear_came_nevertheless(monkeypatch: pytest.MonkeyPatch) -> None:
    on = detector(hub_rule(high=0))

    def fails(*_: object) -> list[Outcome]:
        raise RuntimeError("ours")

    monkeypatch.setattr(on, "receive", fails)
    (one,) = judged(on, Received("cam-1", AT, body(), "mqtt"))
    assert isinstance(one.decoded, DeviceError)
    assert one.decoded.reason == INTERNAL
    assert [type(outcome) for outcome in one.outcomes] == [Finding]


def test_a_message_that_was_turned_away_did_not_come() -> None:
    on = detector(hub_rule(high=0))
    assert outcomes(on, TurnedAway("cam-1", AT, 300_000, "too large")) == []


def test_an_operation_is_judged_at_its_time() -> None:
    on = detector(hub_rule("TwinUpdates", high=1))
    first = Operated("cam-1", AT, "TwinUpdates")
    assert outcomes(on, first) == []
    (finding,) = outcomes(on, Operated("cam-1", AT + MINUTE, "TwinUpdates"))
    assert isinstance(finding, Finding)
    assert (finding.last_at, finding.source) == (AT + MINUTE, "hub")


def test_S06_a_twin_that_was_served_says_how_late_events_may_be() -> None:
    """A quarter of an hour instead of six: silence is told that much earlier."""
    rule = TimeWindowRule(type=CONNECTIONS.type, min=1, max=9, window=10 * MINUTE)
    on = detector(rule)
    judged(on, Received("cam-1", AT, body()), TwinServed("cam-1", {"ConnectionCreate": 15 * MINUTE}, AT))
    assert outcomes(on, Ticked(AT + 24 * MINUTE)) == []
    assert [type(one) for one in outcomes(on, Ticked(AT + 25 * MINUTE))] == [Finding]


def test_S19_silence_while_the_gateway_was_closed_is_nobodys() -> None:
    on = detector(hub_rule(low=1))
    judged(on, Operated("cam-1", AT, "MqttD2CMessages"), GatewayOpened(AT + 60 * MINUTE))
    assert outcomes(on, Ticked(AT + 69 * MINUTE)) == []
    assert [type(one) for one in outcomes(on, Ticked(AT + 70 * MINUTE))] == [Finding]


def test_a_message_that_is_decoded_already_is_not_decoded_again() -> None:
    on = detector(CONNECTIONS)
    said = SecurityMessage("legacy", 1, [])
    assert judge(on, 1, Received("cam-1", AT, b"{", "mqtt"), said).decoded is said
