"""Which tables a database has, and how an older one becomes the newest (Alembic, `migrations/`)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from fencepost.store.control.faults import operator_error
from fencepost.store.control.tables import metadata

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "schema_version"


def migrate(engine: Engine, name: str, migrations: Path = MIGRATIONS) -> None:
    """
    Bring a database to the newest schema, in one transaction.

    Raises OperatorError where it is newer than this program, or belongs to another.
    """
    config = _config(migrations)
    with engine.begin() as connection:
        _refuse_foreign(connection, name)
        if _revision(connection, name, config) != ScriptDirectory.from_config(config).get_current_head():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def check(engine: Engine, name: str, migrations: Path = MIGRATIONS) -> None:
    """Raise OperatorError unless a database has the newest schema."""
    config = _config(migrations)
    with engine.connect() as connection:
        if _revision(connection, name, config) != ScriptDirectory.from_config(config).get_current_head():
            reason = (
                "has the tables of an older version: start 'fencepost serve' once, which brings it up to date"
            )
            raise operator_error(name, reason)


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return config


def _revision(connection: Connection, name: str, config: Config) -> str | None:
    revision = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise operator_error(
            name,
            f"its tables ({revision}) are of a newer version of fencepost: install that version, or put back"
            " the backup made before the upgrade",
        )
    return revision


def _refuse_foreign(connection: Connection, name: str) -> None:
    """Two things would go wrong in another program's database: its tables, and its alphabet."""
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(text("show server_encoding")).scalar_one()
        if encoding != "UTF8":
            reason = f"its encoding is {encoding}: make a database with ENCODING 'UTF8' for fencepost"
            raise operator_error(name, reason)
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in tables and (strange := sorted(tables & set(metadata.tables))):
        reason = f"has tables of another program ({', '.join(strange)}): give fencepost a database of its own"
        raise operator_error(name, reason)
