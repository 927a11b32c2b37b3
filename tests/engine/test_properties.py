"""
The engine against the reference, and against itself (S02, S09).

CI runs few examples of each property. For a long run, with other examples each time:

    FENCEPOST_EXAMPLES=20000 pytest tests/engine/test_properties.py -n auto --timeout 0

A failure against the reference prints the simplest stream that fails, found by leaving things out
(hypothesis' own shrinking would take minutes and is off); `--hypothesis-seed` repeats a run.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from random import Random

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.engine.reference import Delivery, ReferenceAlert, reference_alerts, rules_of
from tests.engine.strategies import (
    SIZES,
    Parcel,
    Story,
    Stream,
    delay_of,
    layers,
    packed,
    redelivered,
    sent,
    simplest,
    stories,
    streams,
    with_delay,
)

from fencepost.engine.book import AlertBook
from fencepost.engine.detector import Detector
from fencepost.model.alert import Alert
from fencepost.model.event import SecurityMessage
from fencepost.model.instant import SECOND, moment
from fencepost.model.layer import NO_LAYERS, Layers
from fencepost.model.outcome import Cleared, Finding, Outcome, Possible, Recovered
from fencepost.model.rule import Rule, SecurityGroup, TimeWindowRule

EXAMPLES = int(os.environ.get("FENCEPOST_EXAMPLES", "200"))
REPAIRED = "late data repaired the minimum"

thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def alerts_of(outcomes: Iterable[Outcome]) -> set[ReferenceAlert]:
    """Return the alerts that these outcomes leave standing; two alerts never look the same."""
    book = AlertBook()
    for outcome in outcomes:
        book.apply(outcome)
    standing = [_comparable(alert) for alert in book.alerts() if _stands(alert)]
    assert len(set(standing)) == len(standing)
    return set(standing)


def _stands(alert: Alert) -> bool:
    return alert.merged_into is None and alert.reason != REPAIRED


def _comparable(alert: Alert) -> ReferenceAlert:
    return ReferenceAlert(
        alert.device_id, alert.rule_type, alert.value, alert.started_at, alert.last_seen_at, alert.count
    )


def outcomes_at(detector: Detector, delivery: Delivery) -> list[Outcome]:
    """Let a detector hear of a message, or of an operation of the gateway."""
    device_id, said, received_at = delivery
    if isinstance(said, SecurityMessage):
        return list(detector.receive(device_id, said, received_at))
    return list(detector.operate(device_id, said, received_at))


def outcomes_of(
    group: SecurityGroup,
    deliveries: Iterable[Delivery],
    until: datetime,
    cut: Callable[[int], bool] = lambda number: False,
    layers: Layers = NO_LAYERS,
) -> list[list[Outcome]]:
    """Return what the engine concludes from each message and in the end; at a cut it starts anew."""
    detector = Detector.build((group,), layers=layers)
    steps: list[list[Outcome]] = []
    for number, delivery in enumerate(deliveries):
        if cut(number):
            detector = Detector.build((group,), detector.snapshot())
        steps.append(outcomes_at(detector, delivery))
    if cut(len(steps)):
        detector = Detector.build((group,), detector.snapshot())
    steps.append(list(detector.tick(until)))
    return steps


def engine_alerts(
    group: SecurityGroup,
    deliveries: Iterable[Delivery],
    until: datetime,
    layers: Layers = NO_LAYERS,
) -> set[ReferenceAlert]:
    steps = outcomes_of(group, deliveries, until, layers=layers)
    return alerts_of(outcome for step in steps for outcome in step)


def both(stream: Stream) -> tuple[set[ReferenceAlert], set[ReferenceAlert]]:
    """Return the alerts of the engine, and those of the reference."""
    rules = tuple(
        rule
        for device_id in {"", *stream.layers.devices}
        for rule in rules_of(stream.group, stream.layers, device_id)
    )
    found = engine_alerts(stream.group, stream.deliveries, stream.until, stream.layers)
    expected = reference_alerts(stream.group, stream.deliveries, stream.until, ((0, stream.layers),))
    return extents(rules, found), extents(rules, expected)


def differs(stream: Stream) -> bool:
    found, expected = both(stream)
    return found != expected


def assert_equals_reference(stream: Stream) -> None:
    if differs(stream):
        stream = simplest(stream, differs)
        note(f"simplest: {stream}")
    found, expected = both(stream)
    assert found == expected


def extents(rules: Iterable[Rule], alerts: set[ReferenceAlert]) -> set[ReferenceAlert]:
    """
    Return the alerts, those of a rule that needs order put together from the first to the last moment.

    Minimums are promised for messages in order (S02). When data comes late between two violations the
    engine does not ask again whether the device was back in between: it may leave one alert where the
    reference sees two, or two where it sees one, but never a gap. What the gateway sees is never late: of
    its alerts only the number may differ, where something came at the very instant of a missed minimum.
    """
    ordered = {
        rule.type: rule.row.subject for rule in rules if isinstance(rule, TimeWindowRule) and rule.needs_order
    }
    together: dict[tuple[str, str, datetime | None], list[ReferenceAlert]] = {}
    for alert in alerts:
        if alert.rule_type in ordered:
            start = alert.started_at if ordered[alert.rule_type] == "hub" else None
            together.setdefault((alert.device_id, alert.rule_type, start), []).append(alert)
    return {alert for alert in alerts if alert.rule_type not in ordered} | {
        ReferenceAlert(
            device_id,
            rule_type,
            None,
            min(alert.started_at for alert in several),
            max(alert.last_seen_at for alert in several),
            0,
        )
        for (device_id, rule_type, _), several in together.items()
    }


# ------------------------------------------------------------------------------- like the reference


@thorough
@given(streams(minimums=True, delays=False))
def test_S02_alerts_in_order_are_those_of_the_reference(stream: Stream) -> None:
    assert_equals_reference(stream)


@thorough
@given(streams(minimums=True, delays=False, few_processes=True))
def test_S12_attempts_of_a_process_that_tries_again_are_those_of_the_reference(stream: Stream) -> None:
    assert_equals_reference(stream)


@thorough
@given(streams(minimums=False, delays=True))
def test_S07_late_alerts_are_those_of_the_reference(stream: Stream) -> None:
    assert_equals_reference(stream)


@thorough
@given(streams(minimums=True, delays=True))
def test_S07_late_data_repairs_minimums_as_in_the_reference(stream: Stream) -> None:
    assert_equals_reference(stream)


@thorough
@given(streams(minimums=False, delays=False, stale=True))
def test_S07_events_beyond_the_legitimate_delay_are_judged_as_in_the_reference(stream: Stream) -> None:
    assert_equals_reference(stream)


@thorough
@given(streams(minimums=False, delays=True, repeats=False))
def test_S26_what_was_merged_is_never_judged_wrong(stream: Stream) -> None:
    """With a delay of a minute much comes later than it may: fewer certain violations, none invented."""
    group = certain_only(with_delay(stream.group, timedelta()))
    found = engine_alerts(group, stream.deliveries, stream.until)
    expected = reference_alerts(group, stream.deliveries, stream.until)
    assert {alert for alert in found if alert.value} == {alert for alert in expected if alert.value}
    for alert in found - expected:
        assert any(is_part_of(alert, other) for other in expected), alert


def certain_only(group: SecurityGroup) -> SecurityGroup:
    rules = [
        structs.replace(r, alert_on="certain") if isinstance(r, TimeWindowRule) else r for r in group.rules
    ]
    return structs.replace(group, rules=tuple(rules))


def is_part_of(alert: ReferenceAlert, other: ReferenceAlert) -> bool:
    return (
        (alert.device_id, alert.rule_type) == (other.device_id, other.rule_type)
        and other.started_at <= alert.started_at
        and alert.last_seen_at <= other.last_seen_at
        and alert.count <= other.count
    )


@thorough
@given(streams(minimums=True, delays=True, layered=True))
def test_S27_alerts_by_all_layers_are_those_of_the_reference(stream: Stream) -> None:
    """Entries of the group, the fleet and the device, some of which have an end (S28), and ranges of a device's own."""
    assert_equals_reference(stream)


