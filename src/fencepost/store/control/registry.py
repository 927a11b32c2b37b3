"""The identity registry: who may connect, and the twins."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, delete, func, insert, select

from fencepost.model.identity import SECURITY_MODULE, Identity, IdentityKey, Status
from fencepost.model.page import Page
from fencepost.model.registry import Registered, RegistryChange, TagState
from fencepost.store.control.changing import write_audit
from fencepost.store.control.columns import key
from fencepost.store.control.cursors import Cursor, Name, check_limit
from fencepost.store.control.engines import Engines
from fencepost.store.control.reading import behind, page_of
from fencepost.store.control.statements import Merge, newer, run, upsert
from fencepost.store.control.subscriptions import SubscriptionRows
from fencepost.store.control.tables import (
    DEVICE,
    access_tokens,
    cloud_messages,
    devices,
    group_spellings,
    identities,
    is_of,
    kept_answers,
    keys_of,
    solutions,
    subscriptions,
    users,
)

AT_ONCE = 1000
_OF_IDENTITY = (identities, subscriptions)
_OF_AZURE = (solutions, group_spellings)
_columns = identities.c
_whole = select(_columns.identity, _columns.twin, _columns.tag)
_are_devices = _columns.module_key == DEVICE
_by_id = Cursor("identities", tuple[Name, Name])
_CHANGED: dict[str, Merge] = dict.fromkeys(("status", "tag", "identity", "twin"), newer)


class RegistryRows(SubscriptionRows):
    """Devices and modules with their twins, by their ids, bytewise, and what goes with them."""

    def __init__(self, engines: Engines) -> None:
        super().__init__(engines)
        self._put = upsert(identities, engines.reader.dialect.name, _CHANGED)

    def identity(self, wanted: IdentityKey) -> Identity | None:
        """Return an identity, None where it is not registered."""
        with self._reading() as connection:
            return connection.scalar(select(_columns.identity).where(is_of(identities, wanted)))

    def registered(self, wanted: IdentityKey) -> Registered | None:
        """Return an identity with its twin, None where it is not registered."""
        with self._reading() as connection:
            row = connection.execute(_whole.where(is_of(identities, wanted))).first()
        return None if row is None else Registered(*row)

    def identities_of(self, device_ids: Sequence[str]) -> list[Identity]:
        """Return what is registered of some devices: each device, then its modules."""
        query = select(_columns.identity).where(
            _columns.device_key.in_([key(device_id) for device_id in device_ids])
        )
        with self._reading() as connection:
            return [*connection.scalars(query.order_by(_columns.device_key, _columns.module_key))]

    def identities(self, *, after: str | None, limit: int) -> Page[Identity]:
        """Return devices without their modules; raises OperatorError for a wrong `after` or limit."""
        query = select(_columns.identity, _columns.device_key, _columns.module_key)
        rows = self._page(query, after, limit)
        return page_of(rows, limit, lambda row: row.identity, _by_id, _place)

    def twins(self, *, modules: bool, after: str | None, limit: int) -> Page[Registered]:
        """Return devices, or modules instead, with their twins."""
        query = _whole.add_columns(_columns.device_key, _columns.module_key)
        rows = self._page(query, after, limit, modules=modules)
        return page_of(rows, limit, lambda row: Registered(*row[:3]), _by_id, _place)

    def registry_counts(self) -> dict[Status, int]:
        """Return how many devices are enabled and disabled; a look into an index only."""
        query = select(_columns.status, func.count()).where(_are_devices)
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(_columns.status))}

    def tags(self, device_ids: Sequence[str]) -> list[TagState]:
        """Return how the tags of some devices stand, registered or not, in this order."""
        keys = [key(device_id) for device_id in device_ids]
        with self._reading() as connection:
            return _states(connection, device_ids, keys)

    def all_tags(self, *, after: str | None, limit: int) -> Page[TagState]:
        """Return how the tags of all registered devices stand."""
        query = select(_columns.device_key, _columns.module_key)
        rows = self._page(query, after, limit)
        keys = [row.device_key for row in rows[:limit]]
        with self._reading() as connection:
            states = iter(_states(connection, keys, keys))
        return page_of(rows, limit, lambda _: next(states), _by_id, _place)

    def change_registry(self, change: RegistryChange) -> None:
        """Make all of a change in one durable transaction."""
        with self._writing() as connection:
            for wanted in change.deleted:
                _delete(connection, wanted)
            run(connection, self._put, [_row(one) for one in change.put])
            write_audit(connection, change.audit)

    def registry_rows(self) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
        """Yield all that no journal has, in parts: identities with all that is theirs, users, tokens."""
        with self._reading() as connection:
            for table in (*_OF_IDENTITY, cloud_messages, users, access_tokens, *_OF_AZURE, kept_answers):
                rows = connection.execution_options(yield_per=AT_ONCE).execute(select(table))
                for part in rows.mappings().partitions():
                    yield table, [dict(row) for row in part]

    def adopt_registry(self, source: "RegistryRows") -> int:
        """Take over the registry of another store, where this one has none yet; returns the number of identities."""
        adopted = 0
        with self._writing() as connection:
            for table, rows in source.registry_rows():
                connection.execute(insert(table), rows)
                adopted += len(rows) if table is identities else 0
        return adopted

    def _page(
        self, query: Select[Any], after: str | None, limit: int, *, modules: bool = False
    ) -> Sequence[Row[Any]]:
        """Devices are sorted by their ids alone: so an index of devices has them in their order."""
        check_limit(limit)
        columns = (_columns.device_key, _columns.module_key) if modules else (_columns.device_key,)
        if after is not None:
            place = _by_id.read(after)[: len(columns)]
            query = query.where(behind(columns, place, descending=False))
        query = query.where(~_are_devices if modules else _are_devices)
        with self._reading() as connection:
            return connection.execute(query.order_by(*columns).limit(limit + 1)).all()


def _place(row: Row[Any]) -> tuple[str, str]:
    return row.device_key, row.module_key


def _row(one: Registered) -> dict[str, Any]:
    return {
        **keys_of(one.identity.key),
        "status": one.identity.status,
        "tag": one.tag,
        "identity": one.identity,
        "twin": one.twin,
    }


def _delete(connection: Connection, wanted: IdentityKey) -> None:
    if wanted.module_id is not None:
        for table in _OF_IDENTITY:
            connection.execute(delete(table).where(is_of(table, wanted)))
        return
    for table in (*_OF_IDENTITY, cloud_messages):
        connection.execute(delete(table).where(table.c.device_key == key(wanted.device_id)))


def _states(connection: Connection, device_ids: Sequence[str], keys: Sequence[str]) -> list[TagState]:
    """The tag of the device's own twin goes first, then that of its security module (S25)."""
    query = select(_columns.device_key, _columns.module_key, _columns.tag).where(
        _columns.device_key.in_(keys), _columns.module_key.in_((DEVICE, SECURITY_MODULE))
    )
    twins = {(row.device_key, row.module_key): row.tag for row in connection.execute(query)}
    known = select(devices.c.device_key, devices.c.tag).where(devices.c.device_key.in_(keys))
    journalled = {row.device_key: row.tag for row in connection.execute(known)}
    return [
        TagState(
            device_id=device_id,
            is_registered=(one, DEVICE) in twins,
            wanted=twins.get((one, DEVICE)) or twins.get((one, SECURITY_MODULE)),
            is_known=one in journalled,
            tag=journalled.get(one),
        )
        for device_id, one in zip(device_ids, keys, strict=True)
    ]
