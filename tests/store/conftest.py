"""A control store on each database, and what stands behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgresql import MISSING, Server, binaries

from fencepost.store.control import ControlStore


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Give a running PostgreSQL, one for all tests of a process."""
    if binaries() is None:
        pytest.skip(MISSING)
    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_url(postgresql: Server) -> str:
    """Give the URL of a database that `url` empties for every test."""
    return postgresql.new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a store that does not exist yet, on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control.db'}"
    server: Server = request.getfixturevalue("postgresql")
    database: str = request.getfixturevalue("postgresql_url")
    server.empty(database)
    return database


@pytest.fixture
def store(url: str) -> Iterator[ControlStore]:
    """Give an empty store."""
    with ControlStore.open(url) as opened:
        yield opened
