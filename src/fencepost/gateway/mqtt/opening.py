"""CONNECT: who it is that connects (wire-formats 3.1-3.3)."""

from fencepost.gateway.credentials import Granted, Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.model.identity import IdentityKey
from fencepost.net.tls import PeerCertificate
from fencepost.wire.mqtt.packets import Connect

REGISTRATIONS = "registrations"


def identity_of(connect: Connect) -> IdentityKey:
    """
    Return whom a CONNECT names; raises Unauthorized where its client id and user name do not agree.

    The user name is `{host}/{device}[/{module}][/?api-version=...]`, the client id `{device}[/{module}]`.
    """
    device_id, slash, module_id = connect.client_id.partition("/")
    if not device_id or (slash and not module_id) or "/" in module_id:
        raise Unauthorized("no client id of a device or module")
    named = (connect.username or "").partition("/")[2]
    behind = named.removeprefix(connect.client_id)  # a client may leave the slash before the query out
    query = behind.removeprefix("/")
    is_query = not query or query.startswith("?") or (behind != query and "=" in query)
    if not named.startswith(connect.client_id) or "/" in query or not is_query:
        raise Unauthorized("the user name is for something else")
    return IdentityKey(device_id, module_id if slash else None)


def is_registration(connect: Connect) -> bool:
    """Whether a client wants to be provisioned: `{idScope}/registrations/{registrationId}/api-version=...`."""
    names = (connect.username or "").split("/")
    return len(names) >= 3 and names[1] == REGISTRATIONS and names[2] == connect.client_id  # noqa: PLR2004


async def granted(
    gateway: Gateway, connect: Connect, key: IdentityKey, certificate: PeerCertificate | None
) -> Granted:
    """Return the identity once it has proved itself; raises Unauthorized."""
    if connect.password:
        try:
            token = connect.password.decode()
        except UnicodeDecodeError:
            token = ""
        return await gateway.credentials.by_token(key, token)
    return await gateway.credentials.by_certificate(key, certificate)
