"""What all questions to the store have in common: a connection that hinders nobody, and pages."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Row, tuple_

from fencepost.model.page import Page
from fencepost.store.control.cursors import Cursor
from fencepost.store.control.faults import faults

T = TypeVar("T")


class Reading:
    """
    A store that can be asked; `name` is how people are told of it.

    Every question sees one state of the store, and raises StoreUnavailable where it cannot be reached.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self._reader = engine

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with faults(self.name), self._reader.connect() as connection:
            yield connection


def behind(
    columns: Sequence[ColumnElement[Any]], place: Sequence[Any], *, descending: bool
) -> ColumnElement[bool]:
    """Return the condition for what comes after a place in a list that is sorted by these columns."""
    here, there = tuple_(*columns), tuple_(*place)
    return here < there if descending else here > there


def without(row: Row[Any], *columns: str) -> dict[str, Any]:
    """Return a row's columns but those that only serve to find it."""
    return {name: value for name, value in row._mapping.items() if name not in columns}  # noqa: SLF001 - public


def page_of(
    rows: Sequence[Row[Any]],
    limit: int,
    item: Callable[[Row[Any]], T],
    cursor: Cursor,
    place: Callable[[Row[Any]], tuple[int | str, ...]],
) -> Page[T]:
    """Return the first `limit` rows as a page; one more row says that there is another."""
    shown = rows[:limit]
    return Page([item(row) for row in shown], cursor.write(*place(shown[-1])) if len(rows) > limit else None)
