"""A fleet that lives in real time keeps its rate and its groups' ranges, and deviates exactly where it says."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from fencepost.config.groups import parse_groups
from fencepost.model.alert import Alert
from fencepost.model.catalog import AGENT_RULE_TYPES
from fencepost.model.errors import OperatorError
from fencepost.service.replay import Replay
from fencepost.simulation.device import Delivery
from fencepost.simulation.groups import groups_text
from fencepost.simulation.incidents import Incident
from fencepost.simulation.live import LiveFleet, LivePlan
from fencepost.simulation.verdict import judge
from fencepost.wire.message import decode

GROUPS = parse_groups(groups_text().decode(), "groups.yaml").groups
START = datetime(2026, 11, 24, 3, 0, 0, 250_000, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PACES = [(1, 2.0), (5, 0.1), (5, 5.0), (20, 0.5), (50, 20.0), (40, 0.1)]
LATEST = {"plc": timedelta(minutes=2), "cam": timedelta(minutes=7), "gw": timedelta(minutes=7)}


def plan(devices: int = 50, rate: float = 20.0, minutes: float = 1.0, **members: object) -> LivePlan:
    return LivePlan(devices=devices, rate=rate, duration=minutes * MINUTE, **members)  # type: ignore[arg-type]


def received(deliveries: Iterable[Delivery]) -> Replay:
    """Return what the real engine makes of messages that arrive as they are sent."""
    replay = Replay(GROUPS, wall_clock=lambda: START)
    for delivery in deliveries:
        replay.receive(delivery.device_id, delivery.body, delivery.received_at, delivery.device_id)
    replay.finish()
    counts = replay.counts
    assert counts.understood == counts.messages
    assert (counts.rejected_messages, counts.rejected_parts, counts.late, counts.skewed) == (0, 0, 0, 0)
    assert (counts.duplicate_messages, counts.duplicate_events, counts.incomplete) == (0, 0, 0)
    return replay


def openings(fleet: LiveFleet, deliveries: Iterable[Delivery]) -> list[tuple[float, Alert]]:
    """Return each alert with the seconds after the start at which it was opened."""
    replay = Replay(GROUPS, wall_clock=lambda: START)
    found: dict[str, tuple[float, Alert]] = {}
    for delivery in deliveries:
        message = replay.understand(delivery.body, delivery.device_id)
        assert message is not None
        for alert in replay.judge(delivery.device_id, message, delivery.received_at)[1]:
            at = (delivery.received_at - fleet.start).total_seconds()
            found.setdefault(alert.alert_id, (at, alert))
    return list(found.values())


def for_a_while(fleet: LiveFleet, span: timedelta) -> Iterator[Delivery]:
    while fleet.due < fleet.start + span:
        yield fleet.send(fleet.due)


@pytest.mark.parametrize(("devices", "rate"), PACES)
def test_the_routine_of_ten_minutes_stays_inside_the_groups(devices: int, rate: float) -> None:
    """Whether they send every half second or every six minutes; the minimum of the cameras included."""
    minutes = max(10.0, 3 * devices / rate / 60 + 1)
    fleet = LiveFleet(plan(devices, rate, minutes, incidents=0), START)
    replay = received(fleet)
    assert replay.alerts() == []
    assert replay.counts.messages == pytest.approx(minutes * 60 * rate, abs=1)
    replay.finish(fleet.end + 18 * MINUTE - fleet.plan.interval)
    assert replay.alerts() == []
    replay.finish(fleet.end + 30 * MINUTE)
    silent = {alert.device_id for alert in replay.alerts()}
    assert silent == {device.device_id for device in fleet.devices if device.kind == "cam"}


@pytest.mark.parametrize(
    ("options", "seed"),
    [
        (plan(50, 20.0, 1.0), 1),
        (plan(10, 100.0, 0.5, incidents=1.0), 2),
        (plan(1, 50.0, 0.5), 3),
        (plan(200, 20.0, 3.0, incidents=0.1), 4),
        (plan(30, 0.1, 20.0, incidents=0.3), 5),
        (plan(30, 0.1, 20.0, incidents={"ActiveConnectionsNotInAllowedRange": 30}), 7),
        (plan(5, 1.0, 10.0, incidents={"FailedLocalLoginsNotInAllowedRange": 4}), 6),
    ],
)
def test_every_incident_of_a_plan_is_detected_and_nothing_else(options: LivePlan, seed: int) -> None:
    fleet = LiveFleet(structs.replace(options, seed=seed), START)
    alerts = received(fleet).alerts()
    assert judge(fleet.told, fleet.begun, alerts, START).is_right
    assert Counter(map(_type, fleet.told)) == Counter(fleet.plan.counts(fleet.devices))
    assert len(alerts) == len(fleet.told) == len(fleet.begun)


def _type(incident: Incident) -> str:
    return incident.rule_type


@given(
    st.lists(st.floats(0, 60), min_size=1, max_size=30),
    st.integers(1, 12),
    st.integers(0, 5),
)
@settings(max_examples=15, deadline=None)
def test_a_fleet_that_is_held_up_deviates_exactly_where_it_says(
    delays: list[float], devices: int, seed: int
) -> None:
    """However irregularly its messages can be sent."""
    fleet = LiveFleet(LivePlan(devices=devices, rate=1.0, seed=seed, gap=timedelta(seconds=5)), START)

    def sent() -> Iterator[Delivery]:
        for number in range(300):
            now = fleet.due + timedelta(seconds=delays[number % len(delays)] if number % 7 == 0 else 0)
            yield fleet.send(now)

    alerts = received(sent()).alerts()
    assert judge(fleet.told, fleet.begun, alerts, START).is_right
    assert fleet.told


def test_a_fleet_without_an_end_meets_with_all_incidents_again_and_again() -> None:
    """Also after an hour, when every device has met with every incident before."""
    fleet = LiveFleet(LivePlan(devices=10, rate=1.0, gap=timedelta(seconds=10)), START)
    alerts = received(for_a_while(fleet, timedelta(hours=2))).alerts()
    assert judge(fleet.told, fleet.begun, alerts, START).is_right
    for begin in (START, START + 80 * MINUTE):
        later = [alert for alert in alerts if alert.started_at >= begin]
        assert {alert.rule_type for alert in later} == set(AGENT_RULE_TYPES)
    assert len(alerts) == len(fleet.told) > 400
    assert len({alert.value for alert in alerts}) > 50


def test_the_first_alert_of_a_demo_comes_at_once_and_the_others_every_few_seconds() -> None:
    fleet = LiveFleet(LivePlan(devices=50, rate=20.0), START)
    times = [at for at, _ in openings(fleet, for_a_while(fleet, MINUTE))]
    assert times[0] < 1
    assert len(times) >= 15
    assert all(later - earlier < 9 for earlier, later in pairwise(times))
    first = LiveFleet(LivePlan(devices=1000, rate=20.0), START)
    assert openings(first, for_a_while(first, timedelta(seconds=5)))[0][0] < 3


def test_incidents_strike_other_devices_as_long_as_there_are_any() -> None:
    fleet = LiveFleet(LivePlan(devices=50, rate=20.0), START)
    list(for_a_while(fleet, MINUTE))
    struck = Counter(incident.device.device_id for incident in fleet.begun)
    assert max(struck.values()) == 1


@pytest.mark.parametrize(("devices", "rate"), PACES)
def test_events_are_of_now_and_never_of_the_future(devices: int, rate: float) -> None:
    for delivery in islice(LiveFleet(LivePlan(devices=devices, rate=rate), START), 400):
        for event in decode(delivery.body).events:
            age = delivery.received_at - event.occurred_at
            assert (
                timedelta(seconds=-1)
                <= age
                <= LATEST[delivery.device_id.split("-")[0]] + timedelta(seconds=5)
            )


def test_every_device_sends_in_its_turn() -> None:
    fleet = LiveFleet(plan(7, 10.0, 1.0), START)
    deliveries = list(fleet)
    assert [one.device_id for one in deliveries[:14]] == 2 * [device.device_id for device in fleet.devices]
    assert len(deliveries) == 600
    assert deliveries[-1].received_at == START + timedelta(seconds=59.9)


def test_messages_have_the_size_of_real_ones_however_often_they_are_sent() -> None:
    for devices, rate, least, most in ((50, 20.0, 300, 1500), (50, 0.2, 2000, 12_000)):
        sizes = [
            len(one.body) for one in islice(LiveFleet(LivePlan(devices=devices, rate=rate), START), 2000)
        ]
        assert least <= sum(sizes) / len(sizes) <= most


def test_a_short_delay_is_made_good_and_a_long_one_is_not() -> None:
    fleet = LiveFleet(LivePlan(devices=5, rate=10.0), START)
    fleet.send(START + timedelta(seconds=0.9))
    assert fleet.due == START + timedelta(seconds=0.1)
    fleet.send(START + timedelta(seconds=30))
    assert fleet.due == START + timedelta(seconds=30.1)


def test_a_night_of_sleep_is_not_told_in_the_morning() -> None:
    """Events are never older than the agents may send them."""
    fleet = LiveFleet(LivePlan(devices=5, rate=5.0), START)
    for _ in range(5):
        fleet.send(fleet.due)
    morning = START + timedelta(hours=8)
    for _ in range(5):
        delivery = fleet.send(max(morning, fleet.due))
        events = decode(delivery.body).events
        assert all(morning - event.occurred_at <= timedelta(minutes=8) for event in events)


def test_the_same_seed_gives_the_same_messages_and_another_seed_others() -> None:
    first, again, other = (
        list(islice(LiveFleet(LivePlan(devices=5, rate=1.0, seed=seed), START), 50)) for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"devices": 0}, "devices: a fleet has at least one device"),
        (
            {"devices": 1000, "rate": 1.0},
            "rate: 1000 devices send between 2.39 and 1e[+]06 messages a second",
        ),
        ({"rate": 0.0}, "rate: 50 devices send between"),
        ({"rate": float("nan")}, "rate: 50 devices send between"),
        ({"rate": float("inf")}, "rate: 50 devices send between"),
        ({"minutes": 0.1}, "duration: at 20 messages a second, 50 devices need at least PT18S"),
        ({"incidents": 1.5}, "incidents: the share of devices"),
        ({"incidents": {"FileUploads": 1}}, "incidents.FileUploads: no incident of this type"),
        ({"devices": 3, "incidents": {"ProcessNotAllowed": 9}}, "9: the fleet can report 0 to 2"),
    ],
)
def test_plans_that_are_impossible_are_named(options: dict[str, object], problem: str) -> None:
    with pytest.raises(OperatorError, match=problem):
        LiveFleet(plan(**options), START)  # type: ignore[arg-type]


def test_all_that_is_impossible_is_said_at_once() -> None:
    with pytest.raises(OperatorError) as caught:
        plan(minutes=0, incidents=2.0).check()
    assert len(caught.value.problems) == 2
