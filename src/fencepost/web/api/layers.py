"""`/v1/fleet`, `/v1/devices/{device_id}/overrides` and `/rules`: what is expected beyond the groups."""

import asyncio
from typing import Any, Literal

from litestar import Request, Response, delete, get, put
from litestar.params import JSONBody
from msgspec import Struct, structs

from fencepost.model.layer import EffectiveRule, Layer, Scope, effective_rules, entries_of
from fencepost.model.rule import SecurityGroup
from fencepost.web.api.access import actor_of, principal_of, requires
from fencepost.web.api.documented import After, DeviceId, Limit, problems_of
from fencepost.web.api.etags import IfMatch, etag, seen_version
from fencepost.web.api.group_bodies import LayerBody, LayerView, layer_of, layer_view
from fencepost.web.api.rule_bodies import NoteBody, RuleBody, note_body, rule_body, without_alerts
from fencepost.web.api.service import Service
from fencepost.web.api.theirs import check_device, sees_device


class Overrides(Struct, frozen=True):
    """A page of devices of which something is expected that is not their group's; `next` is null on the last page."""

    items: list[LayerView]
    next: str | None


class EffectiveEntryView(Struct, frozen=True):
    """An entry of a device's list, where it comes from, and what is known of it."""

    entry: str
    origin: Scope | Literal["implicit"]
    note: NoteBody | None


class EffectiveRuleView(Struct, frozen=True, omit_defaults=True):
    """A rule as it is for a device; of a list the entries with their origins, those that have expired too."""

    rule: RuleBody
    origin: Scope
    entries: list[EffectiveEntryView] | None = None


class EffectiveRules(Struct, frozen=True):
    """What is expected of a device: of its group, of the fleet, and of itself."""

    device_id: str
    group: str
    group_version: int
    rules: list[EffectiveRuleView]


@get(
    "/v1/fleet",
    guards=[requires("viewer")],
    operation_id="getFleet",
    summary="Get what is added for all devices.",
    responses=problems_of(401, 403),
    tags=["layers"],
)
async def get_fleet(request: Request[Any, Any, Any]) -> Response[LayerView]:
    """Return the entries that every group's lists have besides their own; the ETag is for If-Match."""
    service: Service = request.app.state.service
    return _answer(request, _for_reader(request, service.commands.fleet()))


@put(
    "/v1/fleet",
    guards=[requires("administrator", everywhere=True)],
    operation_id="putFleet",
    summary="Replace what is added for all devices.",
    responses=problems_of(400, 401, 403, 412, 413, 503),
    tags=["layers"],
)
async def put_fleet(
    request: Request[Any, Any, Any], data: JSONBody[LayerBody], if_match: IfMatch = None
) -> Response[LayerView]:
    """Put entries in force for all devices whose groups have such a list; open alerts are judged again at once."""
    service: Service = request.app.state.service
    draft = layer_of(None, data, service.clock())
    version = seen_version(if_match, service.commands.fleet().version)
    return _answer(request, await service.commands.put_layer(draft, actor_of(request), version=version))


@get(
    "/v1/overrides",
    guards=[requires("viewer")],
    operation_id="listOverrides",
    summary="List what is expected of single devices.",
    responses=problems_of(400, 401, 403),
    tags=["layers"],
)
async def list_overrides(
    request: Request[Any, Any, Any], after: After = None, limit: Limit = 100
) -> Overrides:
    """Return the devices that have rules of their own, in the order of their ids."""
    service: Service = request.app.state.service
    principal, layers = principal_of(request), service.commands.layers().devices
    behind = sorted(
        device_id
        for device_id in layers
        if (after is None or device_id > after) and sees_device(service, principal, device_id)
    )
    shown = [layer_view(layers[device_id], service.clock()) for device_id in behind[:limit]]
    return Overrides(shown, behind[limit - 1] if len(behind) > limit else None)


