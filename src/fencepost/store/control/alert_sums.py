"""Alerts counted by what they have in common."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    case,
    cast,
    func,
    literal,
    select,
)

from fencepost.model.aggregate import AlertAggregate, AlertMetrics, DayCount, DeviceCount, TypeCount
from fencepost.model.catalog import CATALOG, Severity
from fencepost.model.page import AlertFilter, SummaryBy, SummaryRow
from fencepost.store.control.alert_listing import SEVERITIES
from fencepost.store.control.alert_search import Search
from fencepost.store.control.columns import Moment
from fencepost.store.control.cursors import check_limit
from fencepost.store.control.reading import Reading
from fencepost.store.control.tables import alert_facets, alerts, devices, groups

TOP = 10
"""Devices, and types, that are named."""

Conditions = Sequence[ColumnElement[bool]]
Groups = frozenset[str] | None
"""Names without case of which an alert's group is one; None for all there are."""

_DAY = timedelta(days=1) // timedelta(microseconds=1)
_FIRST = date(1970, 1, 1)

_facets = alert_facets.c
_same_facet = _facets.facet == alerts.c.facet
_day = cast(alerts.c.started_at, BigInteger) // literal(_DAY, BigInteger)
_is_open = case((_facets.state.in_(["Resolved", "Dismissed"]), 0), else_=1)
_rank = case({severity: rank for rank, severity in enumerate(SEVERITIES)}, value=_facets.severity)


class AlertSums(Reading):
    """How many alerts there are of what."""

    def alert_summary(self, wanted: AlertFilter, by: SummaryBy, *, limit: int = 100) -> list[SummaryRow]:
        """Return what alerts have in common, that of the most alerts first; raises OperatorError for the limit."""
        check_limit(limit)
        with self._reading() as connection:
            rows = connection.execute(_summary(Search(connection, wanted), by, limit)).all()
        return [
            SummaryRow(
                key=_day_of(row.key).isoformat() if by == "day" else row.key,
                alerts=int(row.alerts),
                still_open=int(row.still_open),
                occurrences=int(row.occurrences),
                devices=row.devices,
                first_at=row.first_at,
                last_at=row.last_at,
            )
            for row in rows
        ]

    def alert_aggregates(self, since: datetime, *, groups: Groups = None) -> list[AlertAggregate]:
        """Return the alerts that started since a moment, by type and day, the latest day first."""
        with self._reading() as connection:
            search = Search(connection, AlertFilter(groups=groups))
            rows = connection.execute(_aggregates(_since(search, since, None))).all()
        days = groupby(rows, key=lambda row: (row.day, row.rule_type))
        return [_aggregate(list(some)) for _, some in days]

    def alert_metrics(self, since: datetime, *, groups: Groups = None) -> AlertMetrics:
        """Return how the fleet is, and how it has been since a moment."""
        still_open = AlertFilter(states=frozenset({"Active", "InProgress"}), groups=groups)
        with self._reading() as connection:
            search = Search(connection, AlertFilter(groups=groups))
            begun, in_order = _since(search, since, "started_at"), _since(search, since, None)
            is_open = Search(connection, still_open).conditions("facet")
            unhealthy = select(func.count(alerts.c.device_key.distinct())).where(*is_open)
            return AlertMetrics(
                still_open=_by_severity(connection, is_open),
                unhealthy=connection.scalar(unhealthy) or 0,
                days=_days(connection, in_order),
                devices=_top_devices(connection, in_order),
                types=_top_types(connection, begun),
            )


# the summary


