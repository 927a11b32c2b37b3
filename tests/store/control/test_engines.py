"""How a store is reached, and what is said where it cannot be."""

import os
import sqlite3
import stat
import sys
from pathlib import Path
from threading import Timer

import pytest
from sqlalchemy import make_url, text
from tests.postgresql import Server
from tests.store.control.material import alert, commit

from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.store.control import ControlStore
from fencepost.store.control.engines import connect

PASSWORD = "the-password"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is no URL of a database: write sqlite:///FILE or postgresql://"),
        ("control.db", "is no URL of a database"),
        ("postgresql://host:port/db", "is no URL of a database"),
        ("mysql://host/db", "mysql is not supported: write sqlite:///FILE or postgresql://"),
        ("postgresql+asyncpg://host/db", "postgresql.asyncpg is not supported"),
        ("sqlite://", "write sqlite:/// and the path of a file"),
        ("sqlite:///:memory:", "write sqlite:/// and the path of a file"),
        ("sqlite:///control.db?mode=ro", "and nothing else"),
    ],
)
def test_a_url_that_names_no_database_of_ours_is_the_operators(url: str, said: str) -> None:
    """It says what to write instead."""
    with pytest.raises(OperatorError, match=said):
        ControlStore.open(url)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://user:{PASSWORD}@host/db",
        f"postgresql://user:{PASSWORD}@host:port/db",
        f"postgresql://user:{PASSWORD}@127.0.0.1:9/db",
        f"postgresql://127.0.0.1:9/db?user=x&password={PASSWORD}",
    ],
)
def test_no_error_tells_the_password(url: str) -> None:
    """Errors end in logs."""
    with pytest.raises((OperatorError, StoreUnavailable)) as caught:
        ControlStore.open(url)
    assert PASSWORD not in str(caught.value)


def test_a_postgresql_that_does_not_answer_may_do_so_later() -> None:
    """It may start after us: nothing is wrong with the configuration."""
    with pytest.raises(StoreUnavailable, match=r"^postgresql://127.0.0.1:9/db: .*refused"):
        ControlStore.open("postgresql://somebody@127.0.0.1:9/db")


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL is an extra."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(OperatorError, match=r"pip install 'fencepost\[postgresql\]'"):
        ControlStore.open("postgresql://somebody@127.0.0.1:9/db")


def test_both_spellings_of_postgresql_are_the_same(postgresql: Server) -> None:
    """The driver is our affair."""
    url = postgresql.new_database()
    with ControlStore.open(url.replace("postgresql+psycopg://", "postgresql://")) as store:
        assert store.position() == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("/test", "/no_such_test", 'database "no_such_test.*" does not exist'),
        ("fencepost@", "nobody@", "does not exist"),
        ("?", "?no_such_option=1&", 'invalid connection option "no_such_option"'),
    ],
)
def test_a_wrong_name_is_the_operators(postgresql: Server, old: str, new: str, said: str) -> None:
    """Waiting would not mend it."""
    url = postgresql.new_database().replace(old, new)
    with pytest.raises(OperatorError, match=f"{said}: mend the address of the database"):
        ControlStore.open(url)


def test_a_role_without_rights_is_the_operators(postgresql: Server) -> None:
    """Since PostgreSQL 15 not everybody may make tables."""
    url = postgresql.new_database()
    with postgresql.connection() as connection:
        connection.execute("CREATE ROLE visitor LOGIN")
    with pytest.raises(OperatorError, match=r"permission denied for schema public.*rights of its role"):
        ControlStore.open(url.replace("fencepost@", "visitor@"))


def test_a_second_server_on_one_postgresql_database_is_refused(postgresql: Server) -> None:
    """Until the first is gone; readers are welcome."""
    url = postgresql.new_database()
    with ControlStore.open(url) as first:
        with pytest.raises(OperatorError, match="another process serves this database: stop it first"):
            ControlStore.open(url)
        commit(first, alert())
        with ControlStore.open(url, read_only=True) as reader:
            assert reader.position() == 1
            with pytest.raises(ValueError, match="open for reading only"):
                commit(reader, alert())
        with ControlStore.open(postgresql.new_database()) as other:
            assert other.position() == 0
    with ControlStore.open(url) as second:
        assert second.position() == 1


def test_a_server_waits_for_the_lock_of_one_that_has_just_ended(postgresql: Server) -> None:
    """PostgreSQL lets go of a lock only some time after its holder closed its connection, or was killed."""
    url = postgresql.new_database()
    first = ControlStore.open(url)
    leaving = Timer(0.5, first.close)
    leaving.start()
    with ControlStore.open(url) as second:
        assert second.position() == 0
    leaving.join()


