"""What people and the pipeline ask of alerts."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import get_args

from sqlalchemy import Connection, FromClause, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSON

from fencepost.model.alert import Alert, State
from fencepost.model.page import AlertFilter, AlertSort, Page
from fencepost.model.record import AlertChange
from fencepost.store.control.alert_listing import listing
from fencepost.store.control.alert_rows import identity_key
from fencepost.store.control.alert_search import Search
from fencepost.store.control.columns import encoded, key
from fencepost.store.control.cursors import bounded, check_limit
from fencepost.store.control.reading import Reading, behind, without
from fencepost.store.control.tables import POSITION, alert_bodies, alert_changes, alerts, meta

RECENT = 32
"""The latest alerts of one identity that a finding may still be part of."""
LATEST_CHANGES = 1000
"""The changes of one alert that are handed out."""

_STATES: tuple[State, ...] = get_args(State)
_BATCH = 500
_same_alert = alert_bodies.c.number == alerts.c.number
_whole = select(alert_bodies.c.body).join_from(alerts, alert_bodies, _same_alert)


class AlertQueries(Reading):
    """Alerts, whole and with their history."""

    def alert(self, alert_id: str) -> Alert | None:
        """Return one alert, None where there is none."""
        with self._reading() as connection:
            return connection.scalar(_whole.where(alerts.c.alert_id == key(alert_id)))

    def alerts(
        self,
        wanted: AlertFilter,
        *,
        sort: AlertSort = "-started_at",
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Alert]:
        """
        Return alerts in an order: by default the one that started last first.

        By severity, those of one severity come in the order in which they started. Raises OperatorError for an
        `after` that no page of this order gave, and for a limit out of range.
        """
        check_limit(limit)
        with self._reading() as connection:
            page = listing(sort).page(connection, wanted, after, limit)
            return Page(_bodies(connection, page.items), page.after)

    def histories(self, identities: Iterable[tuple[str, str, str | None]]) -> list[Alert]:
        """Return the latest 32 alerts of each identity (device, rule type, value), the lowest ordinals first."""
        keys = sorted({identity_key(*identity) for identity in identities})
        with self._reading() as connection:
            wanted = _listed(keys, connection.dialect.name)
            other = alerts.alias()
            newest = select(func.max(other.c.ordinal)).where(other.c.identity == wanted.c.value)
            recent = alerts.c.ordinal > newest.scalar_subquery() - RECENT
            query = select(alert_bodies.c.body).select_from(
                wanted.join(alerts, (alerts.c.identity == wanted.c.value) & recent).join(
                    alert_bodies, _same_alert
                )
            )
            return sorted(connection.scalars(query), key=lambda alert: alert.ordinal)

    def standing(self, *, group: str | None = None, device_id: str | None = None) -> list[Alert]:
        """Return the alerts that are not Resolved, of a group (name without case) or of a device."""
        wanted = AlertFilter(
            states=frozenset(_STATES) - {"Resolved"}, group=group, device_id=device_id, hidden=True
        )
        with self._reading() as connection:
            by = "facet" if device_id is None else "device_key"
            found = connection.scalars(_whole.where(*Search(connection, wanted).conditions(by)))
            # sorted here: a database would carry the long bodies along
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
        query = _whole.add_columns(alerts.c.position).where(behind_place).order_by(*place).limit(limit)
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
            query = _whole.order_by(alerts.c.alert_id).execution_options(yield_per=_BATCH)
            with connection.execute(query) as rows:
                yield position or 0, iter(rows.scalars())


def _bodies(connection: Connection, numbers: list[int]) -> list[Alert]:
    """Return alerts by their numbers, in this order."""
    query = select(alert_bodies).where(alert_bodies.c.number.in_(numbers))
    found = {row.number: row.body for row in connection.execute(query)}
    return [found[number] for number in numbers]


def _listed(keys: list[str], dialect: str) -> FromClause:
    """Return keys as a table with the column `value`: one parameter, however many they are."""
    listed = literal(encoded(keys).decode())
    if dialect == "postgresql":
        return func.json_array_elements_text(cast(listed, JSON)).table_valued("value")
    return func.json_each(listed).table_valued("value")
