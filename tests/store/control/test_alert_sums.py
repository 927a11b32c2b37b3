"""Sums of alerts: the same as counting all of them one by one."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import get_args

import pytest
from tests.store.control.material import alert, commit
from tests.store.control.test_alert_search import STATES, fits

from fencepost.model.aggregate import DayCount, DeviceCount
from fencepost.model.alert import Alert
from fencepost.model.catalog import CATALOG
from fencepost.model.errors import OperatorError
from fencepost.model.page import AlertFilter, SummaryBy, SummaryRow
from fencepost.model.record import DeviceRecord
from fencepost.store.control import ControlStore
from fencepost.store.control.alert_listing import SEVERITIES
from fencepost.store.control.alert_rows import is_hidden
from fencepost.store.control.alert_sums import TOP
from fencepost.testing import at, group

BY: tuple[SummaryBy, ...] = get_args(SummaryBy)
OPEN = {"Active", "InProgress"}
LONG = "x" * 600
"""A device whose id is longer than what it is looked up by."""
DEVICES = (*(f"cam-{number}" for number in range(25)), LONG)
RULES = ("ProcessNotAllowed", "ConnectionToIpNotAllowed", "OfNoCatalogue")
WANTED = [
    AlertFilter(),
    AlertFilter(hidden=True),
    AlertFilter(states=frozenset({"Active"}), groups=frozenset({"cameras", "floor 2"})),
    AlertFilter(text="cam-1"),
    AlertFilter(device_id="cam-3"),
    AlertFilter(since=at("10:00") + timedelta(days=3), group="CAMERAS"),
    AlertFilter(groups=frozenset()),
]


@pytest.fixture
def fleet(store: ControlStore) -> list[Alert]:
    """Give what the store has: four hundred alerts of a week, some of which came to nothing."""
    random = Random(3)  # noqa: S311 - always the same
    alerts = []
    for number in range(400):
        begin = at("10:00") + timedelta(hours=random.randrange(24 * 7))
        alerts.append(
            alert(
                random.choice(DEVICES),
                random.choice([None, "", "198.51.100.7", "nul \0", "b", "B"]),
                ordinal=number,
                state=random.choice(STATES),
                severity=random.choice(SEVERITIES),
                group=random.choice(["default", "Cameras", "floor 2"]),
                rule_type=random.choice(RULES),
                count=random.randrange(1, 9),
                started_at=begin,
                last_seen_at=begin + timedelta(minutes=random.randrange(2000)),
                merged_into="another" if number % 13 == 0 else None,
            )
        )
    records = [
        DeviceRecord(device_id=one, position=1, registered_at=at("10:00")) for one in (*DEVICES[:9], LONG)
    ]
    commit(store, *alerts, devices=records, groups_put=[group(name="Cameras")])
    return alerts


def key_of(one: Alert, by: SummaryBy) -> str | None:
    """Return what an alert is counted by; a group that is no more has its name without case."""
    if by == "day":
        return one.started_at.date().isoformat()
    return getattr(one, by)  # type: ignore[no-any-return]


def row_of(key: str | None, alerts: Iterable[Alert]) -> SummaryRow:
    some = list(alerts)
    return SummaryRow(
        key=key,
        alerts=len(some),
        still_open=sum(one.state in OPEN for one in some),
        occurrences=sum(one.count for one in some),
        devices=len({one.device_id for one in some}),
        first_at=min(one.started_at for one in some),
        last_at=max(one.last_seen_at for one in some),
    )


@pytest.mark.parametrize("by", BY)
def test_a_summary_counts_what_fits(store: ControlStore, fleet: list[Alert], by: SummaryBy) -> None:
    """By whatever it is, that of the most alerts first, as many as are wanted."""
    for wanted in WANTED:
        fitting = [one for one in fleet if fits(wanted, one)]
        expected = [
            row_of(key, (one for one in fitting if key_of(one, by) == key))
            for key in {key_of(one, by) for one in fitting}
        ]
        found = store.alert_summary(wanted, by)
        assert sorted(map(str, found)) == sorted(map(str, expected))
        assert [row.alerts for row in found] == sorted((row.alerts for row in expected), reverse=True)
        assert store.alert_summary(wanted, by, limit=2) == found[:2]


def test_a_summary_has_a_size(store: ControlStore) -> None:
    """Like any list."""
    with pytest.raises(OperatorError, match="limit: is between 1 and 1000"):
        store.alert_summary(AlertFilter(), "day", limit=0)


def test_aggregates_are_of_a_type_and_a_day(store: ControlStore, fleet: list[Alert]) -> None:
    """The highest severity, all that started then, and the devices that had the most of it."""
    since = datetime.combine(at("10:00").date() + timedelta(days=2), datetime.min.time(), UTC)
    for groups in (None, frozenset({"cameras"}), frozenset[str]()):
        fitting = [one for one in fleet if seen(one, groups) and one.started_at >= since]
        found = store.alert_aggregates(since, groups=groups)
        kinds = sorted(
            {(one.started_at.date(), one.rule_type) for one in fitting},
            key=lambda kind: (-kind[0].toordinal(), kind[1]),
        )
        assert [(one.day, one.rule_type) for one in found] == kinds
        for one in found:
            some = [
                alert
                for alert in fitting
                if (alert.started_at.date(), alert.rule_type) == (one.day, one.rule_type)
            ]
            assert one.count == len(some)
            assert one.still_open == sum(alert.state in OPEN for alert in some)
            assert one.severity == highest(some)
            assert list(one.devices) == devices_of(some)
            known = CATALOG.get(one.rule_type)
            assert one.alert_type == (known.alert_type if known else "IoT_CA_OfNoCatalogue")


def test_metrics_are_what_is_open_and_what_there_was(store: ControlStore, fleet: list[Alert]) -> None:
    """What is open counts whenever it started; the rest since then."""
    since = at("10:00") + timedelta(days=4)
    for groups in (None, frozenset({"cameras", "default"})):
        known = [one for one in fleet if seen(one, groups)]
        recent = [one for one in known if one.started_at >= since]
        found = store.alert_metrics(since, groups=groups)
        still_open = [one for one in known if one.state in OPEN]
        assert found.still_open == Counter(one.severity for one in still_open)
        assert found.unhealthy == len({one.device_id for one in still_open})
        assert list(found.devices) == devices_of(recent)
        assert list(found.days) == days_of(recent)
        types = Counter(one.rule_type for one in recent)
        assert {one.rule_type: one.alerts for one in found.types} == types
        for one in found.types:
            assert one.severity == highest(alert for alert in recent if alert.rule_type == one.rule_type)


def test_a_fleet_without_alerts_is_well(store: ControlStore) -> None:
    """Nothing is counted as nothing."""
    assert store.alert_aggregates(at("10:00")) == []
    found = store.alert_metrics(at("10:00"))
    assert (found.still_open, found.unhealthy, found.days, found.devices, found.types) == ({}, 0, (), (), ())


def seen(one: Alert, groups: frozenset[str] | None) -> bool:
    return not is_hidden(one) and (groups is None or one.group.casefold() in groups)


def highest(alerts: Iterable[Alert]) -> str:
    return max((one.severity for one in alerts), key=SEVERITIES.index)


def devices_of(alerts: list[Alert]) -> list[DeviceCount]:
    """Return the devices with the most alerts; of as many, those with the lowest ids first."""
    counted = Counter(one.device_id for one in alerts)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return [
        DeviceCount(device_id, number, max(one.last_seen_at for one in alerts if one.device_id == device_id))
        for device_id, number in ranked
    ]


def days_of(alerts: list[Alert]) -> list[DayCount]:
    kinds: dict[tuple[date, str], list[Alert]] = {}
    for one in alerts:
        kinds.setdefault((one.started_at.date(), one.severity), []).append(one)
    return [
        DayCount(day, some[0].severity, len(some), len({one.device_id for one in some}))
        for (day, _), some in sorted(
            kinds.items(), key=lambda item: (item[0][0], SEVERITIES.index(item[1][0].severity))
        )
    ]
