"""`/devices/{deviceId}/messages/events`: device-to-cloud messages over HTTPS, one or a batch."""

import binascii
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import post
from msgspec import Struct

from fencepost.gateway.https.access import gateway_of, shared, signed_by
from fencepost.gateway.uplink import Message, TooLarge
from fencepost.model.hub_error import HubError
from fencepost.model.identity import IdentityKey
from fencepost.net.hub_http import AnyRequest, Id, ModuleId, read_body

BODY_SECONDS = 30.0
BATCH = "application/vnd.microsoft.iothub.json"
MOST = 500
"""Messages of a batch."""
INTERFACE = "iothub-interface-id"
PATHS = [
    "/devices/{device_id:str}/messages/events",
    "/devices/{device_id:str}/modules/{module_id:str}/messages/events",
]


class Part(Struct, frozen=True, rename="camel"):
    """One message of a batch; clients that say nothing of base64 mean it."""

    body: str
    base64_encoded: bool = True
    properties: dict[str, Any] | None = None


@post(PATHS, status_code=204, **shared())
async def send_event(request: AnyRequest, device_id: Id, module_id: ModuleId = None) -> None:
    """
    Take what a device says, and answer when it is on disk; a batch is kept as a whole or not at all.

    The body is the message as it is, its properties are headers.
    """
    gateway = gateway_of(request)
    identity = await signed_by(request, IdentityKey(device_id, module_id))
    body = await read_body(request, gateway.max_message_bytes, BODY_SECONDS)
    gateway.sessions.touch(identity.key)
    try:
        await gateway.uplink.send_all(device_id, _messages(request, body), "https")
    except TooLarge as error:
        raise HubError("MessageTooLarge", error.reason) from None


def _messages(request: AnyRequest, body: bytes) -> Sequence[Message]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == BATCH:
        return [_message(part) for part in _parts(body)]
    return [Message(body, request.headers.get(INTERFACE))]


def _parts(body: bytes) -> list[Part]:
    try:
        parts = msgspec.json.decode(body, type=list[Part])
    except (ValueError, RecursionError) as error:
        raise HubError("IotHubFormatError", f"the body is no batch of messages: {error}") from None
    if not parts:
        raise HubError("ArgumentNull", "the batch has no messages")
    if len(parts) > MOST:
        raise HubError("MessageTooLarge", f"a batch has at most {MOST} messages")
    return parts


def _message(part: Part) -> Message:
    own = {name.lower(): value for name, value in (part.properties or {}).items()}
    interface = own.get(INTERFACE)
    return Message(_body(part), interface if isinstance(interface, str) else None)


def _body(part: Part) -> bytes:
    if not part.base64_encoded:
        return part.body.encode()
    try:
        return b64decode(part.body, validate=True)
    except (binascii.Error, ValueError):
        raise HubError("IotHubFormatError", "a body of the batch is not base64") from None
