"""Cloud-to-device messages that wait for their devices."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import structs
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from fencepost.model.identity import CloudMessage
from fencepost.model.record import AuditRecord
from fencepost.model.registry import Taken
from fencepost.store.control.changing import Changing, write_audit
from fencepost.store.control.columns import key
from fencepost.store.control.reading import without
from fencepost.store.control.tables import cloud_messages, identities

_columns = cloud_messages.c


class CloudMessages(Changing):
    """The queue of each device, oldest first; a message that is locked is some session's."""

    def enqueue_message(self, message: CloudMessage, room: int) -> CloudMessage | Literal["missing", "full"]:
        """Keep a message and return it with its sequence, or say that there is no such device, or no room."""
        device_key = key(message.device_id)
        of_device = _columns.device_key == device_key
        is_device = (identities.c.device_key == device_key) & (identities.c.module_key == "")
        with self._writing() as connection:
            if connection.scalar(select(func.count()).where(is_device)) == 0:
                return "missing"
            if (connection.scalar(select(func.count()).where(of_device)) or 0) >= room:
                return "full"
            row = structs.asdict(message) | {"device_key": device_key}
            del row["sequence"]
            found = connection.execute(insert(cloud_messages).returning(_columns.sequence), row)
            return structs.replace(message, sequence=found.scalar_one())

    def waiting_messages(self, device_id: str, now: datetime) -> int:
        """Return how many messages of a device have not expired."""
        alive = (_columns.device_key == key(device_id)) & (_columns.expires_at > now)
        with self._reading() as connection:
            return connection.scalar(select(func.count()).where(alive)) or 0

    def has_messages(self, device_id: str) -> bool:
        """Return whether anything is kept for a device, expired or not."""
        query = select(_columns.sequence).where(_columns.device_key == key(device_id)).limit(1)
        with self._reading() as connection:
            return connection.scalar(query) is not None

    def take_message(
        self, device_id: str, lock: str, now: datetime, until: datetime, most_deliveries: int
    ) -> Taken:
        """
        Lock the oldest free message until a moment, and count its delivery.

        What has expired or was delivered as often as may be is dropped, unless somebody has it.
        """
        with self._writing() as connection:
            alive, dropped = _alive(connection, device_id, now, most_deliveries)
            free = next((row for row in alive if _is_free(row, now)), None)
            if free is None:
                return Taken(None, dropped, min((row.locked_until for row in alive), default=None))
            changed = {"lock": lock, "locked_until": until, "delivery_count": free.delivery_count + 1}
            one = _columns.sequence == free.sequence
            connection.execute(update(cloud_messages).where(one).values(changed))
            row = connection.execute(select(cloud_messages).where(one)).one()
            return Taken(CloudMessage(**without(row, "device_key")), dropped)

    def drop_dead_messages(self, device_id: str, now: datetime, most_deliveries: int) -> int:
        """Take away what `take_message` would, and return how much that was."""
        with self._writing() as connection:
            return _alive(connection, device_id, now, most_deliveries)[1]

    def settle_message(self, device_id: str, lock: str, now: datetime, *, keep: bool) -> bool:
        """Take a locked message away, or with `keep` set it free; False where the lock holds nothing now."""
        locked = (
            (_columns.device_key == key(device_id))
            & (_columns.lock == key(lock))
            & (_columns.locked_until > now)
        )
        change = (
            update(cloud_messages).values(lock=None, locked_until=None) if keep else delete(cloud_messages)
        )
        with self._writing() as connection:
            return connection.execute(change.where(locked)).rowcount > 0

    def purge_messages(self, device_id: str, audit: AuditRecord) -> int | None:
        """Take all messages of a device away, and return how many; None where it is not registered."""
        device_key = key(device_id)
        is_device = (identities.c.device_key == device_key) & (identities.c.module_key == "")
        with self._writing() as connection:
            if connection.scalar(select(func.count()).where(is_device)) == 0:
                return None
            number = connection.execute(
                delete(cloud_messages).where(_columns.device_key == device_key)
            ).rowcount
            write_audit(connection, [structs.replace(audit, effect=f"{number} messages were taken away")])
            return number


def _alive(
    connection: Connection, device_id: str, now: datetime, most_deliveries: int
) -> tuple[Sequence[Row[Any]], int]:
    """Return a device's messages without their bodies once the dead ones are gone, and how many these were."""
    query: Select[Any] = select(
        _columns.sequence, _columns.expires_at, _columns.delivery_count, _columns.locked_until
    ).where(_columns.device_key == key(device_id))
    rows = connection.execute(query.order_by(_columns.sequence)).all()
    dead = [
        row.sequence
        for row in rows
        if _is_free(row, now) and (row.expires_at <= now or row.delivery_count >= most_deliveries)
    ]
    if dead:
        connection.execute(delete(cloud_messages).where(_columns.sequence.in_(dead)))
    return [row for row in rows if row.sequence not in dead], len(dead)


def _is_free(row: Row[Any], now: datetime) -> bool:
    return row.locked_until is None or row.locked_until <= now
