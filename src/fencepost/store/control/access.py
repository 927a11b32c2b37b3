"""Users and tokens: few enough to be read whole, at the start."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Connection, bindparam, delete, select

from fencepost.model.access import AccessChange, AccessToken, User
from fencepost.store.control.changing import Changing, write_audit
from fencepost.store.control.columns import key
from fencepost.store.control.engines import Engines
from fencepost.store.control.statements import newer, run, upsert
from fencepost.store.control.tables import access_tokens, users


class AccessRows(Changing):
    """Who may sign in, and the tokens that stand for somebody; names are looked up without case."""

    def __init__(self, engines: Engines) -> None:
        super().__init__(engines)
        dialect = engines.reader.dialect.name
        self._put_users = upsert(users, dialect, {"body": newer})
        self._put_tokens = upsert(access_tokens, dialect, {"body": newer})

    def users(self) -> list[User]:
        """Return all users by their names, without case."""
        with self._reading() as connection:
            return [*connection.scalars(select(users.c.body).order_by(users.c.name_key))]

    def access_tokens(self) -> list[AccessToken]:
        """Return all tokens by their ids."""
        with self._reading() as connection:
            return [*connection.scalars(select(access_tokens.c.body).order_by(access_tokens.c.token_id))]

    def change_access(self, change: AccessChange) -> None:
        """Make all of a change in one durable transaction; what is deleted goes before what is put."""
        with self._writing() as connection:
            _delete(connection, users.c.name_key, [_name_key(name) for name in change.users_deleted])
            _delete(connection, access_tokens.c.token_id, change.tokens_deleted)
            run(connection, self._put_users, [_row_of(user) for user in change.users_put])
            rows = [{"token_id": token.token_id, "body": token} for token in change.tokens_put]
            run(connection, self._put_tokens, rows)
            write_audit(connection, change.audit)


def _delete(connection: Connection, column: Column[str], values: Sequence[str]) -> None:
    if values:
        gone = delete(column.table).where(column == bindparam("gone"))
        connection.execute(gone, [{"gone": value} for value in values])


def _row_of(user: User) -> dict[str, Any]:
    return {"name_key": _name_key(user.name), "body": user}


def _name_key(name: str) -> str:
    return key(name.casefold())
