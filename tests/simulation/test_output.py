"""A fleet is written as three files that detection takes as they are."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from fencepost.config.groups import load_groups
from fencepost.model.errors import OperatorError
from fencepost.simulation.fleet import Fleet
from fencepost.simulation.output import write
from fencepost.sources.files import Record, read

FLEET = Fleet(10, duration=timedelta(minutes=20))


def test_the_written_messages_are_the_fleets_messages_byte_for_byte(tmp_path: Path) -> None:
    summary = write(tmp_path / "new" / "out", FLEET)
    found = list(read([tmp_path / "new" / "out" / "messages.ndjson"]))
    assert [(r.device_id, r.received_at, r.body) for r in found if isinstance(r, Record)] == [
        (d.device_id, d.received_at, d.body) for d in FLEET
    ]
    assert (summary.devices, summary.messages, summary.alerts) == (10, len(found), 5)
    assert summary.bytes == (tmp_path / "new" / "out" / "messages.ndjson").stat().st_size


def test_the_written_groups_are_in_order_and_the_expected_alerts_are_a_list(tmp_path: Path) -> None:
    write(tmp_path, FLEET)
    assert not load_groups(tmp_path / "groups.yaml").warnings
    alerts = json.loads((tmp_path / "expected.json").read_bytes())
    assert len(alerts) == 5
    assert set(alerts[0]) == {"rule_type", "device_id", "value", "min_count"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "expected.json",
        "groups.yaml",
        "messages.ndjson",
    ]


def test_a_folder_that_holds_anything_is_refused_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OperatorError, match="the folder is not empty"):
        write(tmp_path, FLEET)
    write(tmp_path, FLEET, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_an_operators_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot be written"):
        write(tmp_path / "file" / "out", FLEET)


def test_progress_runs_from_little_to_all(tmp_path: Path) -> None:
    shares: list[float] = []
    write(tmp_path, FLEET, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
