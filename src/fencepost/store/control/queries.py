"""What people and the pipeline ask of everything but alerts."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, tuple_

from fencepost.model.page import Counts, Page
from fencepost.model.record import AuditRecord, DeviceRecord, Notice, Quarantined, Tally, TallyKind
from fencepost.model.rule import SecurityGroup
from fencepost.store.control.alert_rows import group_key
from fencepost.store.control.columns import key
from fencepost.store.control.cursors import Cursor, Name, Number, bounded, check_limit
from fencepost.store.control.reading import Reading, behind, page_of, without
from fencepost.store.control.tables import (
    POSITION,
    alert_facets,
    alerts,
    audit,
    devices,
    group_versions,
    groups,
    meta,
    outbox,
    quarantine,
    tallies,
)

Among = Callable[[str], bool]
"""Whether a device is one of those that are wanted, by its id."""
AT_ONCE = 1000
LATEST_VERSIONS = 1000
"""The versions of one group that are handed out."""

_by_device = Cursor("devices", tuple[Name])
_by_case = Cursor("tallies", tuple[Name, Name, Name])
_newest_quarantined = Cursor("quarantine", tuple[Number, Number])
_newest_audited = Cursor("audit", tuple[Number])


class Queries(Reading):
    """Groups, devices, tallies, quarantine, audit, notices."""

    def position(self) -> int:
        """Return the position of the last entry that has been committed."""
        with self._reading() as connection:
            return connection.scalar(select(meta.c.number).where(meta.c.name == POSITION)) or 0

    def groups(self) -> tuple[SecurityGroup, ...]:
        """Return the groups in force, in the order in which they were made."""
        with self._reading() as connection:
            return tuple(connection.scalars(select(groups.c.body).order_by(groups.c.ordinal)))

    def group_versions(
        self, name: str, *, before: int | None = None, limit: int = LATEST_VERSIONS
    ) -> list[tuple[SecurityGroup, int]]:
        """Return the versions of a group with the positions of their entries, before one and the newest first."""
        query = (
            select(group_versions.c.body, group_versions.c.position)
            .where(group_versions.c.name_key == group_key(name))
            .order_by(group_versions.c.seq.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(group_versions.c.position < bounded(before))
        with self._reading() as connection:
            return [(row.body, row.position) for row in connection.execute(query)]

    def device(self, device_id: str) -> DeviceRecord | None:
        """Return one device, None where it is not known."""
        with self._reading() as connection:
            row = connection.execute(select(devices).where(devices.c.device_key == key(device_id))).first()
        return None if row is None else _device(row)

    def devices(
        self,
        *,
        after: str | None = None,
        limit: int = 100,
        text: str | None = None,
        among: Among | None = None,
    ) -> Page[DeviceRecord]:
        """Return devices by their ids, perhaps only those whose ids contain a text (ASCII without case)."""
        query = select(devices)
        if text:
            query = query.where(devices.c.device_id.icontains(text, autoescape=True))
        rows = self._rows(query, (devices.c.device_key,), _by_device, after, limit, among=among)
        return page_of(rows, limit, _device, _by_device, lambda row: (row.device_key,))

    def tallies(
        self,
        *,
        device_id: str | None = None,
        kind: TallyKind | None = None,
        after: str | None = None,
        limit: int = 100,
        among: Among | None = None,
    ) -> Page[Tally]:
        """Return what else befell devices, by device, kind and subject."""
        query = select(tallies)
        if device_id is not None:
            query = query.where(tallies.c.device_key == key(device_id))
        if kind is not None:
            query = query.where(tallies.c.kind == kind)
        columns = (tallies.c.device_key, tallies.c.kind, tallies.c.subject_key)
        rows = self._rows(query, columns, _by_case, after, limit, among=among)
        return page_of(
            rows,
            limit,
            lambda row: Tally(**without(row, "device_key", "subject_key")),
            _by_case,
            lambda row: (row.device_key, row.kind, row.subject_key),
        )

    def quarantine(
        self,
        *,
        device_id: str | None = None,
        after: str | None = None,
        limit: int = 100,
        among: Among | None = None,
    ) -> Page[Quarantined]:
        """Return what could not be decoded (S31), the newest first."""
        query = select(quarantine)
        if device_id is not None:
            query = query.where(quarantine.c.device_key == key(device_id))
        columns = (quarantine.c.position, quarantine.c.number)
        rows = self._rows(query, columns, _newest_quarantined, after, limit, descending=True, among=among)
        return page_of(
            rows,
            limit,
            lambda row: Quarantined(**without(row, "device_key")),
            _newest_quarantined,
            lambda row: (row.position, row.number),
        )

    def audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[AuditRecord]:
        """
        Return what people changed (S24), the newest first.

        `actor`, `action` and `subject` are those of the records; a subject that ends with a slash, `group/`,
        stands for all of its kind. `since` (inclusively) and `until` bound when it was.
        """
        query = select(audit)
        if actor is not None:
            query = query.where(audit.c.actor == actor)
        if action is not None:
            query = query.where(audit.c.action == action)
        if subject is not None and subject.endswith("/"):
            beyond = subject[:-1] + chr(ord("/") + 1)
            query = query.where(audit.c.subject >= subject, audit.c.subject < beyond)
        elif subject is not None:
            query = query.where(audit.c.subject == subject)
        if since is not None:
            query = query.where(audit.c.at >= since)
        if until is not None:
            query = query.where(audit.c.at < until)
        rows = self._rows(query, (audit.c.seq,), _newest_audited, after, limit, descending=True)
        return page_of(
            rows,
            limit,
            lambda row: AuditRecord(**without(row, "seq")),
            _newest_audited,
            lambda row: (row.seq,),
        )

    def notices(self, after: int, limit: int = 100) -> list[tuple[int, Notice]]:
        """Return what people are to be told, with growing numbers of which the first is beyond `after`."""
        check_limit(limit)
        query = select(outbox).where(outbox.c.seq > bounded(after)).order_by(outbox.c.seq).limit(limit)
        with self._reading() as connection:
            return [(row.seq, Notice(**without(row, "seq"))) for row in connection.execute(query)]

    def counts(self) -> Counts:
        """Return how much there is, for the metrics; a look into indices only."""
        of_facets = select(alerts.c.facet, func.count().label("number")).group_by(alerts.c.facet).subquery()
        columns = alert_facets.c
        by_state = (
            select(columns.state, columns.severity, func.sum(of_facets.c.number))
            .join_from(of_facets, alert_facets, columns.facet == of_facets.c.facet)
            .where(columns.hidden.is_(False))
            .group_by(columns.state, columns.severity)
        )
        with self._reading() as connection:
            found = {
                (state, severity): int(number) for state, severity, number in connection.execute(by_state)
            }
            return Counts(
                found,
                connection.scalar(select(func.count()).select_from(devices)) or 0,
                connection.scalar(select(func.count()).select_from(quarantine)) or 0,
            )

    def _rows(
        self,
        query: Select[Any],
        columns: tuple[Any, ...],
        cursor: Cursor,
        after: str | None,
        limit: int,
        *,
        descending: bool = False,
        among: Among | None = None,
    ) -> Sequence[Row[Any]]:
        """Return the rows of a page and one more, sorted by the columns."""
        check_limit(limit)
        if after is not None:
            query = query.where(behind(columns, cursor.read(after), descending=descending))
        query = query.order_by(*(column.desc() if descending else column for column in columns))
        with self._reading() as connection:
            if among is not None:
                places = _places(connection, query, columns, among, limit + 1)
                query = query.where(tuple_(*columns).in_(places))
            return connection.execute(query.limit(limit + 1)).all()


def _places(
    connection: Connection, query: Select[Any], columns: tuple[Any, ...], among: Among, number: int
) -> list[tuple[Any, ...]]:
    """Return where the first rows are whose devices are wanted; of the others no more than the id is read."""
    table = columns[0].table
    of_all = query.with_only_columns(table.c.device_id, *columns).execution_options(yield_per=AT_ONCE)
    with connection.execute(of_all) as rows:
        return [tuple(place) for device_id, *place in islice((row for row in rows if among(row[0])), number)]


def _device(row: Row[Any]) -> DeviceRecord:
    return DeviceRecord(**without(row, "device_key"))
