"""What clients with clean session 0 are subscribed to."""

from collections.abc import Mapping

from sqlalchemy import delete, exists, select

from fencepost.model.identity import IdentityKey
from fencepost.store.control.changing import Changing
from fencepost.store.control.engines import Engines
from fencepost.store.control.statements import newer, run, upsert
from fencepost.store.control.tables import identities, is_of, keys_of, subscriptions


class SubscriptionRows(Changing):
    """Topic filters of identities, each with its QoS."""

    def __init__(self, engines: Engines) -> None:
        super().__init__(engines)
        self._put_filters = upsert(subscriptions, engines.reader.dialect.name, {"filters": newer})

    def subscriptions(self, wanted: IdentityKey) -> dict[str, int]:
        """Return the filters of an identity, with the QoS of each; none for a stranger."""
        with self._reading() as connection:
            return (
                connection.scalar(select(subscriptions.c.filters).where(is_of(subscriptions, wanted))) or {}
            )

    def put_subscriptions(self, of_identities: Mapping[IdentityKey, dict[str, int]]) -> None:
        """
        Set the filters of some identities in one durable transaction; empty ones leave nothing behind.

        Whoever is not registered, or no longer, gets none.
        """
        with self._writing() as connection:
            rows = []
            for wanted, filters in of_identities.items():
                if not filters:
                    connection.execute(delete(subscriptions).where(is_of(subscriptions, wanted)))
                elif connection.scalar(select(exists().where(is_of(identities, wanted)))):
                    rows.append({**keys_of(wanted), "filters": filters})
            run(connection, self._put_filters, rows)
