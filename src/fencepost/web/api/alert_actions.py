"""`/v1/alerts/...`: what people do about alerts."""

import asyncio
from typing import Annotated, Any

from litestar import Request, Response, post, put
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct

from fencepost.model.alert_view import etag_of
from fencepost.model.errors import OperatorError
from fencepost.service.answers import Conflict
from fencepost.service.commands import LONGEST_COMMENT, MOST_AT_ONCE, ActResult, ByHand
from fencepost.web.api.access import actor_of, principal_of, requires
from fencepost.web.api.alert_views import NO_ALERT, AlertWithHistory, alert_of, answer_of
from fencepost.web.api.alerts import AlertId
from fencepost.web.api.documented import problems_of
from fencepost.web.api.etags import IfMatch, check_seen, seen
from fencepost.web.api.service import Service

ByHandPath = Annotated[ByHand, PathParameter(description="What is done.")]
Said = Annotated[str, Meta(max_length=LONGEST_COMMENT)]


class Comment(Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody does something."""

    comment: Said | None = None


class NewComment(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody says about an alert."""

    comment: Annotated[str, Meta(min_length=1, max_length=LONGEST_COMMENT)]


class WorkedOnBy(Struct, frozen=True, forbid_unknown_fields=True):
    """Who works on an alert, null for nobody."""

    assigned_to: Annotated[str, Meta(max_length=128)] | None


class Actions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One action for many alerts."""

    action: ByHand
    alert_ids: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=MOST_AT_ONCE)]
    comment: Said | None = None


class ActionResults(Struct, frozen=True):
    """What became of each alert, in the order of the request: its state now, or why it was not moved."""

    results: list[ActResult]


@post(
    "/v1/alerts/{alert_id:str}/{action:str}",
    guards=[requires("analyst")],
    operation_id="actOnAlert",
    summary="Move an alert by hand.",
    responses=problems_of(400, 401, 403, 404, 409, 412, 413, 503),
    tags=["alerts"],
    status_code=200,
)
async def act_on_alert(
    request: Request[Any, Any, Any],
    alert_id: AlertId,
    action: ByHandPath,
    data: JSONBody[Comment | None] = None,
    if_match: IfMatch = None,
) -> Response[AlertWithHistory]:
    """
    Start work on an alert, resolve, dismiss or activate it.

    Dismissed means known: recurrences count silently until it has been quiet for a day.
    """
    service: Service = request.app.state.service
    alert = await alert_of(request, alert_id, "analyst")
    comment = data.comment or None if data is not None else None
    tag = seen(if_match, etag_of(alert))
    try:
        await service.commands.act(alert_id, action, actor_of(request), comment, seen=tag)
    except OperatorError as error:
        raise Conflict(error.problems[0].reason) from None
    return await answer_of(request, alert_id)


@put(
    "/v1/alerts/{alert_id:str}/assignment",
    guards=[requires("analyst")],
    operation_id="assignAlert",
    summary="Say who works on an alert.",
    responses=problems_of(400, 401, 403, 404, 412, 413, 503),
    tags=["alerts"],
)
async def assign_alert(
    request: Request[Any, Any, Any], alert_id: AlertId, data: JSONBody[WorkedOnBy], if_match: IfMatch = None
) -> Response[AlertWithHistory]:
    """Give an alert to somebody, by a name that people know, or to nobody."""
    service: Service = request.app.state.service
    alert = await alert_of(request, alert_id, "analyst")
    tag = seen(if_match, etag_of(alert))
    await service.commands.assign_alert(alert_id, data.assigned_to, actor_of(request), seen=tag)
    return await answer_of(request, alert_id)


@post(
    "/v1/alerts/{alert_id:str}/comments",
    guards=[requires("analyst")],
    operation_id="commentOnAlert",
    summary="Say something about an alert.",
    responses=problems_of(400, 401, 403, 404, 412, 413, 503),
    tags=["alerts"],
    status_code=201,
)
async def comment_on_alert(
    request: Request[Any, Any, Any], alert_id: AlertId, data: JSONBody[NewComment], if_match: IfMatch = None
) -> Response[AlertWithHistory]:
    """Put a comment into the history of an alert; its state and its ETag stay."""
    service: Service = request.app.state.service
    alert = await alert_of(request, alert_id, "analyst")
    check_seen(if_match, etag_of(alert), "the alert")
    await service.commands.comment(alert_id, data.comment, actor_of(request))
    return await answer_of(request, alert_id, 201)


@post(
    "/v1/alerts/actions",
    guards=[requires("analyst")],
    operation_id="actOnAlerts",
    summary="Move many alerts by hand.",
    responses=problems_of(400, 401, 403, 413, 503),
    tags=["alerts"],
    status_code=200,
)
async def act_on_alerts(request: Request[Any, Any, Any], data: JSONBody[Actions]) -> ActionResults:
    """Do the same to up to a thousand alerts, in their order; one that cannot be moved hinders no other."""
    service: Service = request.app.state.service
    refused = await asyncio.to_thread(_refused, request, data.alert_ids)
    moved = [alert_id for alert_id in data.alert_ids if alert_id not in refused]
    comment = data.comment or None
    done = iter(await service.commands.act_on_many(moved, data.action, actor_of(request), comment))
    return ActionResults([refused.get(alert_id) or next(done) for alert_id in data.alert_ids])


def _refused(request: Request[Any, Any, Any], alert_ids: list[str]) -> dict[str, ActResult]:
    """Return the results for alerts that are not theirs to move; it blocks."""
    service: Service = request.app.state.service
    principal = principal_of(request)
    found: dict[str, ActResult] = {}
    for alert_id in dict.fromkeys(alert_ids):
        alert = service.store.alert(alert_id)
        if alert is None or not principal.may("viewer", alert.group):
            found[alert_id] = ActResult(alert_id, None, NO_ALERT)
        elif not principal.may("analyst", alert.group):
            reason = f"this takes the role analyst for the group {alert.group}"
            found[alert_id] = ActResult(alert_id, None, reason)
    return found
