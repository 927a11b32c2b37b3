"""`GET /v1/alerts/stream`: alerts as they change, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.response import Stream
from msgspec import json

from fencepost.model.alert import Alert
from fencepost.model.alert_view import AlertView, view_of
from fencepost.service.feed import Listener
from fencepost.web.api.access import requires
from fencepost.web.api.documented import number_in, problems_of
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service

KEEP_ALIVE = 15.0
"""Seconds after which a silent stream says that it lives."""
PART = 500

LastEventId = Annotated[
    str | None,
    Parameter(header="Last-Event-ID", description="Go on behind this event.", max_length=20),
]


@get(
    "/v1/alerts/stream",
    guards=[requires("administrator")],
    operation_id="streamAlerts",
    summary="Follow alerts as they change.",
    responses={
        200: ResponseSpec(AlertView, description="Server-sent events.", media_type="text/event-stream"),
        **problems_of(400, 401, 403, 503),
    },
    tags=["alerts"],
)
async def stream_alerts(request: Request[Any, Any, Any], last_event_id: LastEventId = None) -> Stream:
    """
    Send an event `alert` for each alert that is opened or changed, at least once.

    The data is the alert as it is then. With Last-Event-ID the stream begins with what has changed since.
    """
    service: Service = request.app.state.service
    after = _position(last_event_id)
    listener = service.pipeline.feed.listen()
    if listener is None:
        raise Refused(503, "too many listen already", headers={"Retry-After": "30"})
    events = _events(service, listener, after)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(events, media_type="text/event-stream", headers=headers)


def _position(last_event_id: str | None) -> int | None:
    if last_event_id is None or not last_event_id.strip():
        return None
    position = number_in(last_event_id)
    if position is None:
        raise Refused(400, "Last-Event-ID is the id of an event of this stream")
    return position


async def _events(service: Service, listener: Listener, after: int | None) -> AsyncIterator[bytes]:
    try:
        yield b"retry: 1000\n\n"
        if after is not None:
            async for event in _missed(service, after):
                yield event
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE):
                    change = await listener.changes.get()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if change is None:
                return  # the reader comes again, and says where it was
            yield _event(*change)
    finally:
        service.pipeline.feed.leave(listener)


async def _missed(service: Service, after: int) -> AsyncIterator[bytes]:
    # several alerts may share a position, of which the reader may have seen the first only
    position, alert_id = after - 1, None
    while part := await asyncio.to_thread(_changed, service, position, alert_id):
        for alert, changed_at in part:
            yield _event(alert, changed_at)
        position, alert_id = part[-1][1], part[-1][0].alert_id


def _changed(service: Service, position: int, alert_id: str | None) -> list[tuple[Alert, int]]:
    return service.store.changed_after(position, PART, after_id=alert_id)


def _event(alert: Alert, position: int) -> bytes:
    return b"id: %d\nevent: alert\ndata: %b\n\n" % (position, json.encode(view_of(alert)))
