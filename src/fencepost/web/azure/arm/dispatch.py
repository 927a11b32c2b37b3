"""
From a request to its operation: who asks, what is asked for, in which version, and of whose resources.

All paths of Azure Resource Manager begin alike and are of any length, in any case, so that they are one
handler to the framework and a table of our own.
"""

from typing import Any

from litestar import Response, route
from litestar.types import ASGIApp, Receive, Scope, Send

from fencepost.model.access import Principal
from fencepost.net.hub_http import AnyRequest
from fencepost.web.azure.arm.calls import Call, body_of
from fencepost.web.azure.arm.endpoints import get_endpoints
from fencepost.web.azure.arm.errors import HANDLERS as ERRORS
from fencepost.web.azure.arm.errors import ArmError
from fencepost.web.azure.arm.operations import OPERATIONS
from fencepost.web.azure.arm.routing import ROOT, Router, check_version, rooted
from fencepost.web.azure.arm.service import ArmService, Place
from fencepost.web.azure.origin import origin_of

SCHEME = "bearer"
METHODS: Any = ["GET", "PUT", "POST", "PATCH", "DELETE"]

_router = Router(OPERATIONS)


@route(
    [f"/{ROOT}", f"/{ROOT}/{{rest:path}}"],
    http_method=METHODS,
    exception_handlers=ERRORS,
    include_in_schema=False,
    request_max_body_size=None,
    status_code=200,
)
async def answer_arm(request: AnyRequest) -> Response[bytes]:
    """Answer a call of Azure Resource Manager."""
    arm: ArmService = request.app.state.arm
    _identified(arm, request)
    body = await body_of(request, arm.service.limits.body_seconds)
    principal = _identified(arm, request)  # who is out by now asks for nothing more
    if principal.machine is not None:
        raise ArmError(403, "AuthorizationFailed", f"This token is for {principal.machine} and nothing else.")
    operation, names = _router.find(request.method, request.scope["path"])
    call = Call(arm=arm, request=request, principal=principal, names=names, body=body)
    check_version(operation, call.query("api-version"))
    _check_place(arm.place, names)
    return await operation.operate(call)


HANDLERS: list[Any] = [answer_arm, get_endpoints]


def spelled_alike(app: ASGIApp) -> ASGIApp:
    """Return an application that takes the first word of the paths in any case, behind any number of slashes."""

    async def respelled(scope: Scope, receive: Receive, send: Send) -> None:
        if "path" in scope:
            scope["path"] = rooted(scope["path"])
        await app(scope, receive, send)

    return respelled


def _identified(arm: ArmService, request: AnyRequest) -> Principal:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    principal = arm.service.access.principal_of(token.strip()) if scheme.lower() == SCHEME else None
    if principal is not None:
        return principal
    arm.service.counters.unauthorized += 1
    where = f"{origin_of(request)}/{arm.place.tenant_id}"
    challenge = f'Bearer authorization_uri="{where}", error="invalid_token"'
    code, message = (
        ("InvalidAuthenticationToken", "The access token is invalid.")
        if token
        else ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
    )
    raise ArmError(401, code, message, headers={"WWW-Authenticate": challenge})


def _check_place(place: Place, names: dict[str, str]) -> None:
    """Raise ArmError for a subscription, resource group, hub or location that is not ours."""
    if (named := names.get("subscription")) is not None and not _is(named, place.subscription_id):
        raise ArmError(404, "SubscriptionNotFound", f"The subscription '{named}' could not be found.")
    if (named := names.get("resource_group")) is not None and not _is(named, place.resource_group):
        raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{named}' could not be found.")
    if (named := names.get("hub")) is not None and not _is(named, place.iothub_name):
        kind = "Microsoft.Devices/IotHubs"
        raise ArmError(404, "ResourceNotFound", f"The resource '{kind}/{named}' was not found.")
    if (named := names.get("location")) is not None and not _is(named, place.location):
        raise ArmError(
            404,
            "LocationNotFound",
            f"There is nothing at the location '{named}': all is at '{place.location}'.",
        )


def _is(said: str, ours: str) -> bool:
    return said.casefold() == ours.casefold()
