"""The orders in which alerts are listed, and where the page of each ends."""

from typing import Annotated, Literal, Protocol, get_args

from msgspec import Meta, structs
from sqlalchemy import Connection

from fencepost.model.catalog import Severity
from fencepost.model.instant import micros
from fencepost.model.page import AlertFilter, AlertSort, Page
from fencepost.store.control.alert_search import Order, Place, Search
from fencepost.store.control.cursors import Cursor, Name, Number

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the least to the most severe."""
_Rank = Annotated[int, Meta(ge=0, lt=len(SEVERITIES))]


class Listing(Protocol):
    """One order of alerts."""

    def page(self, connection: Connection, wanted: AlertFilter, after: str | None, limit: int) -> Page[int]:
        """Return the numbers of a page's alerts; raises OperatorError for an `after` of another list."""


class _ByTime:
    def __init__(self, sort: AlertSort, column: Literal["started_at", "last_seen_at"]) -> None:
        self._cursor = Cursor(_name(sort), tuple[Number, Name])
        self._order = Order(column, descending=sort.startswith("-"))

    def page(self, connection: Connection, wanted: AlertFilter, after: str | None, limit: int) -> Page[int]:
        place: Place | None = None if after is None else self._cursor.read(after)
        rows = Search(connection, wanted).first(self._order, place, limit + 1)
        if len(rows) <= limit:
            return Page([row.number for row in rows])
        rows = rows[:limit]
        last = self._cursor.write(micros(rows[-1].time), rows[-1].alert_id)
        return Page([row.number for row in rows], last)


class _BySeverity:
    """One severity after the other, each by the time of the start."""

    def __init__(self, sort: AlertSort) -> None:
        self._cursor = Cursor(_name(sort), tuple[_Rank, Number, Name])
        self._order = Order("started_at", descending=sort.startswith("-"))

    def page(self, connection: Connection, wanted: AlertFilter, after: str | None, limit: int) -> Page[int]:
        reached, place = self._place(after)
        found: list[tuple[int, int, str, int]] = []
        for rank in range(reached, -1, -1) if self._order.descending else range(reached, len(SEVERITIES)):
            severity = SEVERITIES[rank]
            if not wanted.severities or severity in wanted.severities:
                some = Search(connection, structs.replace(wanted, severities=frozenset({severity})))
                rows = some.first(self._order, place if rank == reached else None, limit + 1 - len(found))
                found += [(rank, micros(row.time), row.alert_id, row.number) for row in rows]
            if len(found) > limit:
                last = self._cursor.write(*found[limit - 1][:3])
                return Page([number for *_, number in found[:limit]], last)
        return Page([number for *_, number in found])

    def _place(self, after: str | None) -> tuple[int, Place | None]:
        if after is None:
            return (len(SEVERITIES) - 1 if self._order.descending else 0), None
        rank, time, alert_id = self._cursor.read(after)
        return rank, (time, alert_id)


def listing(sort: AlertSort) -> Listing:
    """Return how alerts are listed in an order."""
    return _LISTINGS[sort]


def _name(sort: AlertSort) -> str:
    return "alerts" if sort == "-started_at" else f"alerts {sort}"


_LISTINGS: dict[AlertSort, Listing] = {
    "-started_at": _ByTime("-started_at", "started_at"),
    "started_at": _ByTime("started_at", "started_at"),
    "-last_seen_at": _ByTime("-last_seen_at", "last_seen_at"),
    "last_seen_at": _ByTime("last_seen_at", "last_seen_at"),
    "-severity": _BySeverity("-severity"),
    "severity": _BySeverity("severity"),
}
