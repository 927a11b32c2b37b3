"""One commit: all that some entries led to, in one transaction."""

from collections.abc import Sequence
from typing import Any

from msgspec import structs
from sqlalchemy import Connection, Table, delete, func, insert, select, tuple_, update

from fencepost.model.entry import Mend
from fencepost.model.layer import Layer
from fencepost.model.record import Changes, DeviceRecord
from fencepost.model.rule import SecurityGroup
from fencepost.store.control.alert_rows import group_key
from fencepost.store.control.alert_writing import AlertWriter
from fencepost.store.control.columns import key
from fencepost.store.control.expectations import layer_key
from fencepost.store.control.statements import (
    Merge,
    earliest,
    either,
    latest,
    newer,
    run,
    total,
    upsert,
)
from fencepost.store.control.tables import (
    POSITION,
    alert_changes,
    audit,
    devices,
    group_spellings,
    group_versions,
    groups,
    layer_versions,
    layers,
    meta,
    outbox,
    quarantine,
    suppressions,
    tallies,
)

QUARANTINE_KEPT = 10_000
OUTBOX_KEPT = 100_000
"""Rows that are kept, the newest."""
TRIM_EVERY = 1000
"""New rows after which the oldest are taken away: so many more than are kept can be there."""

_position = meta.c.name == POSITION


class Writer:
    """Writes changes with the statements of one dialect."""

    def __init__(self, dialect: str) -> None:
        self._alerts = AlertWriter(dialect)
        self._group = upsert(groups, dialect, _GROUP)
        self._layer = upsert(layers, dialect, _LAYER)
        self._suppression = upsert(suppressions, dialect, _SUPPRESSION)
        self._tally = upsert(tallies, dialect, _TALLY)
        self._device = upsert(devices, dialect, _DEVICE)
        self._tagged_device = upsert(devices, dialect, _TAGGED_DEVICE)
        # what a former process left is not known: the first commit that adds something trims
        self._untrimmed = {quarantine: TRIM_EVERY, outbox: TRIM_EVERY}

    def write(self, connection: Connection, changes: Changes) -> None:
        """
        Write changes, unless the store has them already.

        Raises ValueError where the store does not stand at `changes.after`, and for changes of no entry.
        """
        if not _advance(connection, changes):
            return
        self._alerts.write(connection, changes.alerts)
        run(connection, insert(alert_changes), [structs.asdict(change) for change in changes.history])
        self._write_groups(connection, changes)
        self._write_layers(connection, changes)
        self._write_suppressions(connection, changes)
        self._write_devices(connection, changes.devices)
        run(
            connection,
            self._tally,
            [_found_by_device(tally) | {"subject_key": key(tally.subject)} for tally in changes.tallies],
        )
        run(connection, insert(audit), [structs.asdict(record) for record in changes.audit])
        self._append(
            connection, quarantine, [_found_by_device(one) for one in changes.quarantined], QUARANTINE_KEPT
        )
        self._append(connection, outbox, [structs.asdict(notice) for notice in changes.notices], OUTBOX_KEPT)

    def _write_groups(self, connection: Connection, changes: Changes) -> None:
        """A group that is both deleted and put was deleted first: it is a new one, and the last."""
        deleted = [group_key(name) for name in changes.groups_deleted]
        if deleted:
            for table in (groups, group_spellings):
                connection.execute(delete(table).where(table.c.name_key.in_(deleted)))
        if changes.groups_put:
            last = connection.scalar(select(func.max(groups.c.ordinal))) or 0
            rows = [_group_row(group) for group, _ in changes.groups_put]
            run(connection, self._group, [row | {"ordinal": last + n} for n, row in enumerate(rows, 1)])
            versions = [
                _version(row, position, changes.mends) | {"name_key": row["name_key"]}
                for row, (_, position) in zip(rows, changes.groups_put, strict=True)
            ]
            run(connection, insert(group_versions), versions)

    def _write_layers(self, connection: Connection, changes: Changes) -> None:
        rows = [_layer_row(layer) for layer, _ in changes.layers]
        run(connection, self._layer, rows)
        versions = [
            _version(row, position, changes.mends) | {"device_key": row["device_key"]}
            for row, (_, position) in zip(rows, changes.layers, strict=True)
        ]
        run(connection, insert(layer_versions), versions)

    def _write_suppressions(self, connection: Connection, changes: Changes) -> None:
        deleted = [group_key(name) for name in changes.suppressions_deleted]
        if deleted:
            connection.execute(delete(suppressions).where(suppressions.c.name_key.in_(deleted)))
        rows = [{"name_key": group_key(rule.name), "body": rule} for rule in changes.suppressions_put]
        run(connection, self._suppression, rows)

    def _write_devices(self, connection: Connection, records: Sequence[DeviceRecord]) -> None:
        counted = [_device_row(record) for record in records if not record.tagged]
        tagged = [_device_row(record) for record in records if record.tagged]
        run(connection, self._device, counted)
        run(connection, self._tagged_device, tagged)

    def _append(self, connection: Connection, table: Table, rows: list[dict[str, Any]], kept: int) -> None:
        """Add rows to a table of which only the newest are kept."""
        if not rows:
            return
        run(connection, insert(table), rows)
        self._untrimmed[table] += len(rows)
        if self._untrimmed[table] > TRIM_EVERY:
            self._untrimmed[table] = 0
            age = tuple(table.primary_key)
            oldest = select(*age).order_by(*(column.desc() for column in age)).offset(kept).limit(1)
            if (last := connection.execute(oldest).first()) is not None:
                connection.execute(delete(table).where(tuple_(*age) <= tuple_(*last)))


