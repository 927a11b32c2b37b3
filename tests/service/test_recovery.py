"""Cut anywhere, and everything is as if nothing had happened (S30)."""

import tempfile
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from threading import Event
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack
from tests.service.stream import Bench, Result, entries

from fencepost.model.entry import Entry, Received
from fencepost.service.patience import Patience
from fencepost.service.processor import Processor
from fencepost.service.recovery import mark_of, recover
from fencepost.store.control import ControlStore
from fencepost.store.journal.journal import Journal
from fencepost.store.snapshots import Snapshot, Snapshots

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    bench = Bench(tmp_path_factory.mktemp("undisturbed"))
    bench.process(entries())
    result = Result(bench.store)
    bench.close()
    return result


def test_a_mark_is_that_of_older_versions_where_they_could_have_written_the_entry() -> None:
    """Or their snapshots would be of no use after an update."""
    old = msgpack.encode(["message", "cam-1", NOW, b"{}"])
    assert mark_of(Received("cam-1", NOW, b"{}")) == blake2b(old, digest_size=16).digest()
    marks = {mark_of(Received("cam-1", NOW, b"{}", via)) for via in (None, "mqtt", "amqp")}
    assert len(marks) == 3


def journal_of(folder: Path, said: tuple[Entry, ...]) -> Journal:
    journal = Journal.open(folder / "journal", clock=lambda: NOW)
    for first in range(0, len(said), 50):
        journal.append(said[first : first + 50])
    return journal


def snapshot_of(processor: Processor) -> Snapshot:
    return Snapshot(processor.position, mark_of(processor.latest), processor.detector.snapshot())


def test_the_stream_has_everything_in_it(undisturbed: Result) -> None:
    """What the comparisons below stand on: alerts of all states, tallies, quarantine, audit, history."""
    assert {alert.state for alert in undisturbed.alerts} >= {"Active", "Resolved"}
    assert len({alert.rule_type for alert in undisturbed.alerts}) == 7
    assert {alert.data_source for alert in undisturbed.alerts} == {"legacy", "hub"}
    assert {tally.kind for tally in undisturbed.tallies} >= {"rejected", "incomplete", "telemetry"}
    assert {type(entry) for entry in entries()} == set(get_args(Entry))
    assert undisturbed.quarantined
    assert {record.action for record in undisturbed.audit} >= {"put", "delete"}
    assert any(
        step.action in ("start", "resolve", "dismiss") for h in undisturbed.history.values() for step in h
    )
    steps = {step.action for history in undisturbed.history.values() for step in history}
    assert steps >= {"open", "allow", "suppress", "assign", "comment"}
    assert {record.action for record in undisturbed.audit} >= {"allow", "undo", "assign", "comment"}
    assert len(undisturbed.layers) == 2
    assert any(undisturbed.mends.values())
    assert undisturbed.notices
    assert sum(device.messages for device in undisturbed.devices) > 100
    assert "nobody" not in {device.device_id for device in undisturbed.devices}


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_S30_a_restart_anywhere_changes_nothing(undisturbed: Result, data: st.DataObject) -> None:
    """The store stops at one position, its snapshot is of an earlier one, the journal goes on behind both."""
    said = entries()
    committed = data.draw(st.integers(0, len(said)), "committed")
    snapped = data.draw(st.integers(0, committed), "snapshot")
    batch = data.draw(st.sampled_from([1, 7, 64, 1000]), "batch")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal, snapshots = journal_of(folder, said), Snapshots(folder / "snapshots")
        bench = Bench(folder)
        bench.process(said[:snapped], batch)
        processor = bench.processor
        if data.draw(st.booleans(), "with a snapshot"):
            snapshots.write(snapshot_of(processor))
        bench.process(said[:committed], batch)
        bench.close()
        with ControlStore.open(f"sqlite:///{folder / 'control.db'}") as store:
            again = recover(journal, store, snapshots.newest(committed), now=NOW, patience=Patience(Event()))
            assert again.position == len(said)
            assert Result(store) == undisturbed
        journal.close()


def test_a_snapshot_ahead_of_the_store_is_not_used(tmp_path: Path, undisturbed: Result) -> None:
    """The store was restored from an older copy: all behind it is made from the journal."""
    said = entries()
    journal, snapshots = journal_of(tmp_path, said), Snapshots(tmp_path / "snapshots")
    (tmp_path / "other").mkdir()
    ahead = Bench(tmp_path / "other")
    ahead.process(said)
    snapshots.write(snapshot_of(ahead.processor))
    ahead.close()
    behind = Bench(tmp_path)
    behind.process(said[:70])
    behind.close()
    with ControlStore.open(f"sqlite:///{tmp_path / 'control.db'}") as store:
        recover(journal, store, snapshots.newest(store.position()), now=NOW, patience=Patience(Event()))
        assert Result(store) == undisturbed
    journal.close()


def test_a_snapshot_of_another_history_is_not_used(tmp_path: Path, undisturbed: Result) -> None:
    """Journal and store were restored from a copy, and went on otherwise; a snapshot of before was left behind."""
    said = entries()
    other = (*said[:60], *entries(seed=4)[60:100])
    journal, snapshots = journal_of(tmp_path, said), Snapshots(tmp_path / "snapshots")
    (tmp_path / "other").mkdir()
    before = Bench(tmp_path / "other")
    before.process(other)
    snapshots.write(snapshot_of(before.processor))
    before.close()
    bench = Bench(tmp_path)
    bench.process(said)
    bench.close()
    with ControlStore.open(f"sqlite:///{tmp_path / 'control.db'}") as store:
        again = recover(journal, store, snapshots.newest(len(said)), now=NOW, patience=Patience(Event()))
        assert again.detector.snapshot() == bench.processor.detector.snapshot()
        assert Result(store) == undisturbed
    journal.close()


def test_snapshots_ahead_of_the_store_are_taken_away(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    for position in (5, 9):
        snapshots.write(Snapshot(position, b"", b""))
    snapshots.drop_after(7)
    assert [one.position for one in snapshots.newest(100)] == [5]


def test_a_damaged_snapshot_costs_time_only(tmp_path: Path, undisturbed: Result) -> None:
    said = entries()
    journal, snapshots = journal_of(tmp_path, said), Snapshots(tmp_path / "snapshots")
    bench = Bench(tmp_path)
    bench.process(said[:100])
    snapshots.write(snapshot_of(bench.processor))
    bench.close()
    path = next((tmp_path / "snapshots").glob("*.snapshot"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with ControlStore.open(f"sqlite:///{tmp_path / 'control.db'}") as store:
        recover(journal, store, snapshots.newest(100), now=NOW, patience=Patience(Event()))
        assert Result(store) == undisturbed
    journal.close()


def test_where_the_journal_lost_an_edit_the_stores_groups_and_layers_are_in_force(tmp_path: Path) -> None:
    said = entries()
    bench = Bench(tmp_path)
    bench.process(said)
    bench.close()
    journal = Journal.open(tmp_path / "journal", clock=lambda: NOW)
    journal.continue_after(len(said))
    with ControlStore.open(f"sqlite:///{tmp_path / 'control.db'}") as store:
        again = recover(journal, store, [], now=NOW, patience=Patience(Event()))
        assert again.position == len(said)
        assert {group.name: group for group in again.detector.groups()} == {g.name: g for g in store.groups()}
        layers = again.detector.layers()
        assert [layers.fleet, *layers.devices.values()] == [one for one in store.layers() if one.rules]
    journal.close()
