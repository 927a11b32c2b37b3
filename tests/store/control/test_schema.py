"""From any schema that was ever shipped to the newest, and not from anything else."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from msgspec import structs
from sqlalchemy import Column, MetaData, Table, insert, inspect, text
from tests.postgresql import Server
from tests.store.control.material import HOSTILE, alert, commit

from fencepost.model.alert import Alert
from fencepost.model.errors import OperatorError
from fencepost.model.page import AlertFilter
from fencepost.store.control import ControlStore, identity_key
from fencepost.store.control.columns import AnyText, Document, Moment
from fencepost.store.control.engines import Engines, connect
from fencepost.store.control.schema import MIGRATIONS, VERSION_TABLE, check, migrate
from fencepost.store.control.tables import metadata

TEXTS = ("alert_texts", "alert_terms")
LATER = '''
"""What a later release may do: a new column that must not be empty, and an index on it."""

from alembic import op
from sqlalchemy import Column, Text

revision = "later"
down_revision = "{newest}"


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
    (migrations / "versions" / "v9999_later.py").write_text(later_one(), encoding="utf-8")
    return migrations


def later_one() -> str:
    """Return a migration that follows the newest there is."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return LATER.replace("{newest}", str(ScriptDirectory.from_config(config).get_current_head()))


def up_to_the_first(folder: str, names: list[str]) -> set[str]:
    """Leave out what came after the first release."""
    later = {
        name for name in names if Path(folder).name == "versions" and not name.startswith(("v0001", "__init"))
    }
    return later | {"__pycache__"}


FIRST_ALERTS = Table(
    "alerts",
    MetaData(),
    *(Column(name) for name in ("alert_id", "identity", "device_key", "group_key", "rule_type")),
    *(Column(name) for name in ("ordinal", "position", "severity", "state", "hidden")),
    Column("started_at", Moment),
    Column("last_seen_at", Moment),
    Column("received_at", Moment),
    Column("value", AnyText),
    Column("body", Document(Alert)),
)
"""The alerts of the first release, as far as it takes to write some."""


def first_row(one: Alert) -> dict[str, Any]:
    return {
        "alert_id": one.alert_id,
        "identity": identity_key(one.device_id, one.rule_type, one.value),
        "ordinal": one.ordinal,
        "position": 1,
        "device_key": one.device_id,
        "group_key": one.group.casefold(),
        "rule_type": one.rule_type,
        "severity": one.severity,
        "state": one.state,
        "hidden": False,
        "started_at": one.started_at,
        "last_seen_at": one.last_seen_at,
        "received_at": one.received_at,
        "value": one.value,
        "body": one,
    }


def execute(engines: Engines, statement: str) -> None:
    assert engines.writer is not None
    with engines.writer.begin() as connection:
        connection.execute(text(statement))


def test_the_migrations_make_exactly_the_tables(store: ControlStore) -> None:
    """Alembic, asked what is missing, has nothing to say, but for the index of texts that only SQLite has."""
    with store._reading() as connection:
        options = {
            "compare_type": True,
            "version_table": VERSION_TABLE,
            "include_name": lambda name, kind, _: kind != "table" or not name.startswith(TEXTS),
        }
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        names = inspect(connection).get_table_names()
        assert {name for name in names if not name.startswith(TEXTS)} == {*metadata.tables, VERSION_TABLE}


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
        assert {"alerts_by_site", "alerts_by_facet", "alerts_by_identity"} <= indices
    engines.dispose()


def test_the_store_of_the_first_release_becomes_the_newest(url: str, tmp_path: Path) -> None:
    """With what it has, and without a registry."""
    first = tmp_path / "first"
    shutil.copytree(MIGRATIONS, first, ignore=up_to_the_first)
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


def test_the_alerts_of_the_first_release_are_found_like_others(url: str, tmp_path: Path) -> None:
    """By what they say, by their group, by their state; and what comes later joins them."""
    first = tmp_path / "first"
    shutil.copytree(MIGRATIONS, first, ignore=up_to_the_first)
    alerts = [
        alert(
            f"cam-{number}",
            HOSTILE[number] if number < len(HOSTILE) else "198.51.100.7",
            group=("Cameras", "floor 2")[number % 2],
            state="Resolved" if number % 5 == 0 else "Active",
            count=number + 1,
        )
        for number in range(40)
    ]
    engines = connect(url)
    assert engines.writer is not None
    migrate(engines.writer, engines.name, first)
    with engines.writer.begin() as connection:
        connection.execute(insert(FIRST_ALERTS), [first_row(one) for one in alerts])
    engines.dispose()
    with ControlStore.open(url) as store:
        with store.everything() as (_, kept):
            assert sorted(kept, key=lambda one: one.count) == alerts
        cameras = [one for one in alerts if one.group == "Cameras"]
        resolved = {one.alert_id for one in cameras if one.state == "Resolved"}
        wanted = AlertFilter(group="cameras", states=frozenset({"Resolved"}))
        assert {one.alert_id for one in store.alerts(wanted).items} == resolved
        assert [one.device_id for one in store.alerts(AlertFilter(text="CAM-17")).items] == ["cam-17"]
        (row,) = store.alert_summary(AlertFilter(group="cameras"), "group")
        assert (row.alerts, row.occurrences) == (len(cameras), sum(one.count for one in cameras))
        commit(store, structs.replace(alerts[17], group="Cameras"), alert("cam-new", "198.51.100.7"))
        found = store.alerts(AlertFilter(text="cam-17", group="cameras")).items
        assert [one.alert_id for one in found] == [alerts[17].alert_id]
        assert len(store.histories([("cam-17", alerts[17].rule_type, alerts[17].value)])) == 1


def test_a_migration_that_fails_leaves_the_store_as_it_was(url: str, later: Path) -> None:
    """Half a schema would be neither."""
    broken = later / "versions" / "v9999_later.py"
    broken.write_text(later_one() + '    op.execute("this is no statement")\n', encoding="utf-8")
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
