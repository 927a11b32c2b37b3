"""`/v1/groups`: what the owner expects, in the keys of the groups file."""

import asyncio
from typing import Annotated, Any

from litestar import Request, Response, delete, get, put
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Struct

from fencepost.model.errors import OperatorError, Problem
from fencepost.model.rule import Members, SecurityGroup
from fencepost.service.answers import Missing
from fencepost.web.api.access import actor_of, principal_of, requires
from fencepost.web.api.documented import After, created, number_in, problems_of
from fencepost.web.api.etags import ANY, IfMatch, IfNoneMatch, etag, is_for_new_only, seen_version
from fencepost.web.api.group_bodies import GroupBody, GroupView, group_of, group_view
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service
from fencepost.web.api.theirs import check

GroupName = Annotated[str, PathParameter(description="The name of the group, without case.", max_length=128)]

VersionLimit = Annotated[
    int, QueryParameter(name="limit", ge=1, le=100, description="How many versions at most.")
]
MOST_SHOWN = 200_000
"""Entries of all the lists of a page of versions, but for the first."""


class Groups(Struct, frozen=True):
    """All groups, in the order in which they were made; the first glob that matches a device has it."""

    items: list[GroupView]


class GroupVersion(Struct, frozen=True):
    """A group as one edit left it; `position` is that of the edit in the journal and in the audit."""

    position: int
    group: GroupView


class GroupVersions(Struct, frozen=True):
    """A page of what a group has been, the latest first; `next` is null on the last page."""

    items: list[GroupVersion]
    next: str | None


@get(
    "/v1/groups",
    guards=[requires("viewer")],
    operation_id="listGroups",
    summary="List the security groups.",
    responses=problems_of(401, 403),
    tags=["groups"],
)
async def list_groups(request: Request[Any, Any, Any]) -> Groups:
    """Return all groups with their rules."""
    service: Service = request.app.state.service
    principal, now = principal_of(request), service.clock()
    shown = (group for group in service.commands.groups() if principal.may("viewer", group.name))
    return Groups([group_view(group, now) for group in shown])


@get(
    "/v1/groups/{name:str}",
    guards=[requires("viewer")],
    operation_id="getGroup",
    summary="Get a security group.",
    responses=problems_of(400, 401, 403, 404),
    tags=["groups"],
)
async def get_group(request: Request[Any, Any, Any], name: GroupName) -> Response[GroupView]:
    """Return a group; its ETag is for If-Match."""
    return answer_of(request, known_group(request, name), 200)


@put(
    "/v1/groups/{name:str}",
    guards=[requires("administrator")],
    operation_id="putGroup",
    summary="Make or replace a security group.",
    responses={**created(GroupView), **problems_of(400, 401, 403, 404, 409, 412, 413, 503)},
    tags=["groups"],
)
async def put_group(
    request: Request[Any, Any, Any],
    name: GroupName,
    data: JSONBody[GroupBody],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[GroupView]:
    """
    Put a group in force from the next event on; open alerts are judged again at once.

    Counters of unchanged rules survive, history is not alerted of again. A new group, and which devices are in one,
    is for administrators of everything.
    """
    service: Service = request.app.state.service
    known = _editable_group(request, name)
    if if_match is not None and if_match.strip() == ANY and known is None:
        raise Missing(_missing(name))
    draft = group_of(name, data, service.clock())
    _check_members(request, known, draft.members)
    version = 0 if is_for_new_only(if_none_match) else None
    if version is None:
        version = seen_version(if_match, known.version if known is not None else 0)
    if version is None and known is not None and not principal_of(request).may("administrator"):
        version = known.version  # of another version it is not known whose devices these are
    group, is_new = await service.commands.put_group(draft, actor_of(request), version=version)
    return answer_of(request, group, 201 if is_new else 200)


@delete(
    "/v1/groups/{name:str}",
    guards=[requires("administrator", everywhere=True)],
    operation_id="deleteGroup",
    summary="Delete a security group.",
    responses=problems_of(400, 401, 403, 404, 409, 412, 503),
    tags=["groups"],
)
async def delete_group(request: Request[Any, Any, Any], name: GroupName, if_match: IfMatch = None) -> None:
    """Take a group away: its devices go where their tags and ids say without it."""
    service: Service = request.app.state.service
    version = seen_version(if_match, known_group(request, name).version)
    await service.commands.delete_group(name, actor_of(request), version=version)


@get(
    "/v1/groups/{name:str}/versions",
    guards=[requires("viewer")],
    operation_id="listGroupVersions",
    summary="List what a group has been.",
    responses=problems_of(400, 401, 403, 404, 503),
    tags=["groups"],
)
async def list_group_versions(
    request: Request[Any, Any, Any], name: GroupName, after: After = None, limit: VersionLimit = 10
) -> GroupVersions:
    """Return the versions of a group, the latest first; the audit says who made each, and why."""
    group = known_group(request, name)
    before = number_in(after) if after is not None else None
    if after is not None and before is None:
        raise OperatorError([Problem("after", "is no place in this list: take it from the page before")])
    return await asyncio.to_thread(_versions, request.app.state.service, group.name, before, limit)


def _versions(service: Service, name: str, before: int | None, limit: int) -> GroupVersions:
    found = service.store.group_versions(name, before=before, limit=limit + 1)
    shown: list[GroupVersion] = []
    left = MOST_SHOWN
    for group, position in found[:limit]:
        left -= sum(len(getattr(rule, "entries", ())) for rule in group.rules)
        if shown and left < 0:
            break
        shown.append(GroupVersion(position, group_view(group, service.clock())))
    return GroupVersions(shown, str(shown[-1].position) if len(shown) < len(found) else None)


def known_group(request: Request[Any, Any, Any], name: str) -> SecurityGroup:
    """Return a group that the principal sees; raises Missing."""
    service: Service = request.app.state.service
    check(principal_of(request), "viewer", name, _missing(name))
    return service.commands.group(name)


def check_edit(request: Request[Any, Any, Any], group: SecurityGroup) -> None:
    """Raise Refused where the principal may not edit a group that they see."""
    check(principal_of(request), "administrator", group.name, _missing(group.name))


def answer_of(request: Request[Any, Any, Any], group: SecurityGroup, status: int) -> Response[GroupView]:
    """Return a group as an answer with its ETag."""
    service: Service = request.app.state.service
    view = group_view(group, service.clock())
    return Response(view, status_code=status, headers=etag(group.version))


def _editable_group(request: Request[Any, Any, Any], name: str) -> SecurityGroup | None:
    """Return the group that may be put, None for a new one."""
    principal = principal_of(request)
    try:
        group = known_group(request, name)
    except Missing:
        if principal.may("administrator"):
            return None
        if principal.may("viewer", name):
            raise Refused(403, "a new group takes the role administrator for everything") from None
        raise
    check(principal, "administrator", group.name, _missing(name))
    return group


def _check_members(request: Request[Any, Any, Any], known: SecurityGroup | None, members: Members) -> None:
    """Whoever could say which devices are theirs would see them all."""
    if known is not None and members != known.members and not principal_of(request).may("administrator"):
        reason = "which devices are in a group is for administrators of everything: send members as they are"
        raise Refused(403, reason)


def _missing(name: str) -> str:
    return f"there is no group {name!r}"
