"""Writing alerts: their rows, their bodies, what they are searched by."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, bindparam, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite

from fencepost.model.alert import Alert
from fencepost.store.control.alert_rows import facet_of, row_of
from fencepost.store.control.alert_texts import make_texts_findable
from fencepost.store.control.columns import key
from fencepost.store.control.statements import Merge, newer, run, upsert
from fencepost.store.control.tables import alert_bodies, alert_facets, alerts

TEXTS_EVERY = 1000
"""Alerts that are written before the index gets the new ones among them: one by one it would cost much more."""


def _is_labelled_otherwise(known: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return alerts.c.labels != literal_column("excluded.labels")


_CHANGING: dict[str, Merge] = {
    "position": newer,
    "facet": newer,
    "started_at": newer,
    "last_seen_at": newer,
    "count": newer,
    "assigned_key": newer,
    "moved": _is_labelled_otherwise,
}
"""What is not of the alert's identity; the others stay as they are, and their indices rest."""


class AlertWriter:
    """Writes alerts with the statements of one dialect."""

    def __init__(self, dialect: str) -> None:
        inserting: Any = (postgresql if dialect == "postgresql" else sqlite).insert
        self._facet: Insert = inserting(alert_facets).on_conflict_do_nothing(index_elements=["facet"])
        self._alert = upsert(alerts, dialect, _CHANGING, by=[alerts.c.alert_id])
        whole = select(alerts.c.number, bindparam("whole", type_=alert_bodies.c.body.type)).where(
            alerts.c.alert_id == bindparam("id")
        )
        body = inserting(alert_bodies).from_select(["number", "body"], whole)
        self._body: Insert = body.on_conflict_do_update(
            index_elements=["number"], set_={"body": body.excluded.body}
        )
        self._stored_facets: set[int] = set()
        self._has_texts = dialect == "sqlite"
        self._unsearched = TEXTS_EVERY  # what a former process left is not known

    def write(self, connection: Connection, changed: Sequence[tuple[Alert, int]]) -> None:
        """Write alerts, each with the position of the entry that changed it last."""
        if not changed:
            return
        facets = [facet_of(alert) for alert, _ in changed]
        self._write_facets(connection, {facet["facet"]: facet for facet in facets})
        rows = [
            row_of(alert, facet, position) for (alert, position), facet in zip(changed, facets, strict=True)
        ]
        run(connection, self._alert, rows)
        run(connection, self._body, [{"id": key(alert.alert_id), "whole": alert} for alert, _ in changed])
        self._unsearched += len(changed)
        if self._has_texts and self._unsearched > TEXTS_EVERY:
            self._unsearched = 0
            make_texts_findable(connection)

    def _write_facets(self, connection: Connection, facets: dict[int, dict[str, Any]]) -> None:
        """Those that a transaction finds are stored for good; what it writes itself may be undone."""
        if not (new := facets.keys() - self._stored_facets):
            return
        self._stored_facets.update(
            connection.scalars(select(alert_facets.c.facet).where(alert_facets.c.facet.in_(new)))
        )
        run(connection, self._facet, [facets[facet] for facet in new - self._stored_facets])