def _summary(search: Search, by: SummaryBy, limit: int) -> Select[Any]:
    """Return the query for the rows, with the names of what they are by."""
    counted = _by_row(search, by) if by in {"value", "day"} else _by_part(search, by)
    key, number = counted.selected_columns["key"], counted.selected_columns["alerts"]
    top = counted.order_by(number.desc(), key.is_not(None), key).limit(limit).subquery()
    shown: ColumnElement[Any] = top.c.key
    query = select(top)
    if by == "device_id":
        shown = func.coalesce(devices.c.device_id, top.c.key, type_=devices.c.device_id.type)
        query = query.join(devices, devices.c.device_key == top.c.key, isouter=True)
    if by == "group":
        shown = func.coalesce(groups.c.name, top.c.key, type_=groups.c.name.type)
        query = query.join(groups, groups.c.name_key == top.c.key, isouter=True)
    others = [column for column in top.c if column.key != "key"]
    return query.with_only_columns(shown.label("key"), *others).order_by(
        top.c.alerts.desc(), top.c.key.is_not(None), top.c.key
    )


def _by_part(search: Search, by: SummaryBy) -> Select[Any]:
    """
    Return the query that counts alerts of a device and a facet together first, and then these.

    An index has all of that in order.
    """
    same = (alerts.c.device_key, alerts.c.facet)
    numbers = (
        func.count().label("alerts"),
        func.sum(alerts.c.count).label("occurrences"),
        func.min(alerts.c.started_at, type_=Moment).label("first_at"),
        func.max(alerts.c.last_seen_at, type_=Moment).label("last_at"),
    )
    fits = search.conditions(search.narrowest())
    parts = select(*same, *numbers).where(*fits).group_by(*same).subquery()
    key = parts.c.device_key if by == "device_id" else _facets["group_key" if by == "group" else by]
    return (
        select(
            key.label("key"),
            func.sum(parts.c.alerts).label("alerts"),
            func.sum(_is_open * parts.c.alerts).label("still_open"),
            func.sum(parts.c.occurrences).label("occurrences"),
            func.count(parts.c.device_key.distinct()).label("devices"),
            func.min(parts.c.first_at, type_=Moment).label("first_at"),
            func.max(parts.c.last_at, type_=Moment).label("last_at"),
        )
        .join_from(parts, alert_facets, _facets.facet == parts.c.facet)
        .group_by(key)
    )


def _by_row(search: Search, by: SummaryBy) -> Select[Any]:
    """Return the query that counts alerts one by one, by what stands in the table only."""
    key = alerts.c.value if by == "value" else _day
    return (
        select(
            key.label("key"),
            func.count().label("alerts"),
            func.sum(_is_open).label("still_open"),
            func.sum(alerts.c.count).label("occurrences"),
            func.count(alerts.c.device_key.distinct()).label("devices"),
            func.min(alerts.c.started_at, type_=Moment).label("first_at"),
            func.max(alerts.c.last_seen_at, type_=Moment).label("last_at"),
        )
        .join_from(alerts, alert_facets, _same_facet)
        .where(*search.conditions(search.narrowest()))
        .group_by(key)
    )


# aggregates and metrics


def _since(search: Search, since: datetime, by: str | None) -> Conditions:
    """Return what all have in common that fit and started since a moment; `by` is what they are looked up by."""
    return [search.column("started_at", by) >= since, *search.conditions(by)]


def _by_day(begun: Conditions) -> Subquery:
    """Return how many alerts there are of each device, facet and day: an index has what that takes."""
    day = _day.label("day")
    numbers = (func.count().label("alerts"), func.max(alerts.c.last_seen_at, type_=Moment).label("last_at"))
    same = (alerts.c.device_key, alerts.c.facet)
    return select(*same, day, *numbers).where(*begun).group_by(*same, _day).subquery()


def _aggregates(begun: Conditions) -> Select[Any]:
    """Return the query for the devices with the most alerts of each type and day, with the sums of these."""
    parts = _by_day(begun)
    of_devices = (
        select(
            _facets.rule_type,
            parts.c.day,
            parts.c.device_key,
            func.sum(parts.c.alerts).label("alerts"),
            func.sum(_is_open * parts.c.alerts).label("still_open"),
            func.max(_rank).label("rank"),
            func.max(parts.c.last_at, type_=Moment).label("last_at"),
        )
        .join_from(parts, alert_facets, _facets.facet == parts.c.facet)
        .group_by(_facets.rule_type, parts.c.day, parts.c.device_key)
        .subquery()
    )
    same = [of_devices.c.rule_type, of_devices.c.day]
    most = (of_devices.c.alerts.desc(), of_devices.c.device_key)
    placed = select(
        of_devices,
        func.row_number().over(partition_by=same, order_by=most).label("place"),
        func.sum(of_devices.c.alerts).over(partition_by=same).label("all_alerts"),
        func.sum(of_devices.c.still_open).over(partition_by=same).label("all_open"),
        func.max(of_devices.c.rank).over(partition_by=same).label("highest"),
    ).subquery()
    return (
        _with_ids(placed)
        .where(placed.c.place <= TOP)
        .order_by(placed.c.day.desc(), placed.c.rule_type, placed.c.place)
    )


