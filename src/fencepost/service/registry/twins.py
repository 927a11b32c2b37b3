"""Whole twins: the first one of an identity, what its owner changes of it, and what it says itself."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import structs

from fencepost.model.errors import DeviceError, OperatorError, Problem
from fencepost.model.identity import DEVICE_TAG, MODULE_TAG, SECURITY_MODULE, Identity, IdentityKey, Twin
from fencepost.model.registry import Registered
from fencepost.service.registry.drafts import TwinPatch
from fencepost.service.registry.etags import twin_etag
from fencepost.service.registry.sections import (
    PROPERTIES_BYTES,
    TAGS_BYTES,
    cleaned,
    difference,
    first,
    merged,
    patched,
    problems_of,
    replaced,
    size_of,
)
from fencepost.service.security_twin import default_desired, with_whole_section

_TAGS, _DESIRED, _REPORTED = "tags", "properties.desired", "properties.reported"


def twin_of(one: Registered) -> Twin:
    """Return the twin of an identity; one that nobody has touched is as the identity's creation left it."""
    return one.twin or first_twin(one.identity, {}, {})


def first_twin(identity: Identity, tags: Mapping[str, Any], desired: Mapping[str, Any]) -> Twin:
    """
    Return the twin of a new identity; raises OperatorError with all problems.

    A security module has Microsoft's defaults where its desired properties say nothing else.
    """
    if problems := [*problems_of(tags, _TAGS), *problems_of(desired, _DESIRED)]:
        raise OperatorError(problems)
    defaults = default_desired() if identity.key.module_id == SECURITY_MODULE else {}
    at = written(identity.created_at)
    twin = Twin(
        key=identity.key,
        etag=twin_etag(identity.generation_id, 1),
        version=1,
        tags=patched({}, tags),
        desired=first(patched(defaults, desired), at),
        reported=first({}, at),
    )
    _refuse_size([(_TAGS, twin.tags, TAGS_BYTES), (_DESIRED, twin.desired.values, PROPERTIES_BYTES)])
    return twin


def changed(one: Registered, patch: TwinPatch, at: datetime) -> Twin:
    """Return a twin after its owner's change; raises OperatorError with all problems."""
    twin = twin_of(one)
    tags = None if patch.tags is None else cleaned(patch.tags)
    desired = None if patch.desired is None else cleaned(patch.desired)
    problems = [*problems_of(tags or {}, _TAGS), *problems_of(desired or {}, _DESIRED)]
    if problems:
        raise OperatorError(problems)
    version = twin.version + 1
    twin = structs.replace(twin, version=version, etag=twin_etag(one.identity.generation_id, version))
    if tags is not None:
        twin = structs.replace(twin, tags=patched({} if patch.replace else twin.tags, tags))
    if desired is not None:
        change = replaced if patch.replace else merged
        twin = structs.replace(twin, desired=change(twin.desired, desired, written(at)))
    _refuse_size(
        [(_TAGS, twin.tags, TAGS_BYTES)] * (tags is not None)
        + [(_DESIRED, twin.desired.values, PROPERTIES_BYTES)] * (desired is not None)
    )
    return twin


def reported(one: Registered, patch: bytes, at: datetime) -> Twin:
    """
    Return a twin after its device's merge patch of the reported properties; raises DeviceError.

    The etag stays: it guards what owners change, and a busy device must not turn each of them away.
    """
    twin = twin_of(one)
    members = _decoded(patch)
    if problems := problems_of(members, _REPORTED):
        raise DeviceError(problems[0].reason, problems[0].path)
    section = merged(twin.reported, members, written(at))
    if size_of(section.values) > PROPERTIES_BYTES:
        raise DeviceError(f"larger than {PROPERTIES_BYTES} bytes", _REPORTED)
    return structs.replace(twin, version=twin.version + 1, reported=section)


def desired_push(before: Twin, after: Twin, patch: TwinPatch) -> dict[str, Any]:
    """
    Return what a device is told of a change of its desired properties, with their "$version".

    It is the patch, with the whole section of the security agents where the patch touches it; of properties
    that were replaced it is the difference. To a client that merges all of these are the same.
    """
    if patch.replace:
        members = difference(before.desired.values, after.desired.values)
    else:
        members = with_whole_section(cleaned(patch.desired or {}), after.desired.values)
    return {**members, "$version": after.desired.version}


def tag_of(key: IdentityKey, tags: Mapping[str, Any]) -> str | None:
    """Return the group that a twin's tags name (S25), None where they name none, or the twin has no say."""
    if key.module_id not in {None, SECURITY_MODULE}:
        return None
    name = DEVICE_TAG if key.module_id is None else MODULE_TAG
    found = (value for one, value in tags.items() if one.casefold() == name.casefold())
    return next((value for value in found if isinstance(value, str) and value.strip()), None)


def tags_with_group(tags: Mapping[str, Any], group: str | None) -> dict[str, Any]:
    """Return a device twin's tags with this group's name, or none."""
    others = {name: value for name, value in tags.items() if name.casefold() != DEVICE_TAG.casefold()}
    return others if group is None else {DEVICE_TAG: group, **others}


def written(at: datetime) -> str:
    """Return a moment in ISO 8601, as twins and the registry write it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _decoded(patch: bytes) -> dict[str, Any]:
    try:
        members = msgspec.json.decode(patch, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise DeviceError(f"not an object of JSON: {reason}", _REPORTED) from None
    return cleaned(members)


def _refuse_size(sections: list[tuple[str, Mapping[str, Any], int]]) -> None:
    problems = [
        Problem(path, f"larger than {limit} bytes")
        for path, values, limit in sections
        if size_of(values) > limit
    ]
    if problems:
        raise OperatorError(problems)
