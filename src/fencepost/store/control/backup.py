"""A copy of an SQLite store that is in use."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

from sqlalchemy import Engine

from fencepost.store.control.faults import operator_error


def copy(engine: Engine, path: Path) -> None:
    """
    Write one state of the store to a new file, which is complete as soon as it has its name.

    Nobody waits for it. Raises OperatorError where the file is there already or cannot be written, and for
    a store that is not SQLite.
    """
    if engine.dialect.name != "sqlite":
        raise operator_error(str(path), "this store is a PostgreSQL database: back it up with pg_dump")
    if path.exists():
        raise operator_error(str(path), "is there already: name a new file")
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            _copy(engine, part)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise operator_error(str(path), f"{reason}: name a file in a folder with room for it") from None


def _copy(engine: Engine, part: Path) -> None:
    with engine.connect() as connection, closing(sqlite3.connect(part)) as target:
        source = cast("sqlite3.Connection", connection.connection.driver_connection)
        source.backup(target)
