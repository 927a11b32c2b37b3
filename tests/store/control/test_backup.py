"""A copy of the store while it is in use."""

import stat
import threading
from pathlib import Path

import pytest
from tests.postgresql import Server
from tests.store.control.material import alert, commit

from fencepost.model.errors import OperatorError
from fencepost.store.control import ControlStore


@pytest.fixture
def store(tmp_path: Path) -> ControlStore:
    return ControlStore.open(f"sqlite:///{tmp_path / 'control.db'}")


def test_a_backup_is_one_moment_of_a_store_that_is_in_use(store: ControlStore, tmp_path: Path) -> None:
    """Every commit changes all alerts alike; a copy that mixed two of them would show."""
    alerts = [alert(f"cam-{n}", events=5) for n in range(200)]
    commit(store, *alerts)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            count = store.position() + 1
            commit(store, *(alert(f"cam-{n}", count=count) for n in range(200)))

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        for number in range(5):
            copy = tmp_path / f"copy-{number}.db"
            store.backup(copy)
            assert stat.S_IMODE(copy.stat().st_mode) == 0o600
            with ControlStore.open(f"sqlite:///{copy}") as copied, copied.everything() as (position, found):
                counts = {one.count for one in found}
                assert counts == {5 if position == 1 else position}
    finally:
        stop.set()
        serving.join()
    assert not list(tmp_path.glob("*.part"))
    store.close()


def test_a_backup_can_be_served_in_the_place_of_the_store(store: ControlStore, tmp_path: Path) -> None:
    """That is what it is for."""
    commit(store, alert())
    store.backup(tmp_path / "copy.db")
    store.close()
    with ControlStore.open(f"sqlite:///{tmp_path / 'copy.db'}") as copied:
        assert copied.alert(alert().alert_id) == alert()
        assert commit(copied, alert("cam-2")) == 2


def test_a_backup_overwrites_nothing(store: ControlStore, tmp_path: Path) -> None:
    """The store itself least of all."""
    for taken in (tmp_path / "control.db", tmp_path / "old.db"):
        taken.touch()
        with pytest.raises(OperatorError, match="is there already: name a new file"):
            store.backup(taken)
    with pytest.raises(OperatorError, match="No such file or directory: name a file in a folder with room"):
        store.backup(tmp_path / "missing" / "copy.db")
    store.close()


def test_what_is_left_of_a_backup_that_was_cut_off_is_in_nobodys_way(
    store: ControlStore, tmp_path: Path
) -> None:
    """The next one begins anew."""
    (tmp_path / "copy.db.part").write_bytes(b"half a page")
    store.backup(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db.part").exists()
    store.close()


def test_a_postgresql_store_is_backed_up_by_its_own_tools(postgresql: Server, tmp_path: Path) -> None:
    """It says by which."""
    url = postgresql.new_database()
    with ControlStore.open(url) as store, pytest.raises(OperatorError, match="back it up with pg_dump"):
        store.backup(tmp_path / "copy.db")
