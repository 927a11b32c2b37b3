"""
Which alerts fit, in an order, without reading all of them.

Three ways lead to the first so many: walking along the index of the order and passing over what does not fit,
which is cheap where much fits; fetching all that one index holds of what is wanted and sorting it, which is cheap
where that is little; and, where neither is, walking to the end. Which it is to be is tried, not guessed.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    UnaryExpression,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.sql.operators import custom_op

from fencepost.model.instant import micros
from fencepost.model.page import AlertFilter
from fencepost.store.control.alert_rows import group_key
from fencepost.store.control.alert_texts import GRAM, contains, matching
from fencepost.store.control.columns import encoded, key
from fencepost.store.control.reading import behind
from fencepost.store.control.tables import alert_facets, alerts

NEAR = 4000
"""Rows that are walked along before anything else is tried."""
FEW = 5000
"""So few that fetching them all is cheaper than walking."""
MANY = 200_000
"""So many are fetched and sorted at most."""

Place = tuple[int, str]
"""Where an order goes on: behind this time, in microseconds, and this alert."""


class Order(Struct, frozen=True):
    """Alerts by the time in a column, and by their ids where that is the same."""

    column: str
    descending: bool


class Search:
    """The alerts of a filter, as one connection sees them."""

    def __init__(self, connection: Connection, wanted: AlertFilter) -> None:
        self._connection = connection
        self._wanted = wanted
        self._of_facets = [*_facets_of(wanted)]

    def first(self, order: Order, place: Place | None, limit: int) -> Sequence[Row[Any]]:
        """Return `number`, `alert_id` and `time` of the first alerts in an order, behind a place if there is one."""
        if (by := self._narrow()) is not None:
            return self._sorted(order, place, by, limit)
        edge = self._edge(order, place)
        rows = self._walked(order, place, edge, limit)
        if edge is None or len(rows) == limit:
            return rows
        if (by := self._narrower()) is not None:
            return self._sorted(order, place, by, limit)
        return self._walked(order, place, None, limit)

    def narrowest(self) -> str | None:
        """Return the column by which all that fit are found with little to read, None where there is none."""
        return self._narrow() or self._narrower()

    def conditions(self, by: str | None) -> list[ColumnElement[bool]]:
        """Return what all that fit have in common; `by` is the column by which they are to be looked up."""
        return [condition for _, condition in self._conditions(by)]

    def _conditions(self, by: str | None) -> Iterator[tuple[str, ColumnElement[bool]]]:
        """Yield the conditions, each with the name of its column."""
        wanted = self._wanted
        if (facets := self._facets()) is not None:
            yield "facet", self.column("facet", by).in_(facets)
        if wanted.device_id is not None:
            yield "device_key", self.column("device_key", by) == key(wanted.device_id)
        if wanted.assigned_to:
            yield "assigned_key", self.column("assigned_key", by) == key(wanted.assigned_to)
        if wanted.since is not None:
            yield "last_seen_at", self.column("last_seen_at", by) >= wanted.since
        if wanted.until is not None:
            yield "last_seen_at", self.column("last_seen_at", by) < wanted.until
            yield "started_at", self.column("started_at", by) < wanted.until  # none is seen before it starts
        if wanted.text:
            if by == "number" and self._texts is not None:
                yield "number", alerts.c.number.in_(self._texts)
            yield "text", contains(wanted.text, self._connection.dialect.name)

    def column(self, name: str, by: str | None) -> ColumnElement[Any]:
        """Return a column, so that SQLite looks nothing up by it unless it is to."""
        column = alerts.c[name]
        if name == by or self._connection.dialect.name != "sqlite":
            return column
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    def _facets(self) -> Select[Any] | None:
        seen = [] if self._wanted.hidden else [alert_facets.c.hidden.is_(False)]
        conditions = [*seen, *self._of_facets]
        return select(alert_facets.c.facet).where(*conditions) if conditions else None

    @cached_property
    def _texts(self) -> Select[Any] | None:
        """Return the numbers of those that may have the text; few of them are looked up once for all."""
        found = matching(self._connection, self._wanted)
        if found is None:
            return None
        some = self._connection.scalars(found.limit(FEW + 1)).all()
        return found if len(some) > FEW else _of_numbers(some)

    # the ways

    def _edge(self, order: Order, place: Place | None) -> Place | None:
        """Return the place up to which the nearest rows go, None where there are no more than these."""
        by = order.column
        bounds = [condition for name, condition in self._conditions(by) if name == by]
        query = select(alerts.c[by].label("time"), alerts.c.alert_id).where(
            *bounds, *self._behind(order, place, by)
        )
        ordered = self._in_order(query, order, by).offset(NEAR).limit(1)
        found = self._connection.execute(ordered).first()
        return None if found is None else (micros(found.time), found.alert_id)

    def _walked(
        self, order: Order, place: Place | None, edge: Place | None, limit: int
    ) -> Sequence[Row[Any]]:
        query = self._rows(order, place, order.column)
        if edge is not None:
            query = query.where(_up_to(order, edge))
        return self._connection.execute(query.limit(limit)).all()

    def _sorted(self, order: Order, place: Place | None, by: str, limit: int) -> Sequence[Row[Any]]:
        return self._connection.execute(self._rows(order, place, by).limit(limit)).all()

    def _rows(self, order: Order, place: Place | None, by: str) -> Select[Any]:
        columns = (alerts.c.number, alerts.c.alert_id, alerts.c[order.column].label("time"))
        query = select(*columns).where(*self._behind(order, place, by), *self.conditions(by))
        return self._in_order(query, order, by)

    def _behind(self, order: Order, place: Place | None, by: str) -> Iterator[ColumnElement[bool]]:
        if place is not None:
            columns = (self.column(order.column, by), alerts.c.alert_id)
            yield behind(columns, _at(place), descending=order.descending)

    def _in_order(self, query: Select[Any], order: Order, by: str) -> Select[Any]:
        columns = (self.column(order.column, by), alerts.c.alert_id)
        return query.order_by(*(one.desc() if order.descending else one for one in columns))

    # which of them

    def _narrow(self) -> str | None:
        """Return what leads to few alerts for sure."""
        if self._wanted.device_id is not None:
            return "device_key"
        if self._wanted.assigned_to:
            return "assigned_key"
        is_long = self._wanted.text is not None and len(self._wanted.text) >= GRAM
        return "number" if is_long and self._is_at_most(FEW, "number") else None

    def _narrower(self) -> str | None:
        """Return what leads to not too many alerts, the fewest if that is quickly told."""
        ways = ["last_seen_at", "number"]
        if self._of_facets:
            ways.insert(0, "facet")
        return next((by for most in (FEW, MANY) for by in ways if self._is_at_most(most, by)), None)

    def _is_at_most(self, most: int, by: str) -> bool:
        if by == "number":
            found = self._texts
        else:
            own = [condition for name, condition in self._conditions(by) if name == by]
            found = select(alerts.c.number).where(*own) if own else None
        if found is None:
            return False
        counted = select(func.count()).select_from(found.limit(most + 1).subquery())
        return (self._connection.scalar(counted) or 0) <= most


def _of_numbers(numbers: Sequence[int]) -> Select[Any]:
    """Return a query for these numbers: one parameter, however many they are; SQLite only."""
    return select(func.json_each(encoded(numbers).decode()).table_valued("value").c.value)


def _facets_of(wanted: AlertFilter) -> Iterator[ColumnElement[bool]]:
    """Yield what the facets have in common in which something wanted may be."""
    columns = alert_facets.c
    if wanted.states:
        yield columns.state.in_(sorted(wanted.states))
    if wanted.severities:
        yield columns.severity.in_(sorted(wanted.severities))
    if wanted.group is not None:
        yield columns.group_key == group_key(wanted.group)
    if wanted.groups is not None:
        yield columns.group_key.in_(sorted(group_key(name) for name in wanted.groups))
    if wanted.rule_type is not None:
        yield columns.rule_type == key(wanted.rule_type)
    if wanted.assigned_to is not None:
        yield columns.assigned.is_(bool(wanted.assigned_to))


def _up_to(order: Order, edge: Place) -> ColumnElement[bool]:
    here, there = tuple_(alerts.c[order.column], alerts.c.alert_id), tuple_(*_at(edge))
    return here >= there if order.descending else here <= there


def _at(place: Place) -> tuple[ColumnElement[Any], ...]:
    time, alert_id = place
    return literal(time, BigInteger), literal(alert_id)  # perhaps of no year there is
