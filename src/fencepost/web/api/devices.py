"""`/v1/devices`, `/v1/quarantine` and `/v1/audit`: who sends, what could not be read, who changed what."""

import asyncio
from base64 import b64encode
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, get, put
from litestar.params import Parameter
from msgspec import Meta, Struct, field

from fencepost.model.entry import Received
from fencepost.model.event import Source
from fencepost.model.record import AuditRecord, DeviceRecord, Quarantined, Tally, TallyKind
from fencepost.service.commands import Missing
from fencepost.web.api.access import actor_of, requires
from fencepost.web.api.documented import After, DeviceId, Limit, problems_of
from fencepost.web.api.service import Service
from fencepost.web.azure.iothub import HubService


class DeviceView(Struct, frozen=True, kw_only=True):
    """
    A device: its group, what it has sent, and the rules that it cannot feed (S18).

    The counts are written down within seconds, for a large and busy fleet within minutes.
    """

    device_id: str
    group: str
    tag: str | None
    source: Source | None
    registered_at: datetime
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    messages: int
    events: int
    rejected: int
    not_measurable: tuple[str, ...]


class Devices(Struct, frozen=True):
    """A page of devices in the order of their ids; `next` is null on the last page."""

    items: list[DeviceView]
    next: str | None


class DeviceWithTallies(Struct, frozen=True):
    """A device, and what is not an alert and must yet be known of it: late, skewed, rejected ..."""

    device: DeviceView
    tallies: list[Tally]


class Assignment(Struct, frozen=True, forbid_unknown_fields=True):
    """The twin tag that decides a device's group (S25); null leaves it to the groups' members."""

    security_group: Annotated[str, Meta(max_length=128)] | None = field(default=None, name="SecurityGroup")


class Quarantine(Struct, frozen=True):
    """A page of what could not be decoded, the latest first."""

    items: list[Quarantined]
    next: str | None


class QuarantinedMessage(Struct, frozen=True, kw_only=True):
    """A message of which something could not be decoded, as it came."""

    position: int
    device_id: str
    received_at: datetime
    body_base64: str


class Audit(Struct, frozen=True):
    """A page of what people changed, the latest first."""

    items: list[AuditRecord]
    next: str | None


class Tallies(Struct, frozen=True):
    """A page of what is not an alert and must yet be known."""

    items: list[Tally]
    next: str | None


@get(
    "/v1/devices",
    guards=[requires("administrator")],
    operation_id="listDevices",
    summary="List the devices.",
    responses=problems_of(400, 401, 403, 503),
    tags=["devices"],
)
async def list_devices(request: Request[Any, Any, Any], after: After = None, limit: Limit = 100) -> Devices:
    """Return the devices that have sent something or were registered."""
    service: Service = request.app.state.service
    page = await asyncio.to_thread(service.store.devices, after=after, limit=limit)
    return Devices([_view_of(service, record) for record in page.items], page.after)


@get(
    "/v1/devices/{device_id:str}",
    guards=[requires("administrator")],
    operation_id="getDevice",
    summary="Get a device.",
    responses=problems_of(400, 401, 403, 404, 503),
    tags=["devices"],
)
async def get_device(request: Request[Any, Any, Any], device_id: DeviceId) -> DeviceWithTallies:
    """Return a device with its tallies."""
    service: Service = request.app.state.service
    return await _device(service, device_id)


@put(
    "/v1/devices/{device_id:str}",
    guards=[requires("administrator")],
    operation_id="putDevice",
    summary="Register a device, or move it to a group.",
    responses=problems_of(400, 401, 403, 404, 413, 503),
    tags=["devices"],
)
async def put_device(
    request: Request[Any, Any, Any], device_id: DeviceId, data: Assignment
) -> DeviceWithTallies:
    """Windows of the old group end, those of the new one start clean; the twin of the device says the same."""
    service: Service = request.app.state.service
    hub: HubService | None = request.app.state.get("hub")
    assign = service.commands.assign_device if hub is None else hub.registry.assign
    await assign(device_id, data.security_group, actor_of(request))
    return await _device(service, device_id)


@get(
    "/v1/tallies",
    guards=[requires("administrator")],
    operation_id="listTallies",
    summary="List what is not an alert and must yet be known.",
    responses=problems_of(400, 401, 403, 503),
    tags=["devices"],
)
async def list_tallies(
    request: Request[Any, Any, Any],
    kind: TallyKind | None = None,
    after: After = None,
    limit: Limit = 100,
) -> Tallies:
    """Return what came late, with a wrong clock, twice, incomplete, or could not be read, by device."""
    service: Service = request.app.state.service
    page = await asyncio.to_thread(service.store.tallies, device_id=None, kind=kind, after=after, limit=limit)
    return Tallies(page.items, page.after)


@get(
    "/v1/quarantine",
    guards=[requires("administrator")],
    operation_id="listQuarantine",
    summary="List what could not be decoded.",
    responses=problems_of(400, 401, 403, 503),
    tags=["quarantine"],
)
async def list_quarantine(
    request: Request[Any, Any, Any],
    device_id: Annotated[str | None, Parameter(max_length=128)] = None,
    after: After = None,
    limit: Limit = 100,
) -> Quarantine:
    """Return refusals with their reasons, each with the position of its message."""
    service: Service = request.app.state.service
    page = await asyncio.to_thread(service.store.quarantine, device_id=device_id, after=after, limit=limit)
    return Quarantine(page.items, page.after)


@get(
    "/v1/quarantine/{position:int}",
    guards=[requires("administrator")],
    operation_id="getQuarantined",
    summary="Get a quarantined message as it came.",
    responses=problems_of(400, 401, 403, 404),
    tags=["quarantine"],
)
async def get_quarantined(
    request: Request[Any, Any, Any], position: Annotated[int, Parameter(ge=1, le=2**53)]
) -> QuarantinedMessage:
    """Return the body that a refusal is about."""
    service: Service = request.app.state.service
    entry = await asyncio.to_thread(service.entry, position)
    if not isinstance(entry, Received):
        raise Missing("there is no message at this position")
    return QuarantinedMessage(
        position=position,
        device_id=entry.device_id,
        received_at=entry.received_at,
        body_base64=b64encode(entry.body).decode(),
    )


@get(
    "/v1/audit",
    guards=[requires("administrator")],
    operation_id="listAudit",
    summary="List what people changed.",
    responses=problems_of(400, 401, 403, 503),
    tags=["audit"],
)
async def list_audit(request: Request[Any, Any, Any], after: After = None, limit: Limit = 100) -> Audit:
    """Return who changed what and what came of it, the latest first."""
    service: Service = request.app.state.service
    page = await asyncio.to_thread(service.store.audit, after=after, limit=limit)
    return Audit(page.items, page.after)


async def _device(service: Service, device_id: str) -> DeviceWithTallies:
    record = await asyncio.to_thread(service.store.device, device_id)
    if record is None:
        raise Missing("there is no such device")
    page = await asyncio.to_thread(
        service.store.tallies, device_id=device_id, kind=None, after=None, limit=1000
    )
    return DeviceWithTallies(_view_of(service, record), page.items)


def _view_of(service: Service, record: DeviceRecord) -> DeviceView:
    detector = service.pipeline.processor.detector
    return DeviceView(
        device_id=record.device_id,
        group=detector.group_of(record.device_id).name,
        tag=record.tag,
        source=record.source,
        registered_at=record.registered_at,
        first_seen_at=record.first_seen_at,
        last_seen_at=record.last_seen_at,
        messages=record.messages,
        events=record.events,
        rejected=record.rejected,
        not_measurable=detector.not_measurable(record.device_id),
    )
