"""Who may call what: shared access policies, our own administrator's token, and a device for its own record."""

from collections.abc import Awaitable, Callable

from litestar.handlers.base import BaseRouteHandler

from fencepost.model.hub_error import HubError
from fencepost.model.identity import IdentityKey
from fencepost.net.hub_http import Connection, named_in
from fencepost.service.policies import NotAllowed, Permission
from fencepost.web.azure.iothub.service import HubService

BEARER = "bearer "
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


def takes(permission: Permission, *, or_own: bool = False) -> Guard:
    """
    Return a guard that lets in who may do this, and with `or_own` the device whose record it is.

    A module may read what is its own, a device also what is its modules'.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        hub: HubService = connection.app.state.hub
        shown = connection.headers.get("authorization", "")
        actor = _program(hub, connection, shown, permission)
        if actor is None and or_own:
            actor = await _device(hub, _addressed(connection), shown)
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


async def _device(hub: HubService, wanted: IdentityKey, shown: str) -> str | None:
    named = named_in(shown) or IdentityKey(wanted.device_id)
    if named not in (wanted, IdentityKey(wanted.device_id)):
        return None
    return f"device/{named}" if await hub.own_token(named, shown) else None


def _addressed(connection: Connection) -> IdentityKey:
    ids = connection.path_params
    return IdentityKey(ids["device_id"], ids.get("module_id"))
