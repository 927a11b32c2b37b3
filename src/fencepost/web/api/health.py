"""`/healthz`, `/readyz` and `/metrics`: for those who keep the service running."""

import asyncio
from typing import Any

from litestar import MediaType, Request, Response, get
from msgspec import Struct

from fencepost.web.api.access import serves
from fencepost.web.api.documented import problems_of
from fencepost.web.api.service import Service


class Health(Struct, frozen=True):
    """The process lives."""

    status: str
    version: str


class Readiness(Struct, frozen=True):
    """Whether messages are taken and alerts committed; `troubles` says why not."""

    ready: bool
    troubles: list[str]


@get(
    "/healthz", security=[{}], operation_id="getHealth", summary="Whether the process lives.", tags=["health"]
)
async def get_health(request: Request[Any, Any, Any]) -> Health:
    """Answer as long as the process can."""
    service: Service = request.app.state.service
    return Health("ok", service.version)


@get(
    "/readyz",
    security=[{}],
    operation_id="getReadiness",
    summary="Whether messages are taken and judged.",
    responses=problems_of(503),
    tags=["health"],
)
async def get_readiness(request: Request[Any, Any, Any]) -> Response[Readiness]:
    """Answer 503 while the journal cannot be written or the control store cannot be reached."""
    service: Service = request.app.state.service
    troubles = list(service.troubles())
    return Response(Readiness(not troubles, troubles), status_code=503 if troubles else 200)


@get(
    "/metrics",
    guards=[serves("metrics")],
    operation_id="getMetrics",
    summary="Figures for Prometheus.",
    responses=problems_of(401, 403),
    media_type=MediaType.TEXT,
    tags=["health"],
)
async def get_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return all figures in the text format of Prometheus."""
    service: Service = request.app.state.service
    content, media_type = await asyncio.to_thread(service.exposition)
    return Response(content, media_type=media_type)
