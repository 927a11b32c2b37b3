"""From any schema that was ever shipped to the newest, and not from anything else."""

import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from tests.postgresql import Server
from tests.store.control.material import alert, commit

from fencepost.model.errors import OperatorError
from fencepost.store.control import ControlStore
from fencepost.store.control.engines import Engines, connect
from fencepost.store.control.schema import MIGRATIONS, VERSION_TABLE, check, migrate
from fencepost.store.control.tables import metadata

LATER = '''
"""What a later release may do: a new column that must not be empty, and an index on it."""

from alembic import op
from sqlalchemy import Column, Text

revision = "later"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("alerts") as table:
        table.add_column(Column("site", Text, nullable=False, server_default="here"))
        table.alter_column("value", new_column_name="offender")
        table.create_index("alerts_by_site", ["site"])
'''


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """Give the migrations of a release to come."""
    migrations = tmp_path / "later 100%"
    shutil.copytree(MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__"))
    (migrations / "versions" / "v9999_later.py").write_text(LATER, encoding="utf-8")
    return migrations


def execute(engines: Engines, statement: str) -> None:
    assert engines.writer is not None
    with engines.writer.begin() as connection:
        connection.execute(text(statement))


def test_the_migrations_make_exactly_the_tables(store: ControlStore) -> None:
    """Alembic, asked what is missing, has nothing to say."""
    with store._reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": VERSION_TABLE}
        )
        assert compare_metadata(context, metadata) == []
        assert {*inspect(connection).get_table_names()} == {*metadata.tables, VERSION_TABLE}


def test_opening_again_changes_nothing(url: str) -> None:
    """An up-to-date store is left as it is."""
    with ControlStore.open(url) as store:
        commit(store, alert())
    with ControlStore.open(url) as store:
        assert (store.position(), store.alert(alert().alert_id)) == (1, alert())


def test_an_older_store_becomes_the_newest_and_keeps_what_it_has(url: str, later: Path) -> None:
    """As it will be with the next release: on SQLite too, which must copy the table for it."""
    alerts = [alert(f"cam-{number}", events=3) for number in range(50)]
    with ControlStore.open(url) as store:
        commit(store, *alerts)
    engines = connect(url)
    assert engines.writer is not None
    with pytest.raises(OperatorError, match="tables of an older version: start 'fencepost serve' once"):
        check(engines.reader, engines.name, later)
    migrate(engines.writer, engines.name, later)
    check(engines.reader, engines.name, later)
    with engines.reader.connect() as connection:
        assert connection.scalars(text("select distinct site from alerts")).all() == ["here"]
        assert connection.scalar(text("select count(offender) from alerts")) == len(alerts)
        indices = {index["name"] for index in inspect(connection).get_indexes("alerts")}
        assert {"alerts_by_site", "alerts_by_state", "alerts_by_identity"} <= indices
    engines.dispose()


def test_the_store_of_the_first_release_becomes_the_newest(url: str, tmp_path: Path) -> None:
    """With what it has, and without a registry."""
    first = tmp_path / "first"
    shutil.copytree(MIGRATIONS, first, ignore=shutil.ignore_patterns("__pycache__", "v0002*"))
    engines = connect(url)
    assert engines.writer is not None
    migrate(engines.writer, engines.name, first)
    execute(engines, "update meta set number = 7")
    engines.dispose()
    with pytest.raises(OperatorError, match="tables of an older version"):
        ControlStore.open(url, read_only=True)
    with ControlStore.open(url) as store:
        assert store.position() == 7
        assert store.registry_counts() == {}


def test_a_migration_that_fails_leaves_the_store_as_it_was(url: str, later: Path) -> None:
    """Half a schema would be neither."""
    broken = later / "versions" / "v9999_later.py"
    broken.write_text(LATER + '    op.execute("this is no statement")\n', encoding="utf-8")
    with ControlStore.open(url) as store:
        commit(store, alert())
    engines = connect(url)
    assert engines.writer is not None
    with pytest.raises(Exception, match="syntax error"):
        migrate(engines.writer, engines.name, later)
    engines.dispose()
    with ControlStore.open(url) as store:
        assert store.alert(alert().alert_id) == alert()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_of_a_newer_version_is_not_touched(url: str, later: Path, *, read_only: bool) -> None:
    """Said before anything is written."""
    engines = connect(url)
    assert engines.writer is not None
    migrate(engines.writer, engines.name, later)
    engines.dispose()
    with pytest.raises(
        OperatorError, match=r"\(later\) are of a newer version of fencepost: install that version"
    ):
        ControlStore.open(url, read_only=read_only)


def test_a_store_that_is_only_read_is_not_made(url: str) -> None:
    """An empty database has the tables of no version."""
    connect(url).dispose()  # makes the file
    with pytest.raises(OperatorError, match="start 'fencepost serve' once"):
        ControlStore.open(url, read_only=True)


def test_the_database_of_another_program_is_not_touched(url: str) -> None:
    """Two programs with a table `groups` would take each other's for their own."""
    engines = connect(url)
    execute(engines, "create table groups (id integer)")
    engines.dispose()
    with pytest.raises(
        OperatorError, match=r"tables of another program \(groups\): give fencepost a database of its own"
    ):
        ControlStore.open(url)


def test_a_database_that_cannot_hold_every_text_is_refused(postgresql: Server) -> None:
    """Alerts name what devices send, in whatever script."""
    url = postgresql.new_database("ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(OperatorError, match="encoding is LATIN1: make a database with ENCODING 'UTF8'"):
        ControlStore.open(url)