def _aggregate(rows: Sequence[Row[Any]]) -> AlertAggregate:
    one = rows[0]
    return AlertAggregate(
        alert_type=_alert_type(one.rule_type),
        rule_type=one.rule_type,
        day=_day_of(one.day),
        severity=SEVERITIES[one.highest],
        count=int(one.all_alerts),
        still_open=int(one.all_open),
        devices=tuple(DeviceCount(row.device_id, int(row.alerts), row.last_at) for row in rows),
    )


def _by_severity(connection: Connection, fits: Conditions) -> dict[Severity, int]:
    query = select(_facets.severity, func.count().label("alerts"))
    query = query.join_from(alerts, alert_facets, _same_facet).where(*fits).group_by(_facets.severity)
    return {row.severity: row.alerts for row in connection.execute(query)}


def _days(connection: Connection, begun: Conditions) -> tuple[DayCount, ...]:
    parts = _by_day(begun)
    query = (
        select(
            parts.c.day,
            _facets.severity,
            func.sum(parts.c.alerts).label("alerts"),
            func.count(parts.c.device_key.distinct()).label("devices"),
        )
        .join_from(parts, alert_facets, _facets.facet == parts.c.facet)
        .group_by(parts.c.day, _facets.severity)
    )
    rows = sorted(connection.execute(query), key=lambda row: (row.day, SEVERITIES.index(row.severity)))
    return tuple(DayCount(_day_of(row.day), row.severity, int(row.alerts), row.devices) for row in rows)


def _top_devices(connection: Connection, fits: Conditions) -> tuple[DeviceCount, ...]:
    number = func.count()
    last_at = func.max(alerts.c.last_seen_at, type_=Moment)
    top = (
        select(alerts.c.device_key, number.label("alerts"), last_at.label("last_at"))
        .where(*fits)
        .group_by(alerts.c.device_key)
        .order_by(number.desc(), alerts.c.device_key)
        .limit(TOP)
        .subquery()
    )
    rows = connection.execute(_with_ids(top).order_by(top.c.alerts.desc(), top.c.device_key))
    return tuple(DeviceCount(row.device_id, row.alerts, row.last_at) for row in rows)


def _top_types(connection: Connection, fits: Conditions) -> tuple[TypeCount, ...]:
    number = func.count()
    query = (
        select(_facets.rule_type, number.label("alerts"), func.max(_rank).label("highest"))
        .join_from(alerts, alert_facets, _same_facet)
        .where(*fits)
        .group_by(_facets.rule_type)
        .order_by(number.desc(), _facets.rule_type)
        .limit(TOP)
    )
    return tuple(
        TypeCount(_alert_type(row.rule_type), row.rule_type, SEVERITIES[row.highest], row.alerts)
        for row in connection.execute(query)
    )


# names


def _with_ids(top: Subquery) -> Select[Any]:
    """Return the query for rows that have a device's key with its id, which is longer where the key is none."""
    shown = func.coalesce(devices.c.device_id, top.c.device_key, type_=devices.c.device_id.type)
    of_device = devices.c.device_key == top.c.device_key
    return select(top, shown.label("device_id")).join_from(top, devices, of_device, isouter=True)


def _alert_type(rule_type: str) -> str:
    return CATALOG[rule_type].alert_type if rule_type in CATALOG else f"IoT_CA_{rule_type}"


def _day_of(number: int) -> date:
    return _FIRST + timedelta(days=number)
