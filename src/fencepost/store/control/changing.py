"""What all changes have in common that are not consequences of journal entries: a transaction of their own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec import structs
from sqlalchemy import Connection, insert, select

from fencepost.model.record import AuditRecord
from fencepost.store.control.engines import Engines
from fencepost.store.control.faults import faults
from fencepost.store.control.reading import Reading
from fencepost.store.control.tables import POSITION, audit, meta


class Changing(Reading):
    """A store that can be changed: one transaction at a time, durable when it is over."""

    def __init__(self, engines: Engines) -> None:
        super().__init__(engines.reader, engines.name)
        self._engines = engines

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Raises ValueError for a store that is open for reading only."""
        if self._engines.writer is None:
            raise ValueError(f"{self.name} is open for reading only")
        with faults(self.name), self._engines.writer.begin() as connection:
            yield connection


def write_audit(connection: Connection, records: Sequence[AuditRecord]) -> None:
    """Write records of what was done beside the journal, at the position at which the store stands."""
    if records:
        position = connection.scalar(select(meta.c.number).where(meta.c.name == POSITION))
        connection.execute(insert(audit), [structs.asdict(one) | {"position": position} for one in records])
