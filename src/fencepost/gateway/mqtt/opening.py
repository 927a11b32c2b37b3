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
    names = (connect.username or "").split("/")
    if not device_id or (slash and not module_id) or "/" in module_id:
        raise Unauthorized("no client id of a device or module")
    named = [device_id, module_id] if slash else [device_id]
    rest = names[1 + len(named) :]
    if names[1 : 1 + len(named)] != named:
        named[-1] += "?"  # a client may leave the slash before the query out
        if len(names) != 1 + len(named) or not _begins(names[1:], named):
            raise Unauthorized("the user name is for something else")
    elif rest and not (len(rest) == 1 and (not rest[0] or rest[0].startswith("?") or "=" in rest[0])):
        raise Unauthorized("the user name is for something else")
    return IdentityKey(device_id, module_id if slash else None)


def _begins(names: list[str], named: list[str]) -> bool:
    return names[:-1] == named[:-1] and names[-1].startswith(named[-1])


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
