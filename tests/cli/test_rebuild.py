"""`fencepost rebuild`: the proof, and that it can fail."""

import json
import sqlite3
from pathlib import Path

import pytest
from tests.cli.invocation import run
from tests.said import message, process
from tests.serving import Serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    serving = Serving(tmp_path_factory.mktemp("rebuild") / "data")
    serving.admin.put("/v1/groups/default", json={"rules": [{"type": "ProcessNotAllowed", "allow": []}]})
    serving.send("dev-1", *(message(process(f"/opt/{number}")) for number in range(20)))
    serving.admin.put("/devices/cam-1?api-version=2021-04-12", json={"deviceId": "cam-1"}).raise_for_status()
    serving.settle()
    alert = serving.alerts()[0]
    serving.admin.post(f"/v1/alerts/{alert['alert_id']}/dismiss")
    assert serving.stop() == 0
    return serving.folder


def test_live_and_rebuilt_alerts_agree_and_the_new_store_is_kept(folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "again.db"
    done = run("rebuild", "--data", folder, "--into", into)
    assert done.exit_code == 0
    assert "verdict  live and rebuilt alerts agree" in done.stdout
    assert sqlite3.connect(into).execute("select count(*) from alerts").fetchone() == (20,)
    assert "copied   2 identities with keys and twins" in done.stdout
    select = "select * from identities order by module_key"
    live = sqlite3.connect(folder / "control.db").execute(select).fetchall()
    assert sqlite3.connect(into).execute(select).fetchall() == live


def test_without_a_live_store_it_is_said_what_no_journal_has(folder: Path, tmp_path: Path) -> None:
    done = run("rebuild", "--data", folder, "--no-compare", "--into", tmp_path / "again.db")
    assert done.exit_code == 0
    assert "identities, keys and twins are in no journal: restore them from a backup" in done.stdout


def test_a_store_that_was_tampered_with_is_found_out(folder: Path, tmp_path: Path) -> None:
    with sqlite3.connect(folder / "control.db") as control:
        (alert_id,) = control.execute("select alert_id from alerts limit 1").fetchone()
        control.execute("update alerts set alert_id = 'zz' where alert_id = ?", [alert_id])
    done = run("rebuild", "--data", folder, "--into", tmp_path / "again.db", "--json")
    with sqlite3.connect(folder / "control.db") as control:
        control.execute("update alerts set alert_id = ? where alert_id = 'zz'", [alert_id])
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["differences"] >= 1
    assert alert_id in {one["alert_id"] for one in report["first"]}


def test_a_file_that_is_there_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "mine.db"
    into.write_text("mine")
    done = run("rebuild", "--data", folder, "--into", into)
    assert done.exit_code == 2
    assert "there is a file already" in done.stderr
    assert into.read_text() == "mine"


def test_without_a_journal_there_is_nothing_to_make_it_from(tmp_path: Path) -> None:
    done = run("rebuild", "--data", tmp_path)
    assert done.exit_code == 2
    assert "there is no journal here" in done.stderr


def test_a_store_that_was_lost_is_made_again_without_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "journal").symlink_to(folder / "journal")
    done = run("rebuild", "--data", tmp_path, "--no-compare", "--into", tmp_path / "control.db")
    assert done.exit_code == 0
    assert done.stdout.startswith("rebuilt  ")
    with sqlite3.connect(tmp_path / "control.db") as made:
        assert made.execute("select count(*) from alerts").fetchone() == (20,)
        assert made.execute("select count(*) from devices").fetchone() == (2,)