def test_a_server_whose_lock_was_taken_over_writes_no_more(postgresql: Server) -> None:
    """It lost its connection, and another was started meanwhile: only one of them decides."""
    url = postgresql.new_database()
    with ControlStore.open(url) as first:
        commit(first, alert())
        postgresql.hang_up(url)
        with ControlStore.open(url) as second:
            assert commit(second, alert("cam-2")) == 2
            with pytest.raises(StoreUnavailable, match="another process serves this database"):
                commit(first, alert("cam-3"))
        assert commit(first, alert("cam-3")) == 3


def test_commits_of_postgresql_are_durable_whatever_the_database_says(postgresql: Server) -> None:
    """A position that a power cut takes back would not fit to the next commit."""
    url = postgresql.new_database()
    with postgresql.connection() as connection:
        connection.execute(f"ALTER DATABASE {make_url(url).database} SET synchronous_commit = off".encode())
    engines = connect(url)
    assert engines.writer is not None
    with engines.writer.connect() as writing:
        assert writing.scalar(text("show synchronous_commit")) == "on"
    engines.dispose()


# SQLite


def test_an_sqlite_store_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """With all its files, and also if it was not before; whatever the umask."""
    path = tmp_path / "control.db"
    path.touch(0o644)
    umask = os.umask(0)
    try:
        with ControlStore.open(f"sqlite:///{path}") as store:
            commit(store, alert())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(umask)
    assert modes == dict.fromkeys(("control.db", "control.db-wal", "control.db-shm"), 0o600)


def test_an_sqlite_store_is_durable(tmp_path: Path) -> None:
    """WAL, and on disk before commit returns."""
    engines = connect(f"sqlite:///{tmp_path / 'control.db'}")
    assert engines.writer is not None
    with engines.writer.connect() as connection:
        assert connection.scalar(text("pragma journal_mode")) == "wal"
        assert connection.scalar(text("pragma synchronous")) == 2
    engines.dispose()


def test_the_connections_that_read_cannot_write(url: str) -> None:
    """A question that changes the store is a fault, and loud."""
    with (
        ControlStore.open(url) as store,
        pytest.raises(Exception, match=r"read-?only"),
        store._reading() as connection,
    ):
        connection.execute(text("delete from meta"))


@pytest.mark.parametrize("read_only", [False, True])
def test_an_sqlite_file_that_is_none_is_the_operators(tmp_path: Path, *, read_only: bool) -> None:
    """And it is left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and no database.\n" * 100)
    with pytest.raises(
        OperatorError, match=r"notes.txt: file is not a database: stop the service, put the database aside"
    ):
        ControlStore.open(f"sqlite:///{path}", read_only=read_only)
    assert path.read_text().startswith("These are notes")


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("place", ["missing/control.db", "", "file/control.db"])
def test_an_sqlite_place_that_is_none_is_the_operators(
    tmp_path: Path, place: str, *, read_only: bool
) -> None:
    """A folder that is missing, a folder that is the path itself, a file in the way."""
    (tmp_path / "file").touch()
    with pytest.raises(
        OperatorError, match="the service must be able to read and write the file and its folder"
    ):
        ControlStore.open(f"sqlite:///{tmp_path / place}", read_only=read_only)


def test_an_sqlite_store_without_rights_is_the_operators(tmp_path: Path) -> None:
    """For root may do everything, it is somebody else for a moment."""
    path = tmp_path / "control.db"
    ControlStore.open(f"sqlite:///{path}").close()
    path.chmod(0)
    me = os.geteuid()
    os.seteuid(me or 65534)
    try:
        with pytest.raises(
            OperatorError, match=r"control.db: Permission denied: the service must be able to read"
        ):
            ControlStore.open(f"sqlite:///{path}")
    finally:
        os.seteuid(me)


def test_a_writer_beside_us_is_waited_for_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody with a shell on the file hinders no reader, and a commit may come later."""
    monkeypatch.setattr("fencepost.store.control.engines._ALWAYS", ("busy_timeout=50",))
    path = tmp_path / "control.db"
    with ControlStore.open(f"sqlite:///{path}") as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")
        with pytest.raises(StoreUnavailable, match=r"control.db: database is locked"):
            commit(store, alert())
        assert store.position() == 0
        other.execute("rollback")
        other.close()
        assert commit(store, alert()) == 1
