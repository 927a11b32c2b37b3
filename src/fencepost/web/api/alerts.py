"""`/v1/alerts`: what is wrong, and what happened to it."""

import asyncio
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from fencepost.model.page import AlertFilter, AlertSort
from fencepost.web.api.access import requires
from fencepost.web.api.alert_filter import WANTED
from fencepost.web.api.alert_views import Alerts, AlertWithHistory, answer_of, shown
from fencepost.web.api.documented import After, Limit, problems_of
from fencepost.web.api.service import Service

Sort = Annotated[
    AlertSort,
    QueryParameter(
        description="How the list is sorted; with the sign the latest, or the most severe, comes first."
    ),
]
AlertId = Annotated[str, PathParameter(description="The id of the alert.", max_length=100)]


@get(
    "/v1/alerts",
    guards=[requires("viewer")],
    dependencies=WANTED,
    operation_id="listAlerts",
    summary="List alerts.",
    responses=problems_of(400, 401, 403, 503),
    tags=["alerts"],
)
async def list_alerts(
    request: Request[Any, Any, Any],
    wanted: NamedDependency[AlertFilter],
    sort: Sort = "-started_at",
    after: After = None,
    limit: Limit = 100,
) -> Alerts:
    """Return alerts that fit all that is asked for, the one that started last first."""
    service: Service = request.app.state.service
    page = await asyncio.to_thread(service.store.alerts, wanted, sort=sort, after=after, limit=limit)
    return Alerts([shown(service, alert) for alert in page.items], page.after)


@get(
    "/v1/alerts/{alert_id:str}",
    guards=[requires("viewer")],
    operation_id="getAlert",
    summary="Get an alert and its history.",
    responses=problems_of(400, 401, 403, 404, 503),
    tags=["alerts"],
)
async def get_alert(request: Request[Any, Any, Any], alert_id: AlertId) -> Response[AlertWithHistory]:
    """Return one alert with each step of its life; its ETag changes when somebody changes their mind about it."""
    return await answer_of(request, alert_id)
