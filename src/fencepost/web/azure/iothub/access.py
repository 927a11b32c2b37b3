"""Who may call what: shared access policies, our own administrator's token, and a device for its own record."""

from collections.abc import Awaitable, Callable

from litestar.handlers.base import BaseRouteHandler

from fencepost.model.hub_error import HubError
from fencepost.model.identity import IdentityKey
from fencepost.model.sas import parse_sas
from fencepost.net.hub_http import Connection, certificate_of, check_version, named_in, reaches
from fencepost.service.policies import NotAllowed, Permission
from fencepost.web.azure.iothub.service import HubService

BEARER = "bearer "
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


def takes(permission: Permission, *, or_own: bool = False) -> Guard:
    """
    Return a guard that lets in who may do this, and with `or_own` the device whose record it is.

    A module may read what is its own, a device also what is its modules'. Both have to say an `api-version`.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        check_version(connection)
        hub: HubService = connection.app.state.hub
        shown = connection.headers.get("authorization", "")
        actor = _program(hub, connection, shown, permission)
        if actor is None and or_own:
            actor = await _device(hub, connection, shown)
        if actor is None:
            hub.counters.unauthorized += 1
            raise HubError("IotHubUnauthorizedAccess", "Unauthorized")
        connection.scope["auth"] = actor

    return guard


def actor_of(connection: Connection) -> str:
    """Return who acts, as the audit names it: `policy/NAME` or `token/administrator`."""
    return str(connection.scope["auth"])


def _program(hub: HubService, connection: Connection, shown: str, permission: Permission) -> str | None:
    if shown[: len(BEARER)].lower() == BEARER:
        return "token/administrator" if hub.is_administrator(shown[len(BEARER) :].strip()) else None
    try:
        return f"policy/{hub.policies.check(shown, permission, connection.scope['path'].strip('/'))}"
    except NotAllowed:
        return None


async def _device(hub: HubService, connection: Connection, shown: str) -> str | None:
    """
    Return who it is that reads its own record, None for anybody else.

    Agents written in C sign for the whole host, with their device's key.
    """
    wanted, certificate = _addressed(connection), certificate_of(connection)
    if not shown and certificate is not None:
        device = IdentityKey(wanted.device_id)
        return f"device/{device}" if await hub.own_certificate(device, certificate) else None
    if not _is_without_policy(shown):
        return None
    named, device = named_in(shown), IdentityKey(wanted.device_id)
    if named is not None and not reaches(named, wanted):
        return None
    own = wanted if named is not None and named.module_id is not None else device
    return f"device/{own}" if await hub.own_token(own, shown) else None


def _is_without_policy(shown: str) -> bool:
    try:
        return parse_sas(shown).policy is None
    except ValueError:
        return False


def _addressed(connection: Connection) -> IdentityKey:
    ids = connection.path_params
    return IdentityKey(ids["device_id"], ids.get("module_id"))
