"""`/devices/{deviceId}/messages/devicebound`: a device takes its cloud-to-device messages by asking for them."""

from urllib.parse import quote

from litestar import Response, delete, get, post

from fencepost.gateway.https.access import gateway_of, shared, signed_by
from fencepost.model.hub_error import HubError
from fencepost.model.identity import CloudMessage, IdentityKey
from fencepost.net.hub_http import AnyRequest, Id
from fencepost.service.commands import Missing
from fencepost.service.downlink import Settlement

PATH = "/devices/{device_id:str}/messages/devicebound"
SYSTEM = {
    "message-id": "iothub-messageid",
    "correlation-id": "iothub-correlationid",
    "user-id": "iothub-userid",
    "to": "iothub-to",
    "ack": "iothub-ack",
    "content-type": "iothub-contenttype",
    "content-encoding": "iothub-contentencoding",
}
"""System properties, and the headers that they go by."""
IN_A_NAME = "!#$&'*+.^_`|~-"
"""What a header's name may have besides letters and digits (RFC 9110, 5.6.2), `%` apart."""
IN_A_VALUE = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~ %"


@get(PATH, **shared())
async def take_message(request: AnyRequest, device_id: Id) -> Response[bytes]:
    """Return the oldest message, which is then the device's for a minute; 204 where there is none."""
    gateway = gateway_of(request)
    identity = await signed_by(request, IdentityKey(device_id))
    gateway.sessions.touch(identity.key)
    message = await gateway.downlink.take(device_id, "https")
    if message is None:
        return Response(b"", status_code=204)
    return Response(
        message.body, status_code=200, media_type="application/octet-stream", headers=_headers(message)
    )


@delete(PATH + "/{lock:str}", status_code=204, **shared())
async def settle_message(request: AnyRequest, device_id: Id, lock: Id) -> None:
    """Say that a message has been dealt with, or with `?reject` that it cannot be."""
    await _settle(request, device_id, lock, "rejected" if "reject" in _asked(request) else "completed")


@post(PATH + "/{lock:str}/abandon", status_code=204, **shared())
async def abandon_message(request: AnyRequest, device_id: Id, lock: Id) -> None:
    """Give a message back: it comes again."""
    await _settle(request, device_id, lock, "abandoned")


async def _settle(request: AnyRequest, device_id: str, lock: str, outcome: Settlement) -> None:
    await signed_by(request, IdentityKey(device_id))
    try:
        await gateway_of(request).downlink.settle(device_id, lock, outcome, "https")
    except Missing:
        raise HubError("DeviceMessageLockLost", "the message is not this device's any more") from None


def _asked(request: AnyRequest) -> set[str]:
    query = request.scope["query_string"].decode("latin-1")
    return {part.partition("=")[0].lower() for part in query.split("&")}


def _headers(message: CloudMessage) -> dict[str, str]:
    system = {header: message.system[name] for name, header in SYSTEM.items() if name in message.system}
    own = {f"iothub-app-{_quoted(name, IN_A_NAME)}": value for name, value in message.properties.items()}
    return {
        "ETag": f'"{message.lock}"',
        "iothub-sequencenumber": str(message.sequence),
        "iothub-enqueuedtime": message.enqueued_at.isoformat().replace("+00:00", "Z"),
        "iothub-deliverycount": str(message.delivery_count),
        "iothub-expiry": message.expires_at.isoformat().replace("+00:00", "Z"),
        **{name: _value(value) for name, value in {**own, **system}.items()},
    }


def _value(text: str) -> str:
    """Return a property as the value of a header: what has no place in one is percent-encoded."""
    return _quoted(text, IN_A_VALUE).strip(" ") if text.isascii() else _quoted(text, "")


def _quoted(text: str, safe: str) -> str:
    return quote(text, safe=safe, errors="replace")
