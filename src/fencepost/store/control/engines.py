"""
How the databases are connected: one connection that writes, and a few that read and hinder nobody.

The URL of the store is `sqlite:///path/of/control.db` or `postgresql://user@host/database`.
"""

import os
import sqlite3
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, exc, make_url
from sqlalchemy.pool import ConnectionPoolEntry

from fencepost.model.errors import StoreUnavailable
from fencepost.store.control.faults import operator_error

READERS = 5
"""Connections that read and are kept; as many again are made when all are busy."""
PATIENCE = 5.0
"""Seconds to wait for a connection, for a server to answer, and for another writer of an SQLite file."""

_LOCK = int.from_bytes(blake2b(b"fencepost control store", digest_size=8).digest(), "big", signed=True)
_LOCK_NOT_AVAILABLE = "55P03"
_PRIVATE = 0o600

_WHILE_WRITING = ("journal_mode=WAL", "synchronous=FULL", "journal_size_limit=67108864", "cache_size=-16000")
_WHILE_READING = ("query_only=ON", "cache_size=-4000")
_ALWAYS = (
    f"busy_timeout={PATIENCE * 1000:.0f}",
    "temp_store=MEMORY",
    "trusted_schema=OFF",
)

_CONNECTION: dict[str, Any] = {
    "application_name": "fencepost",
    "connect_timeout": round(PATIENCE),
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_SERVING = """
    select set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
        set_config('tcp_keepalives_count', '3', false),
        set_config('synchronous_commit', case current_setting('synchronous_commit')
            when 'off' then 'on' else current_setting('synchronous_commit') end, false)
"""
"""A server that lost us lets go of our lock within half a minute; and what is committed is on its disk."""


class Engines:
    """
    The two ways into one database; `name` is how people are told of it, without any password.

    `writer` is None where the store is opened for reading only.
    """

    def __init__(self, name: str, reader: Engine, writer: Engine | None) -> None:
        self.name = name
        self.reader = reader
        self.writer = writer

    def dispose(self) -> None:
        """Close every connection."""
        self.reader.dispose()
        if self.writer is not None:
            self.writer.dispose()


class Occupied(StoreUnavailable):
    """Another process serves this database."""


def connect(url: str, *, read_only: bool = False) -> Engines:
    """
    Return the engines of a store's URL; nothing is connected yet.

    Raises OperatorError for a URL that names no database we know, or a file that cannot be made.
    """
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        reason = "is no URL of a database: write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        raise operator_error("the control store", reason) from None
    match parsed.drivername:
        case "sqlite":
            return _sqlite(parsed, read_only=read_only)
        case "postgresql" | "postgresql+psycopg":
            return _postgresql(parsed, read_only=read_only)
        case other:
            reason = f"{other} is not supported: write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
            raise operator_error("the control store", reason)


# SQLite


def _sqlite(url: URL, *, read_only: bool) -> Engines:
    if not url.database or url.database == ":memory:" or url.query:
        raise operator_error("the control store", "write sqlite:/// and the path of a file, and nothing else")
    path = Path(url.database)
    _make_private(path, read_only=read_only)
    reader = create_engine(url, **_pool(READERS, READERS))
    _prepare(reader, "BEGIN", (*_ALWAYS, *_WHILE_READING))
    if read_only:
        return Engines(str(path), reader, None)
    writer = create_engine(url, **_pool(1, 0))
    _prepare(writer, "BEGIN IMMEDIATE", (*_ALWAYS, *_WHILE_WRITING))
    return Engines(str(path), reader, writer)


def _make_private(path: Path, *, read_only: bool) -> None:
    """Make the file, if it is not there, and let nobody else read it; SQLite gives its other files the same mode."""
    try:
        if read_only:
            path.open("rb").close()
            return
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE))
        for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            if file.exists() and file.stat().st_mode & ~_PRIVATE & 0o777:
                file.chmod(_PRIVATE)
    except OSError as error:
        reason = f"{error.strerror}: the service must be able to read and write the file and its folder"
        raise operator_error(str(path), reason) from None


def _prepare(engine: Engine, begin: str, pragmas: tuple[str, ...]) -> None:
    """Let SQLAlchemy begin transactions, not the driver, which begins too late and without the lock."""

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Any) -> None:
        connection.exec_driver_sql(begin)


# PostgreSQL


def _postgresql(url: URL, *, read_only: bool) -> Engines:
    url = url.set(drivername="postgresql+psycopg")
    name = f"postgresql://{url.host or ''}{f':{url.port}' if url.port else ''}/{url.database or ''}"
    options = {option: value for option, value in _CONNECTION.items() if option not in url.query}
    try:
        reader = create_engine(
            url,
            isolation_level="REPEATABLE READ",
            connect_args=options,
            pool_pre_ping=True,
            **_pool(READERS, READERS),
        ).execution_options(postgresql_readonly=True)
        writer = create_engine(url, connect_args=options, pool_pre_ping=True, **_pool(1, 0))
    except ModuleNotFoundError:
        reason = "PostgreSQL needs a driver: pip install 'fencepost[postgresql]'"
        raise operator_error(name, reason) from None
    if read_only:
        return Engines(name, reader, None)
    event.listen(writer, "connect", _occupying(name))
    return Engines(name, reader, writer)


def _occupying(name: str) -> Callable[[Any, ConnectionPoolEntry], None]:
    """
    Return what a new connection does first: it takes the lock of the one process that serves the database.

    It waits a moment: the server lets go of a lock only some time after its holder closed or died.
    """

    def occupy(connection: Any, _: ConnectionPoolEntry) -> None:
        connection.execute(_SERVING)
        connection.execute("select set_config('lock_timeout', %s, true)", [f"{PATIENCE}s"])
        try:
            connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        except connection.OperationalError as error:
            connection.close()
            if error.sqlstate == _LOCK_NOT_AVAILABLE:
                raise Occupied(f"{name}: another process serves this database") from None
            raise
        connection.commit()

    return occupy


def _pool(size: int, overflow: int) -> dict[str, Any]:
    """Parameters stay out of errors: they are what devices said."""
    return {
        "pool_size": size,
        "max_overflow": overflow,
        "pool_timeout": PATIENCE,
        "hide_parameters": True,
    }
