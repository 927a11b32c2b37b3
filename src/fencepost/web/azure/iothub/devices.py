"""`/devices`: the devices of the identity registry, one at a time."""

from typing import Any

from litestar import Response, delete, get, put

from fencepost.model.identity import Identity, IdentityKey
from fencepost.net.hub_http import AnyRequest, Id
from fencepost.web.azure.iothub.access import actor_of, as_seen, takes
from fencepost.web.azure.iothub.bodies import IdentityBody, device_shown
from fencepost.web.azure.iothub.calls import SHARED, answered, body_of, if_match
from fencepost.web.azure.iothub.errors import about
from fencepost.web.azure.iothub.service import HubService

MOST = 1000
LONGEST_NUMBER = 4


@get("/devices", guards=[takes("RegistryRead")], **SHARED)
async def list_devices(request: AnyRequest) -> Response[bytes]:
    """Return the first `top` devices; a number that is not between 1 and 1000 is taken for 1000."""
    hub: HubService = request.app.state.hub
    page = await hub.registry.devices(after=None, limit=_top(request))
    return answered([await _shown(hub, as_seen(request, one)) for one in page.items])


@get("/devices/{device_id:str}", guards=[takes("RegistryRead", or_own=True)], **SHARED)
async def get_device(request: AnyRequest, device_id: Id) -> Response[bytes]:
    hub: HubService = request.app.state.hub
    key = IdentityKey(device_id)
    async with about(hub, key):
        identity = as_seen(request, await hub.registry.identity(key))
    return answered(await _shown(hub, identity), etag=identity.etag)


@put("/devices/{device_id:str}", guards=[takes("RegistryWrite")], **SHARED)
async def put_device(request: AnyRequest, device_id: Id) -> Response[bytes]:
    """
    Register a device, or with If-Match change one.

    A key that is left out is made up for a new device, and stays as it is for a known one.
    """
    hub: HubService = request.app.state.hub
    key, etag = IdentityKey(device_id), if_match(request)
    draft = (await body_of(request, IdentityBody)).draft(key)
    async with about(hub, key):
        if etag is None:
            identity = await hub.registry.create(draft, actor_of(request))
        else:
            identity = await hub.registry.update(draft, actor_of(request), etag=etag)
    return answered(await _shown(hub, identity), etag=identity.etag)


@delete("/devices/{device_id:str}", guards=[takes("RegistryWrite")], **SHARED)
async def delete_device(request: AnyRequest, device_id: Id) -> None:
    hub: HubService = request.app.state.hub
    key = IdentityKey(device_id)
    async with about(hub, key):
        await hub.registry.delete(key, actor_of(request), etag=if_match(request))


def _top(request: AnyRequest) -> int:
    said = request.query_params.get("top", "")
    number = int(said) if said.isascii() and said.isdecimal() and len(said) <= LONGEST_NUMBER else MOST
    return number if 1 <= number <= MOST else MOST


async def _shown(hub: HubService, identity: Identity) -> dict[str, Any]:
    waiting = await hub.downlink.pending(identity.key.device_id)
    return device_shown(identity, hub.sessions, waiting)
