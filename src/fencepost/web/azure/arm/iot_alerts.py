"""`iotAlerts` and `iotAlertTypes` of a security solution: in Microsoft's reference, though no client calls them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from litestar import Response
from msgspec import structs

from fencepost.model.alert import Alert
from fencepost.model.catalog import CATALOG, RuleType
from fencepost.model.errors import OperatorError
from fencepost.model.masking import masked
from fencepost.model.page import AlertFilter, Page
from fencepost.model.solution import SecuritySolution
from fencepost.web.azure.arm.alert_bodies import entities, extended, steps
from fencepost.web.azure.arm.alerts import visible
from fencepost.web.azure.arm.calls import SKIP, Call, answered, listed
from fencepost.web.azure.arm.errors import ArmError, not_found
from fencepost.web.azure.arm.solution_bodies import id_of
from fencepost.web.azure.arm.solutions import standing

PAGE = 100
PAGES = 10
"""Pages of the store that one call looks through for alerts of some time."""
TYPE = "Microsoft.Security/iotSecuritySolutions/iotAlerts"
TYPE_OF_TYPES = "Microsoft.Security/iotSecuritySolutions/iotAlertTypes"
PROVIDER = "IoTSecurity"
FROM, UNTIL = "startTimeUtc>", "startTimeUtc<"
"""Named as the comparisons look in a query: `startTimeUtc>=...`."""


async def list_alerts(call: Call) -> Response[bytes]:
    """
    Return alerts, the latest first, perhaps those of one type, of one device, or that started in some time.

    A page may be empty although there are more. How many there are in all is said where no time is given.
    """
    solution = standing(call)
    begin, end = _moment(call, FROM), _moment(call, UNTIL)
    wanted = _wanted(call, begin)
    page = await _page(call, wanted, begin, end)
    body: dict[str, Any] = {"value": [_shown(call, solution, alert) for alert in page.items]}
    if page.after is not None:
        body["nextLink"] = call.next_link(page.after)
    if begin is None and end is None:
        rows = await asyncio.to_thread(call.service.store.alert_summary, wanted, "state", limit=PAGE)
        body["totalCount"] = sum(row.alerts for row in rows)
    return answered(body)


async def get_alert(call: Call) -> Response[bytes]:
    """Return one alert."""
    solution = standing(call)
    return answered(_shown(call, solution, await visible(call, call.names["alert"])))


async def list_types(call: Call) -> Response[bytes]:
    """Return the types of alerts, in the order of the catalogue."""
    solution = standing(call)
    return listed([_type_shown(call, solution, row) for row in CATALOG.values()])


async def get_type(call: Call) -> Response[bytes]:
    """Return one type of alerts."""
    solution, name = standing(call), call.names["type"]
    for row in CATALOG.values():
        if row.alert_type.casefold() == name.casefold():
            return answered(_type_shown(call, solution, row))
    raise not_found(TYPE_OF_TYPES, name)


def _wanted(call: Call, begin: datetime | None) -> AlertFilter:
    wanted = AlertFilter(
        device_id=call.query("compromisedEntity"), since=begin, groups=call.principal.groups()
    )
    said = call.query("alertType")
    if said is None:
        return wanted
    known = {row.alert_type.casefold(): row.name for row in CATALOG.values()}
    return structs.replace(wanted, rule_type=known.get(said.casefold(), said))


async def _page(call: Call, wanted: AlertFilter, begin: datetime | None, end: datetime | None) -> Page[Alert]:
    """Return alerts that started in some time: of those that were seen then or later, the latest come first."""
    after, limit = call.query(SKIP), call.top("$limit", PAGE)
    for _ in range(PAGES):
        try:
            page = await asyncio.to_thread(call.service.store.alerts, wanted, after=after, limit=limit)
        except OperatorError as error:
            raise ArmError(400, "InvalidSkipToken", str(error), target=SKIP) from None
        after = page.after
        found = [
            alert
            for alert in page.items
            if (begin is None or alert.started_at >= begin) and (end is None or alert.started_at <= end)
        ]
        if begin is not None and page.items and page.items[-1].started_at < begin:
            return Page(found)
        if found or after is None:
            return Page(found, after)
    return Page([], after)


def _moment(call: Call, name: str) -> datetime | None:
    said = call.query(name)
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{name}= takes a time as in 2026-11-24T05:00:00Z."
        raise ArmError(400, "InvalidQueryParameter", message, target=name) from None


def _shown(call: Call, solution: SecuritySolution, alert: Alert) -> dict[str, Any]:
    one = masked(alert) if call.service.solutions.masks_addresses() else alert
    return {
        "id": f"{id_of(solution, call.place)}/iotAlerts/{one.alert_id}",
        "name": one.alert_id,
        "type": TYPE,
        "properties": {
            "systemAlertId": one.alert_id,
            "compromisedEntity": one.device_id,
            "alertType": one.alert_type,
            "startTimeUtc": one.started_at,
            "endTimeUtc": one.last_seen_at,
            "entities": [_capitalised(entity) for entity in entities(one)],
            "extendedProperties": extended(one),
        },
    }


def _capitalised(entity: dict[str, Any]) -> dict[str, Any]:
    """Return an entity with its members as this resource writes them."""
    return {name[:1].upper() + name[1:]: value for name, value in entity.items()}


def _type_shown(call: Call, solution: SecuritySolution, row: RuleType) -> dict[str, Any]:
    return {
        "id": f"{id_of(solution, call.place)}/iotAlertTypes/{row.alert_type}",
        "name": row.alert_type,
        "type": TYPE_OF_TYPES,
        "properties": {
            "alertDisplayName": row.alert_name,
            "severity": row.severity,
            "description": row.description,
            "providerName": PROVIDER,
            "remediationSteps": steps(row.remediation),
            "intent": row.intent,
            "vendorName": call.arm.vendor_name,
        },
    }
