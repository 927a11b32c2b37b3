"""`/v1/devices` and `/v1/tallies`: who sends, in which group each is, and what else befell them."""

import asyncio
from hashlib import blake2b
from typing import Annotated, Any

from litestar import Request, Response, get, put
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta, Struct, field

from fencepost.model.record import DeviceRecord, Tally, TallyKind
from fencepost.service.answers import Missing
from fencepost.web.api.access import actor_of, principal_of, requires
from fencepost.web.api.codec import built, derived, written
from fencepost.web.api.documented import After, DeviceId, Limit, OfDevice, problems_of
from fencepost.web.api.etags import IfMatch, check_seen, etag
from fencepost.web.api.service import Service
from fencepost.web.api.theirs import NO_DEVICE, check_device, theirs
from fencepost.web.azure.iothub import HubService

MOST_TALLIES = 1000
"""Tallies that are shown with a device."""
IdText = Annotated[
    str | None, QueryParameter(description="With this in the id, without case.", max_length=128)
]
Kind = Annotated[TallyKind | None, QueryParameter(description="Of this kind.")]
_INNER = ("position", "tagged")
_MEANINGS = {
    "tag": "The twin tag SecurityGroup, which decides the group where there is one of that name.",
    "source": "Which agent it has; null until it has sent something.",
    "messages": "Counts are written down within seconds, for a large and busy fleet within minutes.",
    "rejected": "Messages, and parts of them, that could not be decoded.",
    "group": "The name of its group.",
    "not_measurable": "Rules that it cannot feed: neither clean nor violated (S18).",
}


@derived(DeviceRecord, meanings=_MEANINGS, needed=True, without=_INNER)
class DeviceView(Struct):
    """A device: its group, what it has sent, and the rules that it cannot feed."""

    group: str
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


class Tallies(Struct, frozen=True):
    """A page of what is not an alert and must yet be known; `next` is null on the last page."""

    items: list[Tally]
    next: str | None


@get(
    "/v1/devices",
    guards=[requires("viewer")],
    operation_id="listDevices",
    summary="List the devices.",
    responses=problems_of(400, 401, 403, 503),
    tags=["devices"],
)
async def list_devices(
    request: Request[Any, Any, Any], text: IdText = None, after: After = None, limit: Limit = 100
) -> Devices:
    """Return the devices that have sent something or were registered, by their ids."""
    service: Service = request.app.state.service
    page = await asyncio.to_thread(
        service.store.devices,
        text=text,
        after=after,
        limit=limit,
        among=theirs(service, principal_of(request)),
    )
    return Devices([_view_of(service, record) for record in page.items], page.after)


@get(
    "/v1/devices/{device_id:str}",
    guards=[requires("viewer")],
    operation_id="getDevice",
    summary="Get a device.",
    responses=problems_of(400, 401, 403, 404, 503),
    tags=["devices"],
)
async def get_device(request: Request[Any, Any, Any], device_id: DeviceId) -> Response[DeviceWithTallies]:
    """Return a device with its tallies; its ETag stands for the tag that decides its group."""
    return await _answer(request, device_id)


@put(
    "/v1/devices/{device_id:str}",
    guards=[requires("administrator", everywhere=True)],
    operation_id="putDevice",
    summary="Register a device, or move it to a group.",
    responses=problems_of(400, 401, 403, 404, 412, 413, 503),
    tags=["devices"],
)
async def put_device(
    request: Request[Any, Any, Any], device_id: DeviceId, data: JSONBody[Assignment], if_match: IfMatch = None
) -> Response[DeviceWithTallies]:
    """Windows of the old group end, those of the new one start clean; the twin of the device says the same."""
    service: Service = request.app.state.service
    if if_match is not None:
        check_seen(if_match, _tag_of(await _record(service, device_id)), "the device's group")
    hub: HubService | None = request.app.state.get("hub")
    assign = service.commands.assign_device if hub is None else hub.registry.assign
    await assign(device_id, data.security_group, actor_of(request))
    return await _answer(request, device_id)


@get(
    "/v1/tallies",
    guards=[requires("viewer")],
    operation_id="listTallies",
    summary="List what is not an alert and must yet be known.",
    responses=problems_of(400, 401, 403, 503),
    tags=["devices"],
)
async def list_tallies(
    request: Request[Any, Any, Any],
    kind: Kind = None,
    device_id: OfDevice = None,
    after: After = None,
    limit: Limit = 100,
) -> Tallies:
    """Return what came late, with a wrong clock, twice, incomplete, or could not be read, by device."""
    service: Service = request.app.state.service
    page = await asyncio.to_thread(
        service.store.tallies,
        device_id=device_id,
        kind=kind,
        after=after,
        limit=limit,
        among=theirs(service, principal_of(request)),
    )
    return Tallies(page.items, page.after)


async def _answer(request: Request[Any, Any, Any], device_id: str) -> Response[DeviceWithTallies]:
    service: Service = request.app.state.service
    check_device(service, principal_of(request), "viewer", device_id)
    record = await _record(service, device_id)
    page = await asyncio.to_thread(
        service.store.tallies, device_id=device_id, kind=None, after=None, limit=MOST_TALLIES
    )
    view = DeviceWithTallies(_view_of(service, record), page.items)
    return Response(view, status_code=200, headers=etag(_tag_of(record)))


async def _record(service: Service, device_id: str) -> DeviceRecord:
    record = await asyncio.to_thread(service.store.device, device_id)
    if record is None:
        raise Missing(NO_DEVICE)
    return record


def _tag_of(record: DeviceRecord) -> str:
    said = "" if record.tag is None else f"={record.tag}"
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _view_of(service: Service, record: DeviceRecord) -> DeviceView:
    detector = service.pipeline.processor.detector
    return built(
        DeviceView,
        **written(record, *_INNER),
        group=detector.group_of(record.device_id).name,
        not_measurable=detector.not_measurable(record.device_id),
    )
