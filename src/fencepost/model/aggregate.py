"""Alerts counted by day, type and device, as the Azure dialect tells of a whole solution."""

from datetime import date, datetime

from msgspec import Struct

from fencepost.model.catalog import Severity


class DeviceCount(Struct, frozen=True):
    """How many of the alerts are of a device, and when it was seen in one last."""

    device_id: str
    alerts: int
    last_at: datetime


class AlertAggregate(Struct, frozen=True, kw_only=True):
    """
    The alerts of one type that started on one day, in UTC.

    `severity` is the highest of them, `still_open` are those neither Resolved nor Dismissed, `devices` at most ten
    with the most of these alerts.
    """

    alert_type: str
    rule_type: str
    day: date
    severity: Severity
    count: int
    still_open: int
    devices: tuple[DeviceCount, ...]


class TypeCount(Struct, frozen=True):
    """How many alerts there are of one type, and the highest of their severities."""

    alert_type: str
    rule_type: str
    severity: Severity
    alerts: int


class DayCount(Struct, frozen=True):
    """How many alerts of one severity started on one day, in UTC, and how many devices they are of."""

    day: date
    severity: Severity
    alerts: int
    devices: int


class AlertMetrics(Struct, frozen=True, kw_only=True):
    """
    What there was since some time: all that an overview needs.

    `unhealthy` are the devices with an alert that is neither Resolved nor Dismissed, `still_open` these alerts by
    severity. `days` are in order, without those on which nothing was; `devices` and `types` are at most ten
    each, those with the most alerts first.
    """

    still_open: dict[Severity, int]
    unhealthy: int
    days: tuple[DayCount, ...]
    devices: tuple[DeviceCount, ...]
    types: tuple[TypeCount, ...]
