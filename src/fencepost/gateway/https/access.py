"""Who a device's HTTP request is from: it signs each with a token of its own (wire-formats of IoT Hub)."""

from fencepost.gateway.credentials import Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.model.hub_error import HubError
from fencepost.model.identity import Identity, IdentityKey
from fencepost.net.hub_http import AnyRequest, named_in, reaches


def gateway_of(request: AnyRequest) -> Gateway:
    """Return the parts of the front door."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def signed_by(request: AnyRequest, key: IdentityKey) -> Identity:
    """
    Return the identity of the path, once the request has proved to be its own; raises HubError.

    Who reaches for what is another's with a good token of its own is noted as the one who did it.
    """
    gateway = gateway_of(request)
    try:
        return await _granted(gateway, key, request.headers.get("authorization", ""))
    except Unauthorized:
        raise HubError("IotHubUnauthorizedAccess", "Unauthorized") from None


async def _granted(gateway: Gateway, key: IdentityKey, token: str) -> Identity:
    named = named_in(token)
    if named is not None and not reaches(named, key):
        await gateway.credentials.by_token(named, token)
        raise gateway.credentials.trespassed(named, "a request to another's path")
    granted = await gateway.credentials.by_token(key, token)
    return granted.identity
