"""What happens to the store when something happens to its database."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from tests.postgresql import Server
from tests.store.control.material import alert, commit, opened

from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.model.record import Changes, DeviceRecord, Notice, Tally
from fencepost.store.control import ControlStore
from fencepost.testing import at

ROOT = Path(__file__).parents[3]


def changes(position: int) -> Changes:
    """Return what one entry leads to: one new alert, and one more of everything that is counted."""
    one = alert(f"cam-{position}", events=3)
    return Changes(
        after=position - 1,
        position=position,
        alerts=[(one, position)],
        history=[opened(one, position)],
        notices=[
            Notice(alert_id=one.alert_id, position=position, at=at("10:00"), state="Active", previous=None)
        ],
        devices=[DeviceRecord(device_id="cam", position=position, registered_at=at("09:00"), messages=1)],
        tallies=[
            Tally(
                device_id="cam",
                kind="late",
                subject="",
                count=1,
                first_at=at("10:00"),
                last_at=at("10:00"),
                detail={},
            )
        ],
    )


def check(store: ControlStore) -> int:
    """Check that exactly the entries up to the store's position are in it, each once; return the position."""
    with store.everything() as (position, alerts):
        expected = {alert(f"cam-{n}").alert_id for n in range(1, position + 1)}
        assert [one.alert_id for one in alerts] == sorted(expected)
    device, tallies = store.device("cam"), store.tallies().items
    assert (0 if device is None else device.messages) == position
    assert sum(one.count for one in tallies) == position
    told = [one.alert_id for _, one in store.notices(0, limit=1000)]
    assert len(told) == len(set(told)) == min(position, 1000)
    return position


# PostgreSQL goes away


@pytest.fixture
def lost(postgresql: Server) -> Iterator[ControlStore]:
    """Give a store whose server can be stopped; it runs again afterwards."""
    with ControlStore.open(postgresql.new_database()) as store:
        yield store
    postgresql.stop()
    postgresql.start()


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_store_whose_server_is_away_says_so_and_comes_back(
    lost: ControlStore, postgresql: Server, how: str
) -> None:
    """The same object, with its lock."""
    lost.commit(changes(1))
    postgresql.stop("immediate" if how == "immediate" else "fast")
    for ask in (lost.position, lost.counts, lambda: lost.commit(changes(2)), lambda: lost.alert("x")):
        with pytest.raises(StoreUnavailable, match=r"^postgresql:///test"):
            ask()
    postgresql.start()
    assert check(lost) == 1
    lost.commit(changes(2))
    lost.commit(changes(2))
    assert check(lost) == 2
    with pytest.raises(OperatorError, match="another process serves this database"):
        ControlStore.open(lost._engines.writer.url.render_as_string())  # type: ignore[union-attr]  # it writes


