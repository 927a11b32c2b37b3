"""What is expected beyond the groups, which alerts are dismissed as they open, and how lists were mended."""

from typing import Any

from sqlalchemy import Connection, Row, Select, Table, select

from fencepost.model.alert import Alert, State
from fencepost.model.layer import Layer
from fencepost.model.record import MendedEdit
from fencepost.model.suppression import SuppressionRule
from fencepost.store.control.columns import key
from fencepost.store.control.reading import Reading
from fencepost.store.control.tables import (
    DEVICE,
    NOBODY,
    alert_bodies,
    alert_changes,
    alerts,
    group_versions,
    layer_versions,
    layers,
    suppressions,
)


def layer_key(device_id: str | None) -> str:
    """Return what a layer is looked up by; the fleet's has an empty key."""
    return DEVICE if device_id is None else key(device_id) or NOBODY


class ExpectationQueries(Reading):
    """Layers, suppression rules, and the edits that mended a list from an alert."""

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers there are or were, the latter without rules: their versions count on."""
        with self._reading() as connection:
            return tuple(connection.scalars(select(layers.c.body).order_by(layers.c.device_key)))

    def suppressions(self) -> tuple[SuppressionRule, ...]:
        """Return the suppression rules."""
        with self._reading() as connection:
            return tuple(connection.scalars(select(suppressions.c.body).order_by(suppressions.c.name_key)))

    def mends(self, alert_id: str) -> list[MendedEdit]:
        """Return the edits that mended a list from an alert, and those that undid that, the latest first."""
        with self._reading() as connection:
            found = [
                _mended(connection, table, name, row)
                for table, name in ((group_versions, "name_key"), (layer_versions, "device_key"))
                for row in connection.execute(_mends_of(table, alert_id))
            ]
        return sorted(found, key=lambda edit: edit.position, reverse=True)

    def allowed_at(self, position: int) -> list[tuple[Alert, State]]:
        """Return the alerts that the edit at a position resolved, as they are now, each with its state before."""
        query = (
            select(alert_bodies.c.body, alert_changes.c.before)
            .join(alerts, alerts.c.alert_id == alert_changes.c.alert_id)
            .join(alert_bodies, alert_bodies.c.number == alerts.c.number)
            .where(alert_changes.c.position == position, alert_changes.c.action == "allow")
            .where(alert_changes.c.before != alert_changes.c.after)
            .order_by(alert_changes.c.seq)
        )
        with self._reading() as connection:
            return [(row.body, row.before) for row in connection.execute(query)]


def _mends_of(table: Table, alert_id: str) -> Select[Any]:
    return select(table).where(table.c.alert_id == key(alert_id)).order_by(table.c.seq)


def _mended(connection: Connection, table: Table, name: str, row: Row[Any]) -> MendedEdit:
    former = (
        select(table.c.body)
        .where(table.c[name] == getattr(row, name), table.c.seq < row.seq)
        .order_by(table.c.seq.desc())
        .limit(1)
    )
    before = connection.scalar(former)
    return MendedEdit(position=row.position, action=row.mend, before=before, after=row.body)
