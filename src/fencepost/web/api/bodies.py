"""Bodies of requests come in time: who is let in and then waits with the rest holds nothing open for ever."""

import asyncio
from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler

from fencepost.web.api.access import SAFE_METHODS
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service

SMALL = 64 << 10
"""Bytes of what strangers may send: a form, or a name and a password."""


async def arrive(request: Request[Any, Any, Any]) -> None:
    """
    Wait for the body of a request, as long as it may take to come; raises Refused.

    What has no greatest size here is read by its own handler, within bounds of its own.
    """
    handler = request.scope.get("route_handler")
    if request.method in SAFE_METHODS or not isinstance(handler, HTTPRouteHandler):
        return
    if handler.resolve_request_max_body_size() is None:
        return
    service: Service = request.app.state.service
    seconds = service.limits.body_seconds
    try:
        async with asyncio.timeout(seconds):
            await request.body()
    except TimeoutError:
        service.counters.timeouts += 1
        raise Refused(408, f"the body did not come within {seconds:g} seconds") from None