def test_a_connection_that_is_lost_within_a_commit_loses_the_whole_commit(
    lost: ControlStore, postgresql: Server
) -> None:
    """After each of its seven statements."""
    writer = lost._engines.writer
    assert writer is not None
    url = writer.url.render_as_string()
    left = 0

    @event.listens_for(writer, "after_cursor_execute")
    def hang_up(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            postgresql.hang_up(url)

    for position in range(1, 8):
        left = position
        with pytest.raises(StoreUnavailable):
            lost.commit(changes(position))
        assert check(lost) == position - 1
        left = 0
        lost.commit(changes(position))
        assert check(lost) == position


def test_S30_a_server_that_is_restarted_under_load_loses_and_doubles_nothing(
    lost: ControlStore, postgresql: Server
) -> None:
    """Whoever commits tries again until it is done, and need not know what became of the last try."""
    stop, failures = threading.Event(), 0

    def serve() -> None:
        nonlocal failures
        position = 1
        while not stop.is_set():
            try:
                lost.commit(changes(position))
                position += 1
            except StoreUnavailable:
                failures += 1
                time.sleep(0.005)

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        for number in range(4):
            time.sleep(0.15)
            postgresql.stop("fast" if number % 2 else "immediate")
            time.sleep(0.03)
            postgresql.start()
        time.sleep(0.15)
    finally:
        stop.set()
        serving.join()
    assert failures
    assert check(lost) > 10


def test_a_pool_that_is_empty_is_no_fault_of_ours(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten questions at once are answered, the eleventh may be asked again."""
    monkeypatch.setattr("fencepost.store.control.engines.PATIENCE", 0.05)
    with ControlStore.open(url) as store:
        busy = [store.everything() for _ in range(10)]
        for one in busy:
            one.__enter__()
        with pytest.raises(StoreUnavailable, match="all connections are busy"):
            store.position()
        for one in busy:
            one.__exit__(None, None, None)
        assert store.position() == 0


# SQLite


COMMITTING = """
import sys
from fencepost.store.control import ControlStore
from tests.store.control.test_faults import changes
with ControlStore.open(sys.argv[1]) as store:
    position = store.position()
    while True:
        position += 1
        store.commit(changes(position))
        print(position, flush=True)
"""


def test_S30_a_process_that_is_killed_leaves_whole_commits(tmp_path: Path) -> None:
    """Kill -9 at any instant: what was told is there, and of the rest all or nothing."""
    url = f"sqlite:///{tmp_path / 'control.db'}"
    random = Random(30)  # noqa: S311 - always the same instants, more or less
    told = 0
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", COMMITTING, url], stdout=subprocess.PIPE, cwd=ROOT, text=True
        )
        assert child.stdout is not None
        told = int(child.stdout.readline())
        time.sleep(random.random() * 0.1)
        child.send_signal(signal.SIGKILL)
        told = max([told, *(int(line) for line in child.stdout.read().split() if line)])
        child.stdout.close()
        child.wait()
        with ControlStore.open(url) as store:
            assert told <= check(store) <= told + 1


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    """SQLite is told that there is no more room: the commit is not made, and can be made later."""
    with ControlStore.open(f"sqlite:///{tmp_path / 'control.db'}") as store:
        store.commit(changes(1))
        limit(store, 40)
        position = until_refused(store, 1)
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match=r"control.db: database or disk is full"):
                store.commit(changes(position + 1))
        assert check(store) == position
        limit(store, 1_000_000)
        store.commit(changes(position + 1))
        assert check(store) == position + 1


def until_refused(store: ControlStore, position: int) -> int:
    """Commit until there is no more room, and return the position of the last commit."""
    try:
        while True:
            store.commit(changes(position + 1))
            position += 1
    except StoreUnavailable:
        return position


def limit(store: ControlStore, pages: int) -> None:
    assert store._engines.writer is not None
    with store._engines.writer.connect() as connection:
        connection.execute(text(f"pragma max_page_count={pages}"))


GROWING = """
import resource, sys
from pathlib import Path
from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.store.control import ControlStore
from tests.store.control.test_faults import changes, check
with ControlStore.open(sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    position = refused = 0
    while refused < 3:
        try:
            store.commit(changes(position + 1))
            position += 1
        except StoreUnavailable as error:
            assert "control.db: disk I/O error" in str(error), error
            refused += 1
    assert check(store) == position > 3
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    copy = Path(sys.argv[1].removeprefix("sqlite:///")).with_name("copy.db")
    try:
        store.backup(copy)
    except OperatorError as error:
        assert "disk I/O error: name a file in a folder with room for it" in str(error), error
    assert not list(copy.parent.glob("copy.db*"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.commit(changes(position + 1))
    assert check(store) == position + 1
print("passed")
"""


def test_a_write_that_the_system_refuses_is_waited_for(tmp_path: Path) -> None:
    """A file that may not grow, as the operating system tells it."""
    url = f"sqlite:///{tmp_path / 'control.db'}"
    child = subprocess.run(
        [sys.executable, "-c", GROWING, url], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert child.stdout == "passed\n", child.stderr


def test_a_store_that_may_not_be_written_is_waited_for(tmp_path: Path) -> None:
    """A file system that was mounted read-only after an error, as SQLite tells it."""
    with ControlStore.open(f"sqlite:///{tmp_path / 'control.db'}") as store:
        assert store._engines.writer is not None
        with store._engines.writer.connect() as connection:
            connection.execute(text("pragma query_only=on"))
        with pytest.raises(StoreUnavailable, match="attempt to write a readonly database"):
            store.commit(changes(1))


@pytest.mark.parametrize("read_only", [False, True])
def test_a_damaged_store_is_the_operators(tmp_path: Path, *, read_only: bool) -> None:
    """Nobody can do without what is damaged: it says how to get it back."""
    path = tmp_path / "control.db"
    with ControlStore.open(f"sqlite:///{path}") as store:
        commit(store, *(alert(f"cam-{n}", events=5) for n in range(200)))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size - size // 2))
    with (
        pytest.raises(
            OperatorError, match=r"malformed: stop the service, put the database aside.*'fencepost rebuild'"
        ),
        ControlStore.open(f"sqlite:///{path}", read_only=read_only) as store,
        store.everything() as (_, alerts),
    ):
        list(alerts)


def test_a_fault_of_ours_stays_what_it_is_and_tells_nothing_of_the_data(store: ControlStore) -> None:
    """A statement that is wrong is not waited for; what devices said stays out of the logs."""
    assert store._engines.writer is not None
    with store._engines.writer.begin() as connection:
        connection.execute(text("drop table alerts"))
    with pytest.raises(DBAPIError, match="alerts") as caught:
        store.commit(changes(1))
    assert "198.51.100.7" not in str(caught.value)
    with pytest.raises(DBAPIError, match="alerts"):
        store.alert("x")
    assert store.position() == 0
