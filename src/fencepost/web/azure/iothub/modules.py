"""`/devices/{deviceId}/modules`: the modules of a device; agents read their own keys here."""

from litestar import Response, delete, get, put

from fencepost.model.identity import IdentityKey
from fencepost.net.hub_http import AnyRequest, Id
from fencepost.web.azure.iothub.access import actor_of, as_seen, takes
from fencepost.web.azure.iothub.bodies import IdentityBody, module_shown
from fencepost.web.azure.iothub.calls import SHARED, answered, body_of, if_match
from fencepost.web.azure.iothub.errors import about
from fencepost.web.azure.iothub.service import HubService

PATH = "/devices/{device_id:str}/modules/{module_id:str}"


@get("/devices/{device_id:str}/modules", guards=[takes("RegistryRead", or_own=True)], **SHARED)
async def list_modules(request: AnyRequest, device_id: Id) -> Response[bytes]:
    hub: HubService = request.app.state.hub
    async with about(hub, IdentityKey(device_id)):
        modules = await hub.registry.modules(device_id)
    return answered([module_shown(as_seen(request, one), hub.sessions) for one in modules])


@get(PATH, guards=[takes("RegistryRead", or_own=True)], **SHARED)
async def get_module(request: AnyRequest, device_id: Id, module_id: Id) -> Response[bytes]:
    hub: HubService = request.app.state.hub
    key = IdentityKey(device_id, module_id)
    async with about(hub, key):
        identity = as_seen(request, await hub.registry.identity(key))
    return answered(module_shown(identity, hub.sessions), etag=identity.etag)


@put(PATH, guards=[takes("RegistryWrite")], **SHARED)
async def put_module(request: AnyRequest, device_id: Id, module_id: Id) -> Response[bytes]:
    """Register a module of a device, or with If-Match change one."""
    hub: HubService = request.app.state.hub
    key, etag = IdentityKey(device_id, module_id), if_match(request)
    draft = (await body_of(request, IdentityBody)).draft(key)
    async with about(hub, key):
        if etag is None:
            identity = await hub.registry.create(draft, actor_of(request))
        else:
            identity = await hub.registry.update(draft, actor_of(request), etag=etag)
    return answered(module_shown(identity, hub.sessions), etag=identity.etag)


@delete(PATH, guards=[takes("RegistryWrite")], **SHARED)
async def delete_module(request: AnyRequest, device_id: Id, module_id: Id) -> None:
    hub: HubService = request.app.state.hub
    key = IdentityKey(device_id, module_id)
    async with about(hub, key):
        await hub.registry.delete(key, actor_of(request), etag=if_match(request))
