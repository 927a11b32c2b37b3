"""Who a device's HTTP request is from: each has a token of the identity's own, or comes with its certificate."""

from datetime import datetime
from typing import Any

from fencepost.gateway.credentials import Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.model.hub_error import Dialect, HubError
from fencepost.model.identity import Identity, IdentityKey
from fencepost.net.hub_http import AnyRequest, certificate_of, check_version, handlers, named_in, reaches
from fencepost.service.pipeline import Busy


def gateway_of(request: AnyRequest) -> Gateway:
    """Return the parts of the front door."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def _clock(request: AnyRequest) -> datetime:
    return gateway_of(request).clock()


def _of_busy(error: Busy) -> HubError:
    return HubError("ThrottlingException", error.reason, retry_after=error.retry_after)


def shared(dialect: Dialect | None = None) -> dict[str, Any]:
    """Return what all handlers are made with; `dialect` is that of their errors."""
    return {
        "guards": [check_version],
        "exception_handlers": handlers(_clock, {Busy: _of_busy}, dialect),
        "include_in_schema": False,
        "request_max_body_size": None,
    }


async def signed_by(request: AnyRequest, key: IdentityKey) -> Identity:
    """
    Return the identity of the path, once the request has proved to be its own; raises HubError.

    Who reaches for what is another's with a good token of its own is noted as the one who did it.
    """
    gateway = gateway_of(request)
    try:
        token, certificate = request.headers.get("authorization", ""), certificate_of(request)
        if not token and certificate is not None:
            return (await gateway.credentials.by_certificate(key, certificate)).identity
        return await _granted(gateway, key, token)
    except Unauthorized:
        gateway.counters.unauthorized += 1
        raise HubError("IotHubUnauthorizedAccess", "Unauthorized") from None


async def _granted(gateway: Gateway, key: IdentityKey, token: str) -> Identity:
    named = named_in(token)
    if named is not None and not reaches(named, key):
        await gateway.credentials.by_token(named, token)
        raise gateway.credentials.trespassed(named, "a request to another's path")
    granted = await gateway.credentials.by_token(key, token)
    return granted.identity
