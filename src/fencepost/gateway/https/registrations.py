"""`/{idScope}/registrations`: a device asks where it belongs (Azure's DPS over HTTPS, symmetric keys)."""

from typing import Any

import msgspec
from litestar import Response, get, post, put
from msgspec import Struct

from fencepost.gateway.https.access import gateway_of, shared
from fencepost.gateway.registrations import answer_of
from fencepost.model.hub_error import HubError
from fencepost.net.hub_http import AnyRequest, Id, read_body
from fencepost.service.policies import NotAllowed

LARGEST = 64 << 10
BODY_SECONDS = 30.0
PATH = "/{id_scope:str}/registrations/{registration_id:str}"


class RegistrationBody(Struct, frozen=True, rename="camel"):
    registration_id: str | None = None


@put(PATH + "/register", status_code=200, **shared("provisioning"))
async def register(request: AnyRequest, id_scope: Id, registration_id: Id) -> Response[bytes]:
    """Assign a device to this hub, at once: there is nothing to poll for."""
    await _check_body(request, registration_id)
    return _answered(await _registered(request, id_scope, registration_id))


@get(PATH + "/operations/{operation_id:str}", **shared("provisioning"))
async def operation_status(
    request: AnyRequest, id_scope: Id, registration_id: Id, operation_id: Id
) -> Response[bytes]:
    """Say how a registration is going, for clients that poll all the same: it is done."""
    return _answered(await _registered(request, id_scope, registration_id))


@post(PATH, status_code=200, **shared("provisioning"))
async def registration_status(request: AnyRequest, id_scope: Id, registration_id: Id) -> Response[bytes]:
    """
    Say where a device belongs; agents ask nothing else.

    A device that registered with Azure and comes here for the first time is registered by it.
    """
    await _check_body(request, registration_id)
    status = await _registered(request, id_scope, registration_id)
    return _answered(status["registrationState"])


async def _registered(request: AnyRequest, id_scope: str, registration_id: str) -> dict[str, Any]:
    token = request.headers.get("authorization", "")
    try:
        registering = gateway_of(request).provisioning.register(id_scope, registration_id, token)
        return answer_of(await registering)
    except NotAllowed:
        raise HubError("IotHubUnauthorizedAccess", "Unauthorized") from None


async def _check_body(request: AnyRequest, registration_id: str) -> None:
    """Raise HubError where the body names another device; clients written in C count the NUL behind a text."""
    body = (await read_body(request, LARGEST, BODY_SECONDS)).rstrip(b"\0")
    try:
        said = msgspec.json.decode(body or b"{}", type=RegistrationBody)
    except (ValueError, RecursionError) as error:
        raise HubError("IotHubFormatError", f"the body is no registration: {error}") from None
    if (said.registration_id or registration_id).lower() != registration_id.lower():
        raise HubError("ArgumentInvalid", "the registration ids of the path and of the body are not the same")


def _answered(body: dict[str, Any]) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=200, media_type="application/json; charset=utf-8")
