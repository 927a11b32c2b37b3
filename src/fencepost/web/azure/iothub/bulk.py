"""`POST /devices`: up to a hundred devices and modules at once, each for itself."""

from collections.abc import Sequence
from typing import Any

from litestar import Response, post

from fencepost.model.errors import OperatorError
from fencepost.model.hub_error import HubError
from fencepost.model.identity import IdentityKey
from fencepost.net.hub_http import AnyRequest
from fencepost.service.pipeline import Busy
from fencepost.web.azure.iothub.access import actor_of, takes
from fencepost.web.azure.iothub.bodies import ExchangedBody, TwinBody, draft_of
from fencepost.web.azure.iothub.calls import SHARED, answered, body_of
from fencepost.web.azure.iothub.errors import about, of_busy
from fencepost.web.azure.iothub.service import HubService

MOST = 100
IF_MATCH = "ifmatchetag"
MODES = frozenset({"create", "createorupdate", "update", "delete", "updatetwin"})


@post("/devices", status_code=200, guards=[takes("RegistryWrite")], **SHARED)
async def change_many(request: AnyRequest) -> Response[bytes]:
    """
    Create, update or delete devices as the `importMode` of each says.

    What fails is named, and the others are done all the same; then the status is 400.
    """
    lines = await body_of(request, list[ExchangedBody])
    _check(lines)
    errors = [error for line in lines if (error := await _failure(request, line)) is not None]
    return _answer(errors)


def _check(lines: Sequence[ExchangedBody]) -> None:
    if len(lines) > MOST:
        raise HubError("TooManyDevices", f"at most {MOST} devices are taken at once")
    keys = [_key(line) for line in lines]
    if len({*keys}) < len(keys):
        raise HubError("DeviceDefinedMultipleTimes", "each device may be there once")


def _key(line: ExchangedBody) -> IdentityKey:
    if not line.id:
        raise HubError("ArgumentNull", "each device needs an id")
    return IdentityKey(line.id, line.module_id or None)


async def _failure(request: AnyRequest, line: ExchangedBody) -> dict[str, Any] | None:
    """Carry out one line, and return what went wrong."""
    hub: HubService = request.app.state.hub
    key = _key(line)
    try:
        async with about(hub, key):
            await _carry_out(hub, key, line, actor_of(request))
    except HubError as error:
        return _named(key, error)
    except OperatorError as error:
        return _named(key, HubError("ArgumentInvalid", str(error)))
    except Busy as error:
        return _named(key, of_busy(error))
    return None


async def _carry_out(hub: HubService, key: IdentityKey, line: ExchangedBody, actor: str) -> None:
    mode = (line.import_mode or "createOrUpdate").lower()
    kind = mode.removesuffix(IF_MATCH)
    if kind not in MODES or mode == f"create{IF_MATCH}":
        raise HubError("ArgumentInvalid", f"there is no importMode {line.import_mode!r}")
    etag = _etag(line, mode)
    if kind == "delete":
        await hub.registry.delete(key, actor, etag=etag)
        return
    if kind == "create" or (kind == "createorupdate" and await hub.registry.find(key) is None):
        await hub.registry.create(draft_of(key, line), actor, line.tags)
        await _change_twin(hub, key, TwinBody(properties=line.properties), actor)
        return
    if kind != "updatetwin":
        await hub.registry.update(draft_of(key, line), actor, etag=etag)
    await _change_twin(hub, key, line.twin, actor, (line.twin_etag or "").strip('"') or None)


def _etag(line: ExchangedBody, mode: str) -> str | None:
    """Return the ETag that must still stand, None for any."""
    if not mode.endswith(IF_MATCH):
        return None
    etag = line.twin_etag if mode.startswith("updatetwin") else line.e_tag or line.etag
    if not etag:
        raise HubError("ArgumentNull", f"importMode {line.import_mode} needs an ETag")
    return etag.strip('"')


async def _change_twin(
    hub: HubService, key: IdentityKey, twin: TwinBody, actor: str, etag: str | None = None
) -> None:
    """Change what a line says of the twin."""
    patch = twin.patch()
    if patch.tags is not None or patch.desired is not None:
        await hub.registry.patch_twin(key, patch, actor, etag=etag)


def _named(key: IdentityKey, error: HubError) -> dict[str, Any]:
    said = {"deviceId": key.device_id, "errorCode": error.code, "errorStatus": error.detail}
    return said if key.module_id is None else {**said, "moduleId": key.module_id}


def _answer(errors: Sequence[dict[str, Any]]) -> Response[bytes]:
    answer = answered({"isSuccessful": not errors, "errors": errors, "warnings": []})
    if errors:
        answer.status_code = 400
        answer.headers["iothub-errorcode"] = "BulkRegistryOperationFailure"
    return answer
