"""A live fleet against a service over real HTTPS: what is sent, what comes of it, and how it ends."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic

import pytest
from msgspec import structs
from tests.client.loopback import FastClock, Loopback, problem

from fencepost.client.access import Access
from fencepost.model.catalog import AGENT_RULE_TYPES
from fencepost.model.errors import OperatorError
from fencepost.simulation import run
from fencepost.simulation.groups import group_bodies
from fencepost.simulation.live import LivePlan
from fencepost.simulation.run import Findings, run_live
from fencepost.simulation.watch import Heard, Watch

PLAN = LivePlan(devices=5, rate=1.0, duration=timedelta(seconds=40))
ROUTINE = LivePlan(devices=5, rate=1.0, duration=timedelta(seconds=25), incidents=0)
ENDLESS = LivePlan(devices=5, rate=5.0)


@pytest.fixture
def service() -> Iterator[Loopback]:
    with Loopback(FastClock(40)) as running:
        yield running


def lived(
    service: Loopback,
    plan: LivePlan = PLAN,
    *,
    access: Access | None = None,
    groups: bool = True,
    watch: Watch | None = None,
    stop_after: float | None = None,
) -> Findings:
    async def go() -> Findings:
        stop = asyncio.Event()
        if stop_after is not None:
            asyncio.get_running_loop().call_later(stop_after, stop.set)
        return await run_live(
            access or service.access,
            plan,
            groups=group_bodies() if groups else None,
            watch=watch or Watch(),
            stop=stop,
            clock=service.clock,
            connections=4,
        )

    return asyncio.run(go())


def test_exactly_the_scripted_alerts_come_of_a_run(service: Loopback) -> None:
    heard: list[Heard] = []
    watch = Watch(heard.append)
    findings = lived(service, watch=watch)
    assert findings.is_right
    assert (findings.expected, findings.alerts, watch.opened) == (5, 5, 5)
    assert {one.alert.rule_type for one in heard if one.is_new} == set(AGENT_RULE_TYPES)
    assert 20 <= findings.messages == service.replay.counts.messages <= 40
    assert service.replay.counts.late == service.replay.counts.backwards == 0
    assert [path for method, path in service.requests if method == "PUT"] == [
        "/v1/groups/cameras",
        "/v1/groups/gateways",
        "/v1/groups/plcs",
    ]


def test_an_alert_that_does_not_come_is_missing(service: Loopback) -> None:
    service.hidden = lambda alert: alert.rule_type == "ProcessNotAllowed"
    findings = lived(service)
    assert [alert.rule_type for alert in findings.missing] == ["ProcessNotAllowed"]
    assert not findings.is_right


def test_an_alert_that_nobody_asked_for_is_unexpected_and_kept_groups_are_kept(service: Loopback) -> None:
    rules = [{"type": "ConnectionToIpNotAllowed", "allow": []}]
    service.scripted.append((200, {}, b"{}"))
    service._put("cameras", b'{"members": {"globs": ["cam-0001"]}, "rules": %b}' % _json(rules))
    service.scripted.clear()
    findings = lived(service, ROUTINE, groups=False)
    assert {(one.device_id, one.rule_type) for one in findings.unexpected} == {
        ("cam-0001", "ConnectionToIpNotAllowed")
    }
    assert (findings.expected, findings.missing, findings.is_right) == (0, (), False)
    assert not any(method == "PUT" for method, _ in service.requests)


def _json(value: object) -> bytes:
    from msgspec import json  # noqa: PLC0415

    return json.encode(value)


def test_a_second_run_on_the_same_service_is_judged_by_what_it_added(service: Loopback) -> None:
    for _ in range(2):
        assert lived(service).is_right


def test_alerts_of_an_earlier_run_are_not_counted(service: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BEFORE", timedelta(hours=1))
    assert lived(service).is_right
    findings = lived(service, ROUTINE, groups=False)
    assert findings.is_right
    assert (findings.expected, findings.alerts) == (0, 0)


def test_a_busy_service_gets_every_message_all_the_same(service: Loopback) -> None:
    service.scripted += [(201, {}, b"{}")] * 3 + [problem(503, "the disk is full", retry_after="1")] * 3
    service._put("cameras", _json(group_bodies()["cameras"]))
    findings = lived(service, ROUTINE)
    assert findings.messages == service.replay.counts.messages
    assert findings.is_right


def test_messages_that_are_refused_are_told_with_their_reasons(service: Loopback) -> None:
    receipt = b'{"messages":1,"events":0,"quarantined":1,"rejects":[{"index":0,"where":"","reason":"?"}],"rejects_total":1}'
    service.scripted += [(201, {}, b"{}")] * 3 + [(202, {}, receipt)] * 2
    findings = lived(service, ROUTINE)
    assert (findings.rejected, findings.reasons, findings.is_right) == (2, {"?": 2}, False)


def test_a_service_that_does_not_tell_is_asked_in_the_end(service: Loopback) -> None:
    service.is_mute = True
    watch = Watch()
    findings = lived(service, watch=watch)
    assert findings.is_right
    assert (findings.expected, watch.opened) == (5, 0)


def test_a_run_that_is_stopped_ends_at_once_and_is_judged_so_far(service: Loopback) -> None:
    begun = monotonic()
    findings = lived(service, ENDLESS, stop_after=0.8)
    assert monotonic() - begun < 3
    assert findings.is_right
    assert findings.expected >= 1


def test_a_run_can_be_stopped_before_it_has_begun(service: Loopback) -> None:
    findings = lived(service, ENDLESS, stop_after=0)
    assert findings.messages <= 1
    assert findings.is_right


def test_a_rate_that_cannot_be_reached_is_told(service: Loopback) -> None:
    plan = LivePlan(devices=10, rate=2000.0, duration=timedelta(seconds=15), incidents=0)
    findings = lived(service, plan)
    assert not findings.is_rate_held
    assert 0 < findings.rate_reached < 2000
    assert findings.is_right


def test_an_impossible_plan_is_named_before_anything_is_asked(service: Loopback) -> None:
    with pytest.raises(OperatorError, match="duration: "):
        lived(service, structs.replace(PLAN, duration=timedelta(seconds=1)))
    assert service.requests == []


def test_a_wrong_token_ends_a_run(service: Loopback) -> None:
    wrong = Access(service.url, "wrong", service.ca)
    for groups in (True, False):
        with pytest.raises(OperatorError, match="the token is not accepted"):
            lived(service, access=wrong, groups=groups)


def test_a_device_that_the_service_does_not_know_ends_a_run(service: Loopback) -> None:
    service.scripted += [(201, {}, b"{}")] * 3 + [problem(404, "the device cam-0001 is not registered")]
    with pytest.raises(OperatorError, match="cam-0001 is not registered"):
        lived(service)


def test_a_service_that_stays_busy_ends_a_run_when_patience_does(service: Loopback) -> None:
    service.scripted += [(201, {}, b"{}")] * 3 + [problem(503, "the disk is full", retry_after="20")] * 100
    with pytest.raises(OperatorError, match="the service is busy: the disk is full"):
        lived(service, ENDLESS)
