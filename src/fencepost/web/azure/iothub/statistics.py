"""`/statistics`: how many devices there are, and how many are connected."""

from litestar import Response, get

from fencepost.net.hub_http import AnyRequest
from fencepost.web.azure.iothub.access import takes
from fencepost.web.azure.iothub.calls import SHARED, answered
from fencepost.web.azure.iothub.service import HubService


@get("/statistics/devices", guards=[takes("RegistryRead")], **SHARED)
async def device_statistics(request: AnyRequest) -> Response[bytes]:
    hub: HubService = request.app.state.hub
    counts = await hub.registry.counts()
    return answered(
        {
            "totalDeviceCount": counts.total,
            "enabledDeviceCount": counts.enabled,
            "disabledDeviceCount": counts.disabled,
        }
    )


@get("/statistics/service", guards=[takes("RegistryRead")], **SHARED)
async def service_statistics(request: AnyRequest) -> Response[bytes]:
    """Return how many identities are connected: a module that is counts as its device does."""
    hub: HubService = request.app.state.hub
    return answered({"connectedDeviceCount": hub.sessions.count()})
