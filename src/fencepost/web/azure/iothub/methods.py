"""`/twins/{deviceId}/methods`: direct methods, answered by the device while the caller waits."""

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, post
from msgspec import Meta, Struct

from fencepost.model.hub_error import Code, HubError
from fencepost.model.identity import IdentityKey
from fencepost.net.hub_http import AnyRequest, Id, ModuleId
from fencepost.service.sessions import NotListening, Session
from fencepost.web.azure.iothub.access import takes
from fencepost.web.azure.iothub.calls import SHARED, answered, body_of
from fencepost.web.azure.iothub.errors import about
from fencepost.web.azure.iothub.service import HubService

LARGEST = 128 << 10
"""Bytes of what a method is called with."""
AGAIN = 0.1
"""Seconds until the next look whether a device has connected."""
OFFLINE = "The operation failed because the requested device isn't online or takes no direct methods."
LATE = "Timed out waiting for the response from the device."
UNREADABLE = "The device's answer is not JSON."
PATHS = [
    "/twins/{device_id:str}/methods",
    "/twins/{device_id:str}/modules/{module_id:str}/methods",
]


class Call(Struct, frozen=True, rename="camel"):
    """A direct method: how long it may wait for the device to connect, and then for its answer, in seconds."""

    method_name: Annotated[str, Meta(min_length=1, max_length=100)]
    payload: msgspec.Raw = msgspec.Raw(b"null")
    response_timeout_in_seconds: Annotated[int, Meta(ge=5, le=300)] | None = None
    connect_timeout_in_seconds: Annotated[int, Meta(ge=0, le=300)] | None = None

    @property
    def response_seconds(self) -> int:
        return self.response_timeout_in_seconds or 30

    @property
    def connect_seconds(self) -> int:
        return self.connect_timeout_in_seconds or 0


@post(PATHS, status_code=200, guards=[takes("ServiceConnect")], **SHARED)
async def invoke_method(request: AnyRequest, device_id: Id, module_id: ModuleId = None) -> Response[bytes]:
    """Call a device and return what it answers; DeviceNotOnline and GatewayTimeout say that it did not."""
    hub: HubService = request.app.state.hub
    key = IdentityKey(device_id, module_id)
    call = await body_of(request, Call)
    if len(payload := bytes(call.payload)) > LARGEST:
        raise HubError("MessageTooLarge", f"a method is called with at most {LARGEST} bytes")
    async with about(hub, key):
        await hub.registry.identity(key)
    status, said = await _called(hub, key, call, payload)
    return answered({"status": status, "payload": _readable(said)})


async def _called(hub: HubService, key: IdentityKey, call: Call, payload: bytes) -> tuple[int, bytes]:
    """Call an identity as soon as it is connected and listens."""
    loop = asyncio.get_running_loop()
    until = loop.time() + call.connect_seconds
    while True:
        session = hub.sessions.of(key)
        try:
            if session is not None:
                return await _invoked(hub, key, session, call, payload)
        except NotListening:
            pass
        if loop.time() >= until:
            raise _refusal("DeviceNotOnline", OFFLINE)
        await asyncio.sleep(AGAIN)


async def _invoked(
    hub: HubService, key: IdentityKey, session: Session, call: Call, payload: bytes
) -> tuple[int, bytes]:
    try:
        answer = await session.invoke(call.method_name, payload, call.response_seconds)
    except TimeoutError:
        hub.operations.note_soon(key.device_id, "DirectMethodInvokes")
        raise _refusal("GatewayTimeout", LATE) from None
    hub.operations.note_soon(key.device_id, "DirectMethodInvokes")
    return answer


def _readable(said: bytes) -> Any:
    try:
        return msgspec.json.decode(said) if said.strip() else None
    except (ValueError, RecursionError):
        raise _refusal("GenericBadGateway", UNREADABLE) from None


def _refusal(code: Code, detail: str) -> HubError:
    return HubError(code, detail, dialect="method")
