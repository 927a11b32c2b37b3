"""Statements that both databases understand, and what becomes of a row that is there already."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, Connection, Insert, Table, case, func
from sqlalchemy.dialects import postgresql, sqlite

Merge = Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[Any]]
"""Makes one of the value that a row has and the value that comes."""


def newer(known: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return new


def either(known: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(new, known)


def total(known: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return known + new


def earliest(known: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((new < known, new), else_=func.coalesce(known, new))


def latest(known: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((new > known, new), else_=func.coalesce(known, new))


def run(connection: Connection, statement: Insert, rows: Sequence[dict[str, Any]]) -> None:
    """Execute a statement for all rows, if there are any."""
    if rows:
        connection.execute(statement, rows)


def upsert(
    table: Table, dialect: str, merges: dict[str, Merge], *, by: Sequence[Column[Any]] | None = None
) -> Insert:
    """
    Return an insert that, where the row is there already, changes these columns of it instead.

    It is there where `by` are the same, the primary key unless something else is said.
    """
    statement: Any = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    changed = {name: merge(table.c[name], statement.excluded[name]) for name, merge in merges.items()}
    return cast(
        "Insert", statement.on_conflict_do_update(index_elements=[*(by or table.primary_key)], set_=changed)
    )