def offences_of(outcomes: Iterable[Outcome]) -> set[ReferenceAlert]:
    """Return what the lists found, as one alert for each value whatever has become of it since."""
    found: dict[tuple[str, str, str], list[Finding]] = {}
    for one in outcomes:
        if isinstance(one, Finding) and one.value is not None:
            found.setdefault((one.device_id, one.rule.type, one.value), []).append(one)
    return {
        ReferenceAlert(
            *key, min(f.first_at for f in all_), max(f.last_at for f in all_), sum(f.count for f in all_)
        )
        for key, all_ in found.items()
    }


@thorough
@given(
    streams(minimums=False, delays=True, layered=True),
    st.lists(layers(minimums=False, ranges=False), min_size=1, max_size=3),
    st.lists(st.integers(0, 40), min_size=3, max_size=3),
    st.sets(st.integers(0, 40), max_size=6),
)
def test_S24_lists_that_are_edited_are_judged_by_as_they_are_when_a_message_comes(
    stream: Stream, edits: list[Layers], places: list[int], cuts: set[int]
) -> None:
    """Edits of the fleet and of devices between any two messages, and restarts anywhere."""
    first = lists_only(stream.layers)
    editions = [(0, first), *zip(sorted(places), map(lists_only, edits), strict=False)]
    detector = Detector.build((stream.group,), layers=first)
    outcomes: list[Outcome] = []
    for number, delivery in enumerate(stream.deliveries):
        for place, edition in editions[1:]:
            if place == number:
                put_layers(detector, edition, delivery[2])
        if number in cuts:
            detector = Detector.build(None, detector.snapshot())
        outcomes += outcomes_at(detector, delivery)
    expected = reference_alerts(stream.group, stream.deliveries, stream.until, editions)
    assert offences_of(outcomes) == {alert for alert in expected if alert.value is not None}


