"""
What an error of a database means, and who must act.

The world (no connection, a full disk, a lock) is StoreUnavailable: the same call may succeed later. Damage
and what stands wrong in the configuration are for the operator. Everything else is ours, and stays as it is.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from fencepost.model.errors import FencepostError, OperatorError, Problem, StoreUnavailable

_SQLITE_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
_SQLITE_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SQLITE_OPENING = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY})
_PRIMARY = 0xFF
"""The part of an SQLite error code that says what; the rest says where."""

_POSTGRESQL_PASSING = ("08", "28", "3D", "40", "53", "55", "57", "58")
"""Classes of SQLSTATE: connection, login, database gone, rollback, resources, locks, shutdown, system error."""
_READ_ONLY = "25006"
_DAMAGE = ("XX001", "XX002")
_NOT_ALLOWED = "42501"
_REFUSALS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "permission denied",
)
"""What PostgreSQL says to a login that will not do; it has no SQLSTATE at that moment."""


@contextmanager
def faults(name: str, *, opening: bool = False) -> Iterator[None]:
    """
    Raise errors of a database as what they mean.

    `opening` says that nothing has worked yet: what will not mend itself is then the operator's.
    """
    try:
        yield
    except exc.DBAPIError as error:
        if (meaning := _meaning(error, name, opening=opening)) is None:
            raise
        raise meaning from error
    except exc.TimeoutError as error:
        raise StoreUnavailable(f"{name}: all connections are busy") from error


def _meaning(error: exc.DBAPIError, name: str, *, opening: bool) -> FencepostError | None:
    reason = str(error.orig).strip().partition("\n")[0]
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error.orig, reason, name, opening=opening)
    state = getattr(error.orig, "sqlstate", None)
    if state in _DAMAGE:
        return _damaged(name, reason)
    refused = isinstance(error, exc.ProgrammingError) or any(refusal in reason for refusal in _REFUSALS)
    if opening and (state == _NOT_ALLOWED or (state is None and refused)):
        return operator_error(name, f"{reason}: mend the address of the database, or the rights of its role")
    lost = state is None and isinstance(error, exc.InterfaceError | exc.OperationalError)
    if error.connection_invalidated or lost or state == _READ_ONLY or str(state)[:2] in _POSTGRESQL_PASSING:
        return StoreUnavailable(f"{name}: {reason}")
    return None


def _of_sqlite(error: sqlite3.Error, reason: str, name: str, *, opening: bool) -> FencepostError | None:
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code in _SQLITE_DAMAGE:
        return _damaged(name, reason)
    if opening and code in _SQLITE_OPENING:
        return operator_error(
            name, f"{reason}: the service must be able to read and write the file and its folder"
        )
    return StoreUnavailable(f"{name}: {reason}") if code in _SQLITE_PASSING else None


def _damaged(name: str, reason: str) -> OperatorError:
    return operator_error(
        name,
        f"{reason}: stop the service, put the database aside, and put a backup in its place or make the store"
        " again from the journal with 'fencepost rebuild'",
    )


def operator_error(name: str, reason: str) -> OperatorError:
    """Return the error of one thing that is wrong with a database."""
    return OperatorError([Problem("", reason, name)])
