"""What only the Azure dialect says: security solutions, and how it spelled groups. It is in no journal."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from fencepost.model.record import AuditRecord
from fencepost.model.solution import GroupSpelling, SecuritySolution
from fencepost.store.control.alert_rows import group_key
from fencepost.store.control.changing import Changing, write_audit
from fencepost.store.control.engines import Engines
from fencepost.store.control.statements import newer, run, upsert
from fencepost.store.control.tables import group_spellings, solutions


class SolutionRows(Changing):
    """Solutions and spellings by their names, without case."""

    def __init__(self, engines: Engines) -> None:
        super().__init__(engines)
        dialect = engines.reader.dialect.name
        self._put_solution = upsert(solutions, dialect, {"body": newer})
        self._put_spelling = upsert(group_spellings, dialect, {"body": newer})

    def solutions(self) -> list[SecuritySolution]:
        """Return all solutions, by their names."""
        with self._reading() as connection:
            return [*connection.scalars(select(solutions.c.body).order_by(solutions.c.name_key))]

    def change_solutions(
        self, put: SecuritySolution | None, deleted: str | None, audit: Sequence[AuditRecord]
    ) -> None:
        """Put one, or take one away by its name, with the record of it, in one durable transaction."""
        with self._writing() as connection:
            if deleted is not None:
                connection.execute(delete(solutions).where(solutions.c.name_key == group_key(deleted)))
            if put is not None:
                run(connection, self._put_solution, [{"name_key": group_key(put.name), "body": put}])
            write_audit(connection, audit)

    def group_spellings(self) -> dict[str, GroupSpelling]:
        """Return the spellings of groups, by their names without case."""
        with self._reading() as connection:
            return {row.name_key: row.body for row in connection.execute(select(group_spellings)).all()}

    def put_group_spelling(self, name: str, spelling: GroupSpelling | None) -> None:
        """Keep the spelling of a group, or with None forget it."""
        with self._writing() as connection:
            if spelling is None:
                connection.execute(
                    delete(group_spellings).where(group_spellings.c.name_key == group_key(name))
                )
            else:
                run(connection, self._put_spelling, [{"name_key": group_key(name), "body": spelling}])
