"""`/twins`: what the owner says of devices and modules."""

from litestar import Response, get, patch, put

from fencepost.model.identity import IdentityKey, Twin
from fencepost.net.hub_http import AnyRequest, Id, ModuleId
from fencepost.service.registry import TwinPatch
from fencepost.web.azure.iothub.access import actor_of, takes
from fencepost.web.azure.iothub.bodies import TwinBody, twin_shown
from fencepost.web.azure.iothub.calls import SHARED, answered, body_of, if_match
from fencepost.web.azure.iothub.errors import about
from fencepost.web.azure.iothub.service import HubService

PATHS = ["/twins/{device_id:str}", "/twins/{device_id:str}/modules/{module_id:str}"]


@get(PATHS, guards=[takes("ServiceConnect")], **SHARED)
async def get_twin(request: AnyRequest, device_id: Id, module_id: ModuleId = None) -> Response[bytes]:
    hub: HubService = request.app.state.hub
    key = IdentityKey(device_id, module_id)
    async with about(hub, key):
        return await _answered(hub, await hub.registry.twin(key))


@patch(PATHS, guards=[takes("ServiceConnect")], **SHARED)
async def patch_twin(request: AnyRequest, device_id: Id, module_id: ModuleId = None) -> Response[bytes]:
    """Merge tags and desired properties; null takes a member away."""
    body = await body_of(request, TwinBody)
    return await _change(request, IdentityKey(device_id, module_id), body.patch())


@put(PATHS, guards=[takes("ServiceConnect")], **SHARED)
async def put_twin(request: AnyRequest, device_id: Id, module_id: ModuleId = None) -> Response[bytes]:
    """Put tags and desired properties in the place of those that are there."""
    body = await body_of(request, TwinBody)
    return await _change(request, IdentityKey(device_id, module_id), body.replacement())


async def _change(request: AnyRequest, key: IdentityKey, change: TwinPatch) -> Response[bytes]:
    hub: HubService = request.app.state.hub
    async with about(hub, key):
        twin = await hub.registry.patch_twin(key, change, actor_of(request), etag=if_match(request))
        return await _answered(hub, twin)


async def _answered(hub: HubService, twin: Twin) -> Response[bytes]:
    identity = await hub.registry.identity(twin.key)
    waiting = await hub.downlink.pending(twin.key.device_id) if twin.key.module_id is None else 0
    return answered(twin_shown(identity, twin, hub.sessions, waiting), etag=twin.etag)
