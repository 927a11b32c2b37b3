"""`POST /devices`: up to a hundred devices and modules at once, each for itself."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from litestar import Response, post

from fencepost.model.errors import FencepostError, OperatorError
from fencepost.model.hub_error import HubError
from fencepost.model.identity import IdentityKey
from fencepost.net.hub_http import AnyRequest
from fencepost.service.commands import Conflict, Missing, Outdated
from fencepost.service.pipeline import Busy
from fencepost.service.registry import Draft, Wanted
from fencepost.web.azure.iothub.access import actor_of, takes
from fencepost.web.azure.iothub.bodies import ExchangedBody, draft_of
from fencepost.web.azure.iothub.calls import SHARED, answered, body_of
from fencepost.web.azure.iothub.errors import about, of_busy
from fencepost.web.azure.iothub.service import HubService

MOST = 100
IF_MATCH = "ifmatchetag"
MODES = frozenset({"create", "createorupdate", "update", "delete", "updatetwin"})
ANSWERS = (HubError, OperatorError, Busy, Conflict, Missing, Outdated)
"""What goes wrong with one line and says nothing of the others."""

Errors = list[tuple[IdentityKey, FencepostError]]


@post("/devices", status_code=200, guards=[takes("RegistryWrite")], **SHARED)
async def change_many(request: AnyRequest) -> Response[bytes]:
    """
    Create, update or delete devices as the `importMode` of each says.

    What fails is named, and the others are done all the same; then the status is 400.
    """
    lines = await body_of(request, list[ExchangedBody])
    _check(lines)
    failures = await _failures(request.app.state.hub, lines, actor_of(request))
    keys = [key for line in lines if (key := _key(line)) in failures]
    return _answer([_named(key, failures[key]) for key in keys])


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


async def _failures(
    hub: HubService, lines: Sequence[ExchangedBody], actor: str
) -> dict[IdentityKey, HubError]:
    """Carry out all lines in their order, and return what went wrong with some."""
    failures: dict[IdentityKey, HubError] = {}
    for may_be_together, run in groupby(lines, _may_be_together):
        carry_out = _together if may_be_together else _one_by_one
        for key, error in await carry_out(hub, [*run], actor):
            failures[key] = await _worded(hub, key, error)
    return failures


def _may_be_together(line: ExchangedBody) -> bool:
    """Return whether a line makes an identity, or changes it without regard to what it was."""
    return _mode(line) == "create" or (_mode(line) == "createorupdate" and not line.twin_etag)


async def _together(hub: HubService, lines: Sequence[ExchangedBody], actor: str) -> Errors:
    """Register what the lines want in one transaction."""
    errors: Errors = []
    drafts = []
    for line in lines:
        try:
            drafts.append(_wanted(line))
        except HubError as error:
            errors.append((_key(line), error))
    try:
        errors += await hub.registry.create_many(drafts, actor)
    except Busy as error:
        errors += [(wanted.draft.key, error) for wanted in drafts]
    return errors


def _wanted(line: ExchangedBody) -> Wanted:
    patch, may_be_there = line.twin.patch(), _mode(line) != "create"
    return Wanted(_draft(line), patch.tags, patch.desired, may_be_there=may_be_there)


def _draft(line: ExchangedBody) -> Draft:
    """Return the identity that a line wants; what it says nothing of the status of keeps that."""
    return draft_of(_key(line), line, keeps_status=True)


async def _one_by_one(hub: HubService, lines: Sequence[ExchangedBody], actor: str) -> Errors:
    errors: Errors = []
    for line in lines:
        try:
            await _carry_out(hub, _key(line), line, actor)
        except ANSWERS as error:
            errors.append((_key(line), error))
    return errors


async def _carry_out(hub: HubService, key: IdentityKey, line: ExchangedBody, actor: str) -> None:
    mode = _mode(line)
    kind = mode.removesuffix(IF_MATCH)
    if kind not in MODES or mode == f"create{IF_MATCH}":
        raise HubError("ArgumentInvalid", f"there is no importMode {line.import_mode!r}")
    etag = _etag(line, mode)
    if kind == "delete":
        await hub.registry.delete(key, actor, etag=etag)
        return
    if kind == "createorupdate" and await hub.registry.find(key) is None:
        for _, error in await hub.registry.create_many([_wanted(line)], actor):
            raise error
        return
    if kind != "updatetwin":
        await hub.registry.update(_draft(line), actor, etag=etag)
    patch = line.twin.patch()
    if not patch.is_empty:
        twin_etag = (line.twin_etag or "").strip('"') or None
        await hub.registry.patch_twin(key, patch, actor, etag=twin_etag)


def _mode(line: ExchangedBody) -> str:
    return (line.import_mode or "createOrUpdate").lower()


def _etag(line: ExchangedBody, mode: str) -> str | None:
    """Return the ETag that must still stand, None for any."""
    if not mode.endswith(IF_MATCH):
        return None
    etag = line.twin_etag if mode.startswith("updatetwin") else line.e_tag or line.etag
    if not etag:
        raise HubError("ArgumentNull", f"importMode {line.import_mode} needs an ETag")
    return etag.strip('"')


async def _worded(hub: HubService, key: IdentityKey, error: FencepostError) -> HubError:
    """Return an error in the words of the service."""
    try:
        async with about(hub, key):
            raise error
    except HubError as said:
        return said
    except OperatorError as said:
        return HubError("ArgumentInvalid", str(said))
    except Busy as said:
        return of_busy(said)


def _named(key: IdentityKey, error: HubError) -> dict[str, Any]:
    said = {"deviceId": key.device_id, "errorCode": error.code, "errorStatus": error.detail}
    return said if key.module_id is None else {**said, "moduleId": key.module_id}


def _answer(errors: Sequence[dict[str, Any]]) -> Response[bytes]:
    answer = answered({"isSuccessful": not errors, "errors": errors, "warnings": []})
    if errors:
        answer.status_code = 400
        answer.headers["iothub-errorcode"] = "BulkRegistryOperationFailure"
    return answer
