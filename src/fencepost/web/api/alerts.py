"""`/v1/alerts`: what is wrong, what happened to it, and what people do about it."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import Parameter
from msgspec import Meta, Struct

from fencepost.model.alert import State
from fencepost.model.alert_view import AlertView, view_of
from fencepost.model.catalog import Severity
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.page import AlertFilter
from fencepost.model.record import AlertChange
from fencepost.service.commands import ByHand, Conflict, Missing
from fencepost.web.api.access import actor_of, requires
from fencepost.web.api.documented import After, Limit, problems_of
from fencepost.web.api.service import Service

MOST_COMMENT = 2000
States = Annotated[list[State] | None, Parameter(query="state")]
Severities = Annotated[list[Severity] | None, Parameter(query="severity")]
Moment = Annotated[str | None, Parameter(max_length=64, schema_extra={"format": "date-time"})]
Text = Annotated[str | None, Parameter(max_length=2000)]


class Alerts(Struct, frozen=True):
    """A page of alerts, the latest first violation first; `next` is null on the last page."""

    items: list[AlertView]
    next: str | None


class AlertWithHistory(Struct, frozen=True):
    """An alert and each step of its life."""

    alert: AlertView
    history: list[AlertChange]


class Comment(Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody does something."""

    comment: Annotated[str, Meta(max_length=MOST_COMMENT)] | None = None


@get(
    "/v1/alerts",
    guards=[requires("administrator")],
    operation_id="listAlerts",
    summary="List alerts.",
    responses=problems_of(400, 401, 403, 503),
    tags=["alerts"],
)
async def list_alerts(
    request: Request[Any, Any, Any],
    states: States = None,
    severities: Severities = None,
    device_id: Text = None,
    group: Text = None,
    rule_type: Text = None,
    since: Moment = None,
    until: Moment = None,
    text: Text = None,
    after: After = None,
    limit: Limit = 100,
) -> Alerts:
    """
    Return alerts that fit all that is asked for, the latest first.

    `since` and `until` bound the time of the latest violation, `text` is looked for in values and device ids.
    """
    service: Service = request.app.state.service
    first, last = _times(since=since, until=until)
    wanted = AlertFilter(
        states=frozenset(states or ()),
        severities=frozenset(severities or ()),
        device_id=device_id,
        group=group,
        rule_type=rule_type,
        since=first,
        until=last,
        text=text,
    )
    page = await asyncio.to_thread(service.store.alerts, wanted, after=after, limit=limit)
    return Alerts([view_of(alert) for alert in page.items], page.after)


@get(
    "/v1/alerts/{alert_id:str}",
    guards=[requires("administrator")],
    operation_id="getAlert",
    summary="Get an alert and its history.",
    responses=problems_of(401, 403, 404, 503),
    tags=["alerts"],
)
async def get_alert(request: Request[Any, Any, Any], alert_id: str) -> AlertWithHistory:
    """Return one alert with each step of its life."""
    return await _alert(request.app.state.service, alert_id)


@post(
    "/v1/alerts/{alert_id:str}/{action:str}",
    guards=[requires("administrator")],
    operation_id="actOnAlert",
    summary="Move an alert by hand.",
    responses=problems_of(400, 401, 403, 404, 409, 413, 503),
    tags=["alerts"],
    status_code=200,
)
async def act_on_alert(
    request: Request[Any, Any, Any],
    alert_id: str,
    action: ByHand,
    data: Comment | None = None,
) -> AlertWithHistory:
    """
    Start work on an alert, resolve, dismiss or activate it.

    Dismissed means known: recurrences count silently until it has been quiet for a day.
    """
    service: Service = request.app.state.service
    await _alert(service, alert_id)
    comment = data.comment or None if data is not None else None
    try:
        await service.commands.act(alert_id, action, actor_of(request), comment)
    except OperatorError as error:
        raise Conflict(error.problems[0].reason) from None
    return await _alert(service, alert_id)


def _times(**texts: str | None) -> list[datetime | None]:
    """Return times of which each says its zone: one that does not would be guessed at."""
    times = [_time(text) if text is not None else None for text in texts.values()]
    problems = [
        Problem(name, "a time is written as 2026-11-24T05:00:00Z")
        for (name, text), time in zip(texts.items(), times, strict=True)
        if text is not None and time is None
    ]
    if problems:
        raise OperatorError(problems)
    return times


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


async def _alert(service: Service, alert_id: str) -> AlertWithHistory:
    alert = await asyncio.to_thread(service.store.alert, alert_id)
    if alert is None:
        raise Missing("there is no such alert")
    history = await asyncio.to_thread(service.store.changes_of, alert_id)
    return AlertWithHistory(view_of(alert), history)