def lists_only(layers: Layers) -> Layers:
    devices = {
        device_id: structs.replace(
            layer, rules=tuple(r for r in layer.rules if not isinstance(r, TimeWindowRule))
        )
        for device_id, layer in layers.devices.items()
    }
    return structs.replace(layers, devices=devices)


def put_layers(detector: Detector, layers: Layers, at: datetime) -> None:
    """Put layers in force one by one, and take away those that are not among them."""
    detector.replace_layer(layers.fleet, at)
    for device_id in {*detector.layers().devices, *layers.devices}:
        detector.replace_layer(layers.of(device_id), at)


# ------------------------------------------------------------------------------------ like itself


def received_together(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Return the parcels in this order, one a second, from the moment when the last of them is over."""
    clock = max(parcel.latest for parcel in parcels)
    return [replace(parcel, received_at=clock + number * SECOND) for number, parcel in enumerate(parcels)]


@thorough
@given(stories(minimums=False, delays=False), SIZES)
def test_S02_order_does_not_matter(story: Story, sizes: list[int]) -> None:
    accounts, others = (
        (parcels := packed(story, sizes))[: len(story.accounts)],
        parcels[len(story.accounts) :],
    )
    shuffled = story.random.sample(others, len(others))
    one, other = received_together(parcels), received_together([*accounts, *shuffled])
    group = with_delay(story.group, max(delay_of(one), delay_of(other)))
    until = moment(one[-1].received_at) + timedelta(days=3)
    found, shuffled_found = engine_alerts(group, sent(one), until), engine_alerts(group, sent(other), until)
    assert extents(group.rules, found) == extents(group.rules, shuffled_found)


@thorough
@given(stories(minimums=True, delays=False), SIZES, SIZES)
def test_S02_batches_do_not_matter(story: Story, sizes: list[int], others: list[int]) -> None:
    one, other = packed(story, sizes), packed(story, others)
    group = with_delay(story.group, max(delay_of(one), delay_of(other)))
    until = moment(one[-1].received_at) + timedelta(days=3)
    found, batched = engine_alerts(group, sent(one), until), engine_alerts(group, sent(other), until)
    assert extents(group.rules, found) == extents(group.rules, batched)


@thorough
@given(streams(minimums=True, delays=True, repeats=False), st.randoms(use_true_random=False))
def test_S09_redelivery_does_not_matter(stream: Stream, random: Random) -> None:
    again = redelivered(stream.deliveries, random)
    assert engine_alerts(stream.group, again, stream.until) == engine_alerts(
        stream.group, stream.deliveries, stream.until
    )


@thorough
@given(
    streams(minimums=True, delays=True, stale=True) | streams(minimums=True, delays=True, layered=True),
    st.sets(st.integers(0, 40), max_size=12),
)
def test_S02_a_restart_changes_no_outcome(stream: Stream, cuts: set[int]) -> None:
    said = stream.group, stream.deliveries, stream.until
    through = outcomes_of(*said, layers=stream.layers)
    assert outcomes_of(*said, cuts.__contains__, stream.layers) == through


def fleet(stream: Stream) -> Stream:
    """Return the stream with four devices in the place of each, so that many fall due together."""
    deliveries = tuple(
        (f"{device_id}-{number}", message, received_at)
        for device_id, message, received_at in stream.deliveries
        for number in range(4)
    )
    return replace(stream, deliveries=deliveries)


def parts_of(
    stream: Stream, most: int | None, cut: Callable[[int], bool] = lambda number: False
) -> list[list[list[Outcome]]]:
    """Return what the time before each message brings, part by part; at a cut the engine starts anew."""
    detector, parts = Detector.build((stream.group,)), count()
    steps: list[list[list[Outcome]]] = []
    for moment_, delivery in [*((one[2], one) for one in stream.deliveries), (stream.until, None)]:
        steps.append([])
        while (due := detector.next_wakeup()) is not None and due <= moment_:
            steps[-1].append(detector.tick(moment_, most))
            if cut(next(parts)):
                detector = Detector.build((stream.group,), detector.snapshot())
        if delivery is not None:
            outcomes_at(detector, delivery)
    return steps


@thorough
@given(streams(minimums=True, delays=True), st.integers(1, 5))
def test_S05_time_that_passes_in_parts_brings_what_it_brings_at_once(stream: Stream, most: int) -> None:
    """The same outcomes of each device in the same order; every call finds something, and none too many."""
    stream = fleet(stream)
    for whole, parts in zip(parts_of(stream, None), parts_of(stream, most), strict=True):
        outcomes = [outcome for part in parts for outcome in part]
        assert len(whole) <= 1
        assert sorted(outcomes, key=_device) == [outcome for part in whole for outcome in part]
        assert all(len({_device(outcome) for outcome in part}) <= most for part in parts)


def _device(outcome: Outcome) -> str:
    assert isinstance(outcome, Finding | Recovered | Cleared | Possible)
    return outcome.device_id


@thorough
@given(streams(minimums=True, delays=True), st.integers(1, 5), st.booleans(), st.sets(st.integers(0, 40)))
def test_S30_a_restart_between_two_parts_changes_none_of_them(
    stream: Stream, most: int, always: bool, cuts: set[int]
) -> None:
    """A tick in the journal judges the same devices whenever it is replayed."""
    stream = fleet(stream)
    through = parts_of(stream, most)
    assert parts_of(stream, most, lambda number: always or number in cuts) == through


@thorough
@given(streams(minimums=True, delays=True))
def test_S02_devices_do_not_know_of_each_other(stream: Stream) -> None:
    shards: list[list[Delivery]] = [[], []]
    for delivery in stream.deliveries:
        shards[delivery[0] == "d1"].append(delivery)
    union = set[ReferenceAlert]().union(*(engine_alerts(stream.group, s, stream.until) for s in shards))
    assert union == engine_alerts(stream.group, stream.deliveries, stream.until)
