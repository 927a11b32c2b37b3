"""What people and the pipeline ask of alerts."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, get_args

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSON

from fencepost.model.alert import Alert, State
from fencepost.model.instant import micros
from fencepost.model.page import AlertFilter, Page
from fencepost.model.record import AlertChange
from fencepost.store.control.alert_rows import group_key, identity_key
from fencepost.store.control.columns import encoded, escaped, key
from fencepost.store.control.cursors import Cursor, Name, Number, bounded, check_limit
from fencepost.store.control.reading import Reading, behind, page_of, without
from fencepost.store.control.tables import POSITION, alert_changes, alerts, meta

RECENT = 32
"""The latest alerts of one identity that a finding may still be part of."""
LATEST_CHANGES = 1000
"""The changes of one alert that are handed out."""

_STATES: tuple[State, ...] = get_args(State)
_BATCH = 500
_newest_first = Cursor("alerts", tuple[Number, Name])


class AlertQueries(Reading):
    """Alerts, whole and with their history."""

    def alert(self, alert_id: str) -> Alert | None:
        """Return one alert, None where there is none."""
        with self._reading() as connection:
            return connection.scalar(select(alerts.c.body).where(alerts.c.alert_id == key(alert_id)))

    def alerts(self, wanted: AlertFilter, *, after: str | None = None, limit: int = 100) -> Page[Alert]:
        """
        Return alerts, the one that started last first.

        Raises OperatorError for an `after` that no page gave, and for a limit out of range.
        """
        check_limit(limit)
        conditions = [*_conditions(wanted)]
        if after is not None:
            started_at, alert_id = _newest_first.read(after)
            place = (literal(started_at, BigInteger), literal(alert_id))  # perhaps of no year there is
            conditions.append(behind((alerts.c.started_at, alerts.c.alert_id), place, descending=True))
        with self._reading() as connection:
            rows = connection.execute(_newest(wanted, conditions, limit + 1)).all()
        return page_of(
            rows,
            limit,
            lambda row: row.body,
            _newest_first,
            lambda row: (micros(row.started_at), row.alert_id),
        )

    def histories(self, identities: Iterable[tuple[str, str, str | None]]) -> list[Alert]:
        """Return the latest 32 alerts of each identity (device, rule type, value), the lowest ordinals first."""
        keys = sorted({identity_key(*identity) for identity in identities})
        with self._reading() as connection:
            wanted = _listed(keys, connection.dialect.name)
            other = alerts.alias()
            newest = select(func.max(other.c.ordinal)).where(other.c.identity == wanted.c.value)
            recent = alerts.c.ordinal > newest.scalar_subquery() - RECENT
            query = select(alerts.c.body).select_from(
                wanted.join(alerts, (alerts.c.identity == wanted.c.value) & recent)
            )
            return sorted(connection.scalars(query), key=lambda alert: alert.ordinal)

    def standing(self, *, group: str | None = None, device_id: str | None = None) -> list[Alert]:
        """Return the alerts that are not Resolved, of a group (name without case) or of a device."""
        query = select(alerts.c.body).where(alerts.c.state.in_([s for s in _STATES if s != "Resolved"]))
        if group is not None:
            query = query.where(alerts.c.group_key == group_key(group))
        if device_id is not None:
            query = query.where(alerts.c.device_key == key(device_id))
        with self._reading() as connection:
            found = connection.scalars(query)  # sorted here: a database would carry the long bodies along
            return sorted(found, key=lambda alert: (alert.started_at, alert.alert_id))

    def changes_of(self, alert_id: str) -> list[AlertChange]:
        """Return what happened to an alert, oldest first; of a very long history the latest thousand steps."""
        query = select(alert_changes).where(alert_changes.c.alert_id == key(alert_id))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(alert_changes.c.seq.desc()).limit(LATEST_CHANGES)).all()
        return [AlertChange(**without(row, "seq")) for row in reversed(rows)]

    def changed_after(
        self, position: int, limit: int, *, after_id: str | None = None
    ) -> list[tuple[Alert, int]]:
        """
        Return the alerts that were changed after a position, with the positions of their last changes, in order.

        One entry may change many alerts: with `after_id`, those of `position` itself that come behind that
        alert are there, too.
        """
        check_limit(limit)
        position = bounded(position)
        place = (alerts.c.position, alerts.c.alert_id)
        behind_place = (
            alerts.c.position > position
            if after_id is None
            else behind(place, (position, key(after_id)), descending=False)
        )
        query = select(alerts.c.body, alerts.c.position).where(behind_place).order_by(*place).limit(limit)
        with self._reading() as connection:
            return [(row.body, row.position) for row in connection.execute(query)]

    @contextmanager
    def everything(self) -> Iterator[tuple[int, Iterator[Alert]]]:
        """
        Give the position of the store and all its alerts at that position, by id, while others go on writing.

        The alerts are read as they are asked for; a store that is lost meanwhile is StoreUnavailable.
        """
        with self._reading() as connection:
            position = connection.scalar(select(meta.c.number).where(meta.c.name == POSITION))
            query = select(alerts.c.body).order_by(alerts.c.alert_id).execution_options(yield_per=_BATCH)
            with connection.execute(query) as rows:
                yield position or 0, iter(rows.scalars())


def _conditions(wanted: AlertFilter) -> Iterator[ColumnElement[bool]]:
    columns = alerts.c
    if wanted.severities:
        yield columns.severity.in_(sorted(wanted.severities))
    if wanted.device_id is not None:
        yield columns.device_key == key(wanted.device_id)
    if wanted.group is not None:
        yield columns.group_key == group_key(wanted.group)
    if wanted.rule_type is not None:
        yield columns.rule_type == key(wanted.rule_type)
    if wanted.since is not None:
        yield columns.last_seen_at >= wanted.since
    if wanted.until is not None:
        yield columns.last_seen_at < wanted.until
    if wanted.text:
        in_device = columns.device_key.icontains(escaped(wanted.text), autoescape=True)
        yield or_(columns.value.icontains(wanted.text, autoescape=True), in_device)


def _newest(wanted: AlertFilter, conditions: list[ColumnElement[bool]], limit: int) -> Select[Any]:
    """
    Return the query for the alerts that started last.

    Those of each state lie sorted in an index. Taking the newest of each state and of these the newest is
    cheap, however many alerts there are; sorting all of several states would not be.
    """
    parts = [
        select(
            select(alerts.c.alert_id, alerts.c.started_at)
            .where(alerts.c.state == state, alerts.c.hidden == hidden, *conditions)
            .order_by(alerts.c.started_at.desc(), alerts.c.alert_id.desc())
            .limit(limit)
            .subquery()
        )
        for state in sorted(wanted.states or _STATES)
        for hidden in ((False, True) if wanted.hidden else (False,))
    ]
    newest = union_all(*parts).subquery()
    order = (newest.c.started_at.desc(), newest.c.alert_id.desc())
    page = select(newest).order_by(*order).limit(limit).subquery()
    return (
        select(alerts.c.body, alerts.c.started_at, alerts.c.alert_id)
        .join(page, alerts.c.alert_id == page.c.alert_id)
        .order_by(page.c.started_at.desc(), page.c.alert_id.desc())
    )


def _listed(keys: list[str], dialect: str) -> FromClause:
    """Return keys as a table with the column `value`: one parameter, however many they are."""
    listed = literal(encoded(keys).decode())
    if dialect == "postgresql":
        return func.json_array_elements_text(cast(listed, JSON)).table_valued("value")
    return func.json_each(listed).table_valued("value")
