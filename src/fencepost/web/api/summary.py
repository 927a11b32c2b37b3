"""`GET /v1/alerts/summary`: how many alerts there are, by what they have in common."""

import asyncio
from typing import Annotated, Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Struct, structs

from fencepost.model.page import AlertFilter, SummaryBy, SummaryRow
from fencepost.web.api.access import requires
from fencepost.web.api.alert_filter import WANTED
from fencepost.web.api.alert_views import shown_text
from fencepost.web.api.documented import Limit, problems_of
from fencepost.web.api.service import Service

By = Annotated[SummaryBy, QueryParameter(description="What the alerts of one row have in common.")]


class Summary(Struct, frozen=True):
    """Rows with the numbers of alerts, the largest first."""

    by: SummaryBy
    items: list[SummaryRow]


@get(
    "/v1/alerts/summary",
    guards=[requires("viewer")],
    dependencies=WANTED,
    operation_id="summarizeAlerts",
    summary="Count alerts by what they have in common.",
    responses=problems_of(400, 401, 403, 503),
    tags=["alerts"],
)
async def summarize_alerts(
    request: Request[Any, Any, Any],
    wanted: NamedDependency[AlertFilter],
    by: By,
    limit: Limit = 100,
) -> Summary:
    """
    Return one row for each rule type, group, device, severity, state, value or day (of the first violation, UTC).

    The filters are those of the list; `open` are alerts that are neither resolved nor dismissed.
    """
    service: Service = request.app.state.service
    rows = await asyncio.to_thread(service.store.alert_summary, wanted, by, limit=limit)
    shown = [
        structs.replace(row, key=shown_text(service, row.key) if row.key is not None else None)
        for row in rows
    ]
    return Summary(by, shown)