@get(
    "/v1/devices/{device_id:str}/overrides",
    guards=[requires("viewer")],
    operation_id="getOverrides",
    summary="Get what is expected of one device only.",
    responses=problems_of(400, 401, 403, 404),
    tags=["layers"],
)
async def get_overrides(request: Request[Any, Any, Any], device_id: DeviceId) -> Response[LayerView]:
    """Return a device's own rules, none where it has no such; the ETag is for If-Match."""
    service: Service = request.app.state.service
    check_device(service, principal_of(request), "viewer", device_id)
    return _answer(request, service.commands.device_layer(device_id))


@put(
    "/v1/devices/{device_id:str}/overrides",
    guards=[requires("administrator")],
    operation_id="putOverrides",
    summary="Replace what is expected of one device only.",
    responses=problems_of(400, 401, 403, 404, 412, 413, 503),
    tags=["layers"],
)
async def put_overrides(
    request: Request[Any, Any, Any], device_id: DeviceId, data: JSONBody[LayerBody], if_match: IfMatch = None
) -> Response[LayerView]:
    """
    Put a device's own rules in force: its lists are added to those of its group, its ranges replace them.

    Without rules it has none of its own any more.
    """
    service: Service = request.app.state.service
    check_device(service, principal_of(request), "administrator", device_id)
    draft = layer_of(device_id, data, service.clock())
    version = seen_version(if_match, service.commands.device_layer(device_id).version)
    return _answer(request, await service.commands.put_layer(draft, actor_of(request), version=version))


@delete(
    "/v1/devices/{device_id:str}/overrides",
    guards=[requires("administrator")],
    operation_id="deleteOverrides",
    summary="Expect of a device what its group says.",
    responses=problems_of(400, 401, 403, 404, 412, 503),
    tags=["layers"],
)
async def delete_overrides(
    request: Request[Any, Any, Any], device_id: DeviceId, if_match: IfMatch = None
) -> None:
    """Take a device's own rules away; where it has none, nothing changes."""
    service: Service = request.app.state.service
    check_device(service, principal_of(request), "administrator", device_id)
    version = seen_version(if_match, service.commands.device_layer(device_id).version)
    await service.commands.put_layer(Layer(device_id=device_id), actor_of(request), version=version)


@get(
    "/v1/devices/{device_id:str}/rules",
    guards=[requires("viewer")],
    operation_id="getEffectiveRules",
    summary="Get what is expected of a device, and whence.",
    responses=problems_of(400, 401, 403, 404),
    tags=["layers"],
)
async def get_effective_rules(request: Request[Any, Any, Any], device_id: DeviceId) -> EffectiveRules:
    """Return the rules by which a device is judged, or would be, with the origin of each entry."""
    service: Service = request.app.state.service
    check_device(service, principal_of(request), "viewer", device_id)
    group = service.pipeline.processor.detector.group_of(device_id)
    fleet = _for_reader(request, service.commands.fleet())
    found = effective_rules(group, fleet, service.commands.device_layer(device_id))
    shown = await asyncio.to_thread(_effective_views, service, found, group)
    return EffectiveRules(device_id, group.name, group.version, shown)


def _effective_views(
    service: Service, found: tuple[EffectiveRule, ...], group: SecurityGroup
) -> list[EffectiveRuleView]:
    return [_effective_view(service, one, group) for one in found]


def _effective_view(service: Service, effective: EffectiveRule, group: SecurityGroup) -> EffectiveRuleView:
    now = service.clock()
    if not effective.parts:
        return EffectiveRuleView(rule_body(effective.rule, now), effective.origin)
    entries = [
        EffectiveEntryView(one.entry, one.origin, note_body(one.note, now) if one.note is not None else None)
        for one in entries_of(effective, group)
    ]
    rule = rule_body(effective.rule, now, "allow", "deny", "notes")
    return EffectiveRuleView(rule, effective.origin, entries)


def _for_reader(request: Request[Any, Any, Any], fleet: Layer) -> Layer:
    """The fleet's entries are everybody's to see, the alerts from which they came are not."""
    if principal_of(request).may("viewer"):
        return fleet
    return structs.replace(fleet, rules=tuple(without_alerts(rule) for rule in fleet.rules))


def _answer(request: Request[Any, Any, Any], layer: Layer) -> Response[LayerView]:
    service: Service = request.app.state.service
    return Response(layer_view(layer, service.clock()), status_code=200, headers=etag(layer.version))
