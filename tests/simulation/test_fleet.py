"""A simulated fleet is reproducible, arrives in order, and deviates exactly where it says."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from fencepost.config.groups import load_groups
from fencepost.engine.book import AlertBook
from fencepost.engine.detector import Detector
from fencepost.model.alert import Alert
from fencepost.model.catalog import AGENT_RULE_TYPES
from fencepost.model.errors import OperatorError
from fencepost.model.outcome import Late, Skewed
from fencepost.simulation.fleet import Fleet
from fencepost.simulation.output import write
from fencepost.sources.files import Record, read
from fencepost.wire.message import decode


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (list(Fleet(10, seed=seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_messages_come_in_the_order_of_their_arrival() -> None:
    times = [delivery.received_at for delivery in Fleet(20)]
    assert all(one <= other for one, other in pairwise(times))


def test_devices_are_named_after_their_kind() -> None:
    kinds = Counter(device.device_id.split("-")[0] for device in Fleet(100).devices)
    assert kinds == {"cam": 60, "gw": 20, "plc": 20}
    assert Fleet(5).devices[0].device_id == "cam-0001"


def test_events_are_no_older_than_the_groups_allow() -> None:
    for delivery in Fleet(20, incidents=0.3):
        events = decode(delivery.body).events
        ages = [delivery.received_at - event.occurred_at for event in events]
        highest = timedelta(seconds=4) if delivery.device_id.startswith("plc") else timedelta(minutes=12)
        assert timedelta() < max(ages) <= highest


def test_a_start_in_another_zone_is_the_same_instant() -> None:
    zone = datetime.fromisoformat("2026-11-24T05:00:00+02:00")
    assert list(Fleet(3, start=zone)) == list(Fleet(3, start=zone.astimezone(UTC)))


def test_incidents_are_counted_for_each_type() -> None:
    counts = dict(zip(AGENT_RULE_TYPES, (5, 4, 3, 2, 0), strict=True))
    fleet = Fleet(20, incidents=counts)
    assert Counter(alert.rule_type for alert in fleet.expected) == Counter(counts)
    assert len({(alert.rule_type, alert.device_id) for alert in fleet.expected}) == 14


def test_a_small_share_of_incidents_strikes_at_least_one_device_each() -> None:
    assert len(Fleet(10, incidents=0.0001).expected) == 5
    assert Fleet(10, incidents=0).expected == ()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"devices": 0}, "devices: a fleet has at least one device"),
        (
            {"devices": 3, "duration": timedelta(minutes=5)},
            "duration: a simulation lasts at least 20 minutes",
        ),
        ({"devices": 3, "incidents": 2.0}, "incidents: the share of devices"),
        ({"devices": 3, "incidents": {"FileUploads": 1}}, "incidents.FileUploads: no incident of this type"),
        ({"devices": 3, "incidents": {"ProcessNotAllowed": 9}}, "9: the fleet can report 0 to 2"),
    ],
)
def test_arguments_that_make_no_fleet_are_named(options: dict[str, object], problem: str) -> None:
    with pytest.raises(OperatorError, match=problem):
        Fleet(**options)  # type: ignore[arg-type]


def detected(folder: Path) -> list[Alert]:
    detector, book = Detector(load_groups(folder / "groups.yaml").groups), AlertBook()
    now = datetime(2000, 1, 1, tzinfo=UTC)
    for record in read([folder / "messages.ndjson"]):
        assert isinstance(record, Record)
        assert record.received_at is not None
        now, message = record.received_at, decode(record.body)
        assert message.rejected == ()
        for outcome in detector.receive(record.device_id, message, now):
            assert not isinstance(outcome, Late | Skewed)
            book.apply(outcome)
    for outcome in detector.tick(now):
        book.apply(outcome)
    return book.alerts()


@pytest.mark.parametrize(("seed", "share"), [(1, 0.02), (2, 0.5), (3, 0.2)])
def test_detection_finds_exactly_the_alerts_that_are_expected(
    tmp_path: Path, seed: int, share: float
) -> None:
    fleet = Fleet(40, seed=seed, incidents=share)
    write(tmp_path, fleet)
    alerts = detected(tmp_path)
    counts = {(one.rule_type, one.device_id, one.value): one.count for one in alerts}
    expected = {(one.rule_type, one.device_id, one.value): one.min_count for one in fleet.expected}
    assert set(counts) == set(expected)
    assert len(counts) == len(alerts)
    assert all(counts[key] >= count for key, count in expected.items())
