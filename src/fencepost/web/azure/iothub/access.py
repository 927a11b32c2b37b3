"""Who may call what: shared access policies, our own users and tokens, and a device for its own record."""

from collections.abc import Awaitable, Callable

from litestar.handlers.base import BaseRouteHandler
from msgspec import Struct, structs

from fencepost.model.access import Role
from fencepost.model.hub_error import HubError
from fencepost.model.identity import Identity, IdentityKey
from fencepost.model.sas import parse_sas
from fencepost.net.hub_http import Connection, certificate_of, check_version, named_in, reaches
from fencepost.service.policies import NotAllowed, Permission
from fencepost.web.azure.iothub.service import HubService

BEARER = "bearer "
_ROLES: dict[Permission, Role] = {
    "RegistryRead": "viewer",
    "RegistryWrite": "administrator",
    "ServiceConnect": "administrator",
    "DeviceConnect": "administrator",
}
"""The role for everything that stands for a permission: the registry knows no groups."""
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


class Caller(Struct, frozen=True):
    """
    Who calls, as the audit names it, and whether they see the keys of devices.

    `permission` is what they came in for with a token, which may end while they are still sending.
    """

    actor: str
    sees_keys: bool = True
    permission: Permission | None = None


def takes(permission: Permission, *, or_own: bool = False) -> Guard:
    """
    Return a guard that lets in who may do this, and with `or_own` the device whose record it is.

    A module may read what is its own, a device also what is its modules'. Both have to say an `api-version`.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        check_version(connection)
        hub: HubService = connection.app.state.hub
        shown = connection.headers.get("authorization", "")
        caller = _program(hub, connection, shown, permission)
        if caller is None and or_own:
            caller = await _device(hub, connection, shown)
        if caller is None:
            hub.counters.unauthorized += 1
            raise HubError("IotHubUnauthorizedAccess", "Unauthorized")
        connection.scope["auth"] = caller

    return guard


def actor_of(connection: Connection) -> str:
    """
    Return who acts, as the audit names it: `policy/NAME`, `user/NAME` or `token/NAME`.

    Raises HubError where their token is over by now: a body may come long after its head.
    """
    caller: Caller = connection.scope["auth"]
    if caller.permission is not None:
        hub: HubService = connection.app.state.hub
        shown = connection.headers.get("authorization", "")
        if _program(hub, connection, shown, caller.permission) != caller:
            raise HubError("IotHubUnauthorizedAccess", "Unauthorized")
    return caller.actor


def as_seen(connection: Connection, identity: Identity) -> Identity:
    """Return an identity as the caller may see it: with a key one could act, and a viewer changes nothing."""
    caller: Caller = connection.scope["auth"]
    if caller.sees_keys:
        return identity
    bare = structs.replace(identity.authentication, primary_key=None, secondary_key=None)
    return structs.replace(identity, authentication=bare)


def _program(hub: HubService, connection: Connection, shown: str, permission: Permission) -> Caller | None:
    if shown[: len(BEARER)].lower() == BEARER:
        principal = hub.principal_of(shown[len(BEARER) :].strip())
        if principal is None or not principal.may(_ROLES[permission]):
            return None
        return Caller(principal.actor, principal.may("administrator"), permission)
    try:
        return Caller(f"policy/{hub.policies.check(shown, permission, connection.scope['path'].strip('/'))}")
    except NotAllowed:
        return None


async def _device(hub: HubService, connection: Connection, shown: str) -> Caller | None:
    """
    Return who it is that reads its own record, None for anybody else.

    Agents written in C sign for the whole host, with their device's key.
    """
    wanted, certificate = _addressed(connection), certificate_of(connection)
    if not shown and certificate is not None:
        device = IdentityKey(wanted.device_id)
        return Caller(f"device/{device}") if await hub.own_certificate(device, certificate) else None
    if not _is_without_policy(shown):
        return None
    named, device = named_in(shown), IdentityKey(wanted.device_id)
    if named is not None and not reaches(named, wanted):
        return None
    own = wanted if named is not None and named.module_id is not None else device
    return Caller(f"device/{own}") if await hub.own_token(own, shown) else None


def _is_without_policy(shown: str) -> bool:
    try:
        return parse_sas(shown).policy is None
    except ValueError:
        return False


def _addressed(connection: Connection) -> IdentityKey:
    ids = connection.path_params
    return IdentityKey(ids["device_id"], ids.get("module_id"))
