"""Cloud-to-device messages, as services send them over HTTP, and take them away again."""

from datetime import UTC, datetime

from litestar import Response, delete, post

from fencepost.model.hub_error import HubError
from fencepost.model.identity import IdentityKey
from fencepost.net.hub_http import AnyRequest, Id, read_body
from fencepost.web.azure.iothub.access import actor_of, takes
from fencepost.web.azure.iothub.calls import SHARED, answered
from fencepost.web.azure.iothub.errors import about
from fencepost.web.azure.iothub.service import HubService

LARGEST = 64 << 10
"""Bytes of a message's body."""
OWN = "iothub-app-"
SYSTEM = {
    "iothub-messageid": "message-id",
    "iothub-correlationid": "correlation-id",
    "iothub-userid": "user-id",
    "iothub-to": "to",
    "iothub-ack": "ack",
    "iothub-contenttype": "content-type",
    "iothub-contentencoding": "content-encoding",
}
"""The headers of system properties, and what the properties are called."""


@post(
    "/devices/{device_id:str}/messages/devicebound",
    status_code=204,
    guards=[takes("ServiceConnect")],
    **SHARED,
)
async def send_message(request: AnyRequest, device_id: Id) -> None:
    """Keep a message until its device takes it; the body is the message, its properties are headers."""
    hub: HubService = request.app.state.hub
    body = await read_body(request, LARGEST, hub.body_seconds)
    system = {name: request.headers[header] for header, name in SYSTEM.items() if header in request.headers}
    own = {name.removeprefix(OWN): value for name, value in request.headers.items() if name.startswith(OWN)}
    async with about(hub, IdentityKey(device_id)):
        await hub.downlink.send(device_id, body, system, own, _expiry(request))


@delete("/devices/{device_id:str}/commands", status_code=200, guards=[takes("ServiceConnect")], **SHARED)
async def purge_messages(request: AnyRequest, device_id: Id) -> Response[bytes]:
    """Take away all messages that wait for a device."""
    hub: HubService = request.app.state.hub
    async with about(hub, IdentityKey(device_id)):
        number = await hub.downlink.purge(device_id, actor_of(request))
    return answered({"deviceId": device_id, "moduleId": None, "totalMessagesPurged": number})


def _expiry(request: AnyRequest) -> datetime | None:
    said = request.headers.get("iothub-expiry")
    if not said:
        return None
    try:
        at = datetime.fromisoformat(said)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise HubError("ArgumentInvalid", "iothub-expiry is a time such as 2030-01-31T12:00:00Z") from None