def _advance(connection: Connection, changes: Changes) -> bool:
    """Move the store's position; False where it has been moved there before."""
    if changes.position <= changes.after:
        raise ValueError(f"changes after {changes.after} up to {changes.position} are of no entry")
    position = connection.scalar(select(meta.c.number).where(_position).with_for_update())
    if position == changes.position:
        return False
    if position != changes.after:
        raise ValueError(
            f"the store stands at {position}, not at {changes.after}: something else has written to it"
        )
    connection.execute(update(meta).where(_position).values(number=changes.position))
    return True


# rows


def _found_by_device(record: Any) -> dict[str, Any]:
    return structs.asdict(record) | {"device_key": key(record.device_id)}


def _device_row(record: DeviceRecord) -> dict[str, Any]:
    row = _found_by_device(record)
    if not row.pop("tagged"):
        row["tag"] = None
    return row


def _group_row(group: SecurityGroup) -> dict[str, Any]:
    return {"name_key": group_key(group.name), "name": group.name, "version": group.version, "body": group}


def _layer_row(layer: Layer) -> dict[str, Any]:
    return {"device_key": layer_key(layer.device_id), "version": layer.version, "body": layer}


def _version(row: dict[str, Any], position: int, mends: dict[int, Mend]) -> dict[str, Any]:
    """Return what is kept of an edit beside its subject."""
    mend = mends.get(position)
    return {
        "version": row["version"],
        "position": position,
        "body": row["body"],
        "alert_id": key(mend.alert_id) if mend is not None else None,
        "mend": mend.action if mend is not None else None,
    }


# what becomes of a row that is there already

_GROUP: dict[str, Merge] = {"name": newer, "version": newer, "body": newer}
_LAYER: dict[str, Merge] = {"version": newer, "body": newer}
_SUPPRESSION: dict[str, Merge] = {"body": newer}
_TALLY: dict[str, Merge] = {"count": total, "first_at": earliest, "last_at": latest, "detail": newer}
_DEVICE: dict[str, Merge] = {
    "position": latest,
    "registered_at": earliest,
    "first_seen_at": earliest,
    "last_seen_at": latest,
    "source": either,
    "messages": total,
    "events": total,
    "rejected": total,
}
_TAGGED_DEVICE: dict[str, Merge] = {**_DEVICE, "tag": newer}
