"""Alerts as they are shown: by one function, so that what is hidden is hidden everywhere."""

import asyncio
from typing import Any

from litestar import Request, Response
from msgspec import Struct, structs

from fencepost.model.access import Role
from fencepost.model.alert import Alert
from fencepost.model.alert_view import AlertView, etag_of, view_of
from fencepost.model.masking import masked, masked_text
from fencepost.model.record import AlertChange
from fencepost.service.answers import Missing
from fencepost.web.api.access import principal_of
from fencepost.web.api.etags import etag
from fencepost.web.api.service import Service
from fencepost.web.api.theirs import check

NO_ALERT = "there is no such alert"


class Alerts(Struct, frozen=True):
    """A page of alerts in the order that was asked for; `next` is null on the last page."""

    items: list[AlertView]
    next: str | None


class AlertWithHistory(Struct, frozen=True):
    """An alert and each step of its life."""

    alert: AlertView
    history: list[AlertChange]


def shown(service: Service, alert: Alert) -> AlertView:
    """Return an alert as it is shown: with its addresses, unless a security solution says otherwise."""
    return view_of(masked(alert) if service.solutions.masks_addresses() else alert)


def shown_text(service: Service, text: str) -> str:
    """Return a text about alerts as it is shown."""
    return masked_text(text) if service.solutions.masks_addresses() else text


async def alert_of(request: Request[Any, Any, Any], alert_id: str, role: Role = "viewer") -> Alert:
    """Return an alert in whose group the principal has a role; raises Missing and Refused."""
    service: Service = request.app.state.service
    alert = await asyncio.to_thread(service.store.alert, alert_id)
    if alert is None:
        raise Missing(NO_ALERT)
    check(principal_of(request), role, alert.group, NO_ALERT)
    return alert


async def answer_of(
    request: Request[Any, Any, Any], alert_id: str, status: int = 200
) -> Response[AlertWithHistory]:
    """Return an alert with its history as an answer with its ETag."""
    service: Service = request.app.state.service
    alert = await alert_of(request, alert_id)
    history = await asyncio.to_thread(service.store.changes_of, alert_id)
    view = AlertWithHistory(shown(service, alert), [_shown_change(service, change) for change in history])
    return Response(view, status_code=status, headers=etag(etag_of(alert)))


def _shown_change(service: Service, change: AlertChange) -> AlertChange:
    if change.reason is None or not service.solutions.masks_addresses():
        return change
    return structs.replace(change, reason=masked_text(change.reason))
