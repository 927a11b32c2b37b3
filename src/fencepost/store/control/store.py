"""The control store: everything that is known besides the journal, as tables of SQLite or PostgreSQL."""

from pathlib import Path
from typing import Self

from fencepost.model.record import Changes
from fencepost.store.control.access import AccessRows
from fencepost.store.control.alert_queries import AlertQueries
from fencepost.store.control.alert_sums import AlertSums
from fencepost.store.control.backup import copy
from fencepost.store.control.cloud_messages import CloudMessages
from fencepost.store.control.engines import Engines, Occupied, connect
from fencepost.store.control.expectations import ExpectationQueries
from fencepost.store.control.faults import faults, operator_error
from fencepost.store.control.kept_answers import KeptAnswerRows
from fencepost.store.control.queries import Queries
from fencepost.store.control.registry import RegistryRows
from fencepost.store.control.schema import check, migrate
from fencepost.store.control.solutions import SolutionRows
from fencepost.store.control.writing import Writer


class ControlStore(
    AlertQueries,
    AlertSums,
    Queries,
    ExpectationQueries,
    RegistryRows,
    CloudMessages,
    AccessRows,
    SolutionRows,
    KeptAnswerRows,
):
    """
    Groups, devices, alerts and all that belongs to them; identities, twins and messages to devices; users and tokens.

    One thread at a time commits; any number asks. A store whose database was lost works again as soon as
    the database does.
    """

    def __init__(self, engines: Engines) -> None:
        super().__init__(engines)
        self._writer = Writer(engines.reader.dialect.name)

    @classmethod
    def open(cls, url: str, *, read_only: bool = False) -> Self:
        """
        Open the store at `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`, and bring its tables up to date.

        With `read_only` it may be served by another process meanwhile. Raises OperatorError where somebody
        must do something first: no such place, no rights, no driver, not a database, tables of a newer
        version, another process that serves it. Raises StoreUnavailable where the database does not answer.
        """
        engines = connect(url, read_only=read_only)
        try:
            with faults(engines.name, opening=True):
                if engines.writer is None:
                    check(engines.reader, engines.name)
                else:
                    migrate(engines.writer, engines.name)
        except Occupied:
            engines.dispose()
            reason = "another process serves this database: stop it first, or give each its own database"
            raise operator_error(engines.name, reason) from None
        except BaseException:
            engines.dispose()
            raise
        return cls(engines)

    def close(self) -> None:
        """Close all connections; a lock on the database is free again."""
        self._engines.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def commit(self, changes: Changes) -> None:
        """
        Make all changes in one durable transaction; once more changes nothing.

        Raises ValueError where the store does not stand at `changes.after`, and for a store that is only
        read. After StoreUnavailable the changes may or may not be there: commit them again.
        """
        with self._writing() as connection:
            self._writer.write(connection, changes)

    def backup(self, path: Path) -> None:
        """Copy an SQLite store that is in use to a new file; raises OperatorError where that cannot be."""
        with faults(self.name):
            copy(self._engines.reader, path)
