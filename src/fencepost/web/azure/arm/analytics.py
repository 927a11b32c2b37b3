"""`analyticsModels` of a security solution: what has been wrong lately, counted by day, type and device."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from litestar import Response

from fencepost.model.aggregate import AlertAggregate, AlertMetrics, DayCount
from fencepost.model.alert import State
from fencepost.model.catalog import CATALOG, RuleType, Severity
from fencepost.model.page import AlertFilter
from fencepost.model.solution import SecuritySolution
from fencepost.web.azure.arm.alert_bodies import seven_digits
from fencepost.web.azure.arm.calls import SKIP, Call, answered, done, listed
from fencepost.web.azure.arm.errors import ArmError, forbidden, not_found
from fencepost.web.azure.arm.solution_bodies import id_of
from fencepost.web.azure.arm.solutions import standing

DAYS = timedelta(days=30)
"""How far back it is counted."""
MODEL = "default"
TOP = 3
PAGE, MOST_AT_ONCE = 100, 1000
OPEN: frozenset[State] = frozenset({"Active", "InProgress"})
MODEL_TYPE = "Microsoft.Security/IoTSecuritySolutionAnalyticsModel"
ALERT_TYPE = "Microsoft.Security/IoTSecurityAggregatedAlert"
RECOMMENDATION_TYPE = "Microsoft.Security/IoTSecurityAggregatedRecommendation"
_SEVERITIES: dict[str, Severity] = {"high": "High", "medium": "Medium", "low": "Low"}
_BY_ALERT_TYPE = {row.alert_type.casefold(): row for row in CATALOG.values()}


async def list_models(call: Call) -> Response[bytes]:
    """Return the one model."""
    return answered({"value": [await _model(call, standing(call))]})


async def get_model(call: Call) -> Response[bytes]:
    """Return the model."""
    return answered(await _model(call, _solution(call)))


async def list_aggregated(call: Call) -> Response[bytes]:
    """Return the alerts of each type and day, the latest day first."""
    solution, limit = _solution(call), call.top("$top", PAGE)
    found = await _aggregates(call, _since(call))
    begin = _offset(call.query(SKIP))
    skip = str(begin + limit) if begin + limit < len(found) else None
    page = [_shown(call, solution, one) for one in found[begin : begin + limit]]
    return listed(page, call.next_link(skip))


async def get_aggregated(call: Call) -> Response[bytes]:
    """Return the alerts of one type and day."""
    solution = _solution(call)
    return answered(_shown(call, solution, await _aggregate(call, _row(call), _day(call))))


async def dismiss_aggregated(call: Call) -> Response[bytes]:
    """Dismiss all open alerts of one type that started on one day, in the groups where the caller may."""
    _solution(call)
    if not call.principal.may_somewhere("analyst"):
        raise forbidden("analyst", "a group of devices")
    row, day = _row(call), _day(call)
    await _aggregate(call, row, day)
    found = await _open_alerts(call, row, day)
    for begin in range(0, len(found), MOST_AT_ONCE):
        part = found[begin : begin + MOST_AT_ONCE]
        await call.service.commands.act_on_many(part, "dismiss", call.actor, None)
    return done(200)


async def list_recommendations(call: Call) -> Response[bytes]:
    """Return what devices might do better: nothing is looked for so far."""
    _solution(call)
    call.top("$top", PAGE)
    return listed([])


async def get_recommendation(call: Call) -> Response[bytes]:
    """Return one recommendation: there is none so far."""
    _solution(call)
    raise not_found(RECOMMENDATION_TYPE, call.names["recommendation"])


# what is asked


def _solution(call: Call) -> SecuritySolution:
    solution = standing(call)
    if call.names.get("model", MODEL).casefold() != MODEL:
        raise not_found(MODEL_TYPE, call.names["model"])
    return solution


def _since(call: Call) -> datetime:
    """Return the beginning of the first day that is counted."""
    return datetime.combine((call.service.clock() - DAYS).date(), time(), UTC)


def _row(call: Call) -> RuleType:
    row = _BY_ALERT_TYPE.get(call.names["type"].casefold())
    if row is None:
        raise _unknown(call)
    return row


def _day(call: Call) -> date:
    try:
        return date.fromisoformat(call.names["day"])
    except ValueError:
        raise _unknown(call) from None


def _unknown(call: Call) -> ArmError:
    return not_found(ALERT_TYPE, f"{call.names['type']}/{call.names['day']}")


def _offset(said: str | None) -> int:
    if said is None:
        return 0
    if not (said.isascii() and said.isdecimal() and len(said) <= 9):  # noqa: PLR2004
        raise ArmError(400, "InvalidSkipToken", "This is no place that a page gave.", target=SKIP)
    return int(said)


async def _aggregates(call: Call, since: datetime) -> list[AlertAggregate]:
    found = await asyncio.to_thread(
        call.service.store.alert_aggregates, since, groups=call.principal.groups()
    )
    return sorted(found, key=lambda one: (-one.day.toordinal(), one.alert_type))


async def _aggregate(call: Call, row: RuleType, day: date) -> AlertAggregate:
    """Return the alerts of a type and a day; raises ArmError where there are none that the caller may see."""
    for one in await _aggregates(call, datetime.combine(day, time(), UTC)):
        if one.rule_type == row.name and one.day == day:
            return one
    raise _unknown(call)


async def _open_alerts(call: Call, row: RuleType, day: date) -> list[str]:
    """Return the open alerts of a type that started on a day: what started then was seen then, or later."""
    begin = datetime.combine(day, time(), UTC)
    end = begin + timedelta(days=1)
    wanted = AlertFilter(
        states=OPEN, rule_type=row.name, since=begin, groups=call.principal.groups("analyst")
    )
    found: list[str] = []
    after: str | None = None
    while True:
        page = await asyncio.to_thread(call.service.store.alerts, wanted, after=after, limit=MOST_AT_ONCE)
        found += [alert.alert_id for alert in page.items if begin <= alert.started_at < end]
        after = page.after
        if after is None or page.items[-1].started_at < begin:  # the latest come first
            return found


# what is shown


async def _model(call: Call, solution: SecuritySolution) -> dict[str, Any]:
    metrics = await asyncio.to_thread(
        call.service.store.alert_metrics, _since(call), groups=call.principal.groups()
    )
    return {
        "id": f"{id_of(solution, call.place)}/analyticsModels/{MODEL}",
        "name": MODEL,
        "type": MODEL_TYPE,
        "properties": _metrics_shown(metrics),
    }


def _metrics_shown(metrics: AlertMetrics) -> dict[str, Any]:
    days = sorted({one.day for one in metrics.days})
    return {
        "metrics": {name: metrics.still_open.get(severity, 0) for name, severity in _SEVERITIES.items()},
        "unhealthyDeviceCount": metrics.unhealthy,
        "devicesMetrics": [
            {"date": f"{day:%Y-%m-%d}T00:00:00Z", "devicesMetrics": _of_day(metrics.days, day)}
            for day in days
        ],
        "topAlertedDevices": [
            {"deviceId": one.device_id, "alertsCount": one.alerts} for one in metrics.devices[:TOP]
        ],
        "mostPrevalentDeviceAlerts": [
            {
                "alertDisplayName": CATALOG[one.rule_type].alert_name,
                "reportedSeverity": one.severity,
                "alertsCount": one.alerts,
            }
            for one in metrics.types[:TOP]
        ],
        "mostPrevalentDeviceRecommendations": [],
    }


def _of_day(days: Sequence[DayCount], day: date) -> dict[str, int]:
    alerts = {one.severity: one.alerts for one in days if one.day == day}
    return {name: alerts.get(severity, 0) for name, severity in _SEVERITIES.items()}


def _shown(call: Call, solution: SecuritySolution, one: AlertAggregate) -> dict[str, Any]:
    row, name = CATALOG[one.rule_type], f"{one.alert_type}/{one.day.isoformat()}"
    return {
        "id": f"{id_of(solution, call.place)}/analyticsModels/{MODEL}/aggregatedAlerts/{name}",
        "name": name,
        "type": ALERT_TYPE,
        "properties": {
            "alertType": one.alert_type,
            "alertDisplayName": row.alert_name,
            "aggregatedDateUtc": one.day.isoformat(),
            "vendorName": call.arm.vendor_name,
            "reportedSeverity": one.severity,
            "remediationSteps": row.remediation,
            "description": row.description,
            "count": one.count,
            "effectedResourceType": "IoT Device",
            "systemSource": "Devices",
            "actionTaken": "Detected",
            "logAnalyticsQuery": _query(call, one),
            "topDevicesList": [
                {
                    "deviceId": device.device_id,
                    "alertsCount": device.alerts,
                    "lastOccurrence": seven_digits(device.last_at),
                }
                for device in one.devices
            ],
        },
    }


def _query(call: Call, one: AlertAggregate) -> str:
    """Return what to ask the workspace for these alerts."""
    return (
        f"SecurityAlert | where tolower(ResourceId) == tolower('{call.place.hub}')"
        f" and AlertType == '{one.alert_type}' and StartTime >= datetime({one.day.isoformat()})"
        f" and StartTime < datetime({(one.day + timedelta(days=1)).isoformat()})"
        " | extend DeviceId = tostring(parse_json(ExtendedProperties)['DeviceId'])"
        " | project DeviceId, StartTime, DisplayName, AlertSeverity, Description, ExtendedProperties"
    )
