"""`/v1/quarantine`: what could not be decoded (S31)."""

import asyncio
from base64 import b64encode
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import PathParameter
from msgspec import Struct

from fencepost.model.entry import Received
from fencepost.model.record import Quarantined
from fencepost.service.answers import Missing
from fencepost.web.api.access import principal_of, requires
from fencepost.web.api.documented import After, Limit, OfDevice, problems_of
from fencepost.web.api.service import Service
from fencepost.web.api.theirs import sees_device, theirs


class Quarantine(Struct, frozen=True):
    """A page of what could not be decoded, the latest first; `next` is null on the last page."""

    items: list[Quarantined]
    next: str | None


class QuarantinedMessage(Struct, frozen=True, kw_only=True):
    """A message of which something could not be decoded, as it came."""

    position: int
    device_id: str
    received_at: datetime
    body_base64: str


@get(
    "/v1/quarantine",
    guards=[requires("viewer")],
    operation_id="listQuarantine",
    summary="List what could not be decoded.",
    responses=problems_of(400, 401, 403, 503),
    tags=["quarantine"],
)
async def list_quarantine(
    request: Request[Any, Any, Any], device_id: OfDevice = None, after: After = None, limit: Limit = 100
) -> Quarantine:
    """Return refusals with their reasons, each with the position of its message."""
    service: Service = request.app.state.service
    page = await asyncio.to_thread(
        service.store.quarantine,
        device_id=device_id,
        after=after,
        limit=limit,
        among=theirs(service, principal_of(request)),
    )
    return Quarantine(page.items, page.after)


@get(
    "/v1/quarantine/{position:int}",
    guards=[requires("viewer")],
    operation_id="getQuarantined",
    summary="Get a quarantined message as it came.",
    responses=problems_of(400, 401, 403, 404),
    tags=["quarantine"],
)
async def get_quarantined(
    request: Request[Any, Any, Any],
    position: Annotated[
        int, PathParameter(description="Where the message stands in the journal.", ge=1, le=2**53)
    ],
) -> QuarantinedMessage:
    """Return the body that a refusal is about."""
    service: Service = request.app.state.service
    entry = await asyncio.to_thread(service.entry, position)
    if not isinstance(entry, Received) or not sees_device(service, principal_of(request), entry.device_id):
        raise Missing("there is no message at this position")
    return QuarantinedMessage(
        position=position,
        device_id=entry.device_id,
        received_at=entry.received_at,
        body_base64=b64encode(entry.body).decode(),
    )
