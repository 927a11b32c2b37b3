"""`/v1/groups`: what the owner expects, in the keys of the groups file."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, put
from litestar.params import Parameter
from msgspec import UNSET, Meta, Struct, UnsetType

from fencepost.model.catalog import CATALOG, Severity
from fencepost.model.duration import iso_duration
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.rule import FAMILIES, ImplicitEntry, Members, Rule, SecurityGroup, problems_of
from fencepost.web.api.access import actor_of, requires
from fencepost.web.api.documented import number_in
from fencepost.web.api.documented import problems_of as answers
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service

GroupName = Annotated[str, Parameter(description="The name of the group, without case.", max_length=128)]
IfMatch = Annotated[
    str | None,
    Parameter(
        header="If-Match", description='The ETag that the editor has seen, such as "3".', max_length=40
    ),
]
Number = Annotated[int, Meta(ge=0, le=2**53)]
MOST_ENTRIES = 100_000
MOST_GLOBS = 1000
LISTS = ("allow", "deny")
Entries = Annotated[tuple[str, ...], Meta(max_length=MOST_ENTRIES)]


RuleTypeName = Annotated[str, Meta(extra_json_schema={"enum": list(CATALOG)})]
"""Documented here, and checked with all else so that all problems are said at once."""


class MembersBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Devices that belong to a group by their ids; the twin tag SecurityGroup goes before both."""

    ids: Annotated[tuple[str, ...], Meta(max_length=MOST_ENTRIES)] = ()
    globs: Annotated[tuple[str, ...], Meta(max_length=MOST_GLOBS)] = ()


class RuleBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A rule; which members belong to it follows from its type, as in the groups file."""

    type: RuleTypeName
    enabled: bool = True
    severity: Severity | None = None
    description: str | None = None
    min: Number | UnsetType = UNSET
    max: Number | UnsetType = UNSET
    window: timedelta | UnsetType = UNSET
    count: Literal["attempts", "records"] | UnsetType = UNSET
    alert_on: Literal["certain", "possible"] | UnsetType = UNSET
    allow: Entries | UnsetType = UNSET
    deny: Entries | UnsetType = UNSET


class GroupBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A security group, whole: what is left out has its default."""

    description: str = ""
    members: MembersBody = MembersBody()
    allowed_lateness: timedelta | None = None
    implicit_entries: tuple[ImplicitEntry, ...] = ("loopback", "link_local", "server")
    rules: Annotated[list[RuleBody], Meta(max_length=100)] = []


class RuleView(Struct, kw_only=True, omit_defaults=True):
    """A rule in force; `window` is an ISO 8601 duration."""

    type: str
    enabled: bool
    severity: Severity | None = None
    description: str | None = None
    min: int | UnsetType = UNSET
    max: int | UnsetType = UNSET
    window: str | UnsetType = UNSET
    count: str | UnsetType = UNSET
    alert_on: str | UnsetType = UNSET
    allow: tuple[str, ...] | UnsetType = UNSET
    deny: tuple[str, ...] | UnsetType = UNSET


class GroupView(Struct, kw_only=True):
    """A security group in force; `version` counts its edits and is its ETag."""

    name: str
    version: int
    description: str
    members: Members
    allowed_lateness: str | None
    implicit_entries: tuple[ImplicitEntry, ...]
    server_addresses: tuple[str, ...]
    rules: list[RuleView]


class Groups(Struct, frozen=True):
    """All groups, in the order in which they were made; the first glob that matches a device has it."""

    items: list[GroupView]


@get(
    "/v1/groups",
    guards=[requires("administrator")],
    operation_id="listGroups",
    summary="List the security groups.",
    responses=answers(401, 403),
    tags=["groups"],
)
async def list_groups(request: Request[Any, Any, Any]) -> Groups:
    """Return all groups with their rules."""
    service: Service = request.app.state.service
    return Groups([view_of(group) for group in service.commands.groups()])


@get(
    "/v1/groups/{name:str}",
    guards=[requires("administrator")],
    operation_id="getGroup",
    summary="Get a security group.",
    responses=answers(400, 401, 403, 404),
    tags=["groups"],
)
async def get_group(request: Request[Any, Any, Any], name: GroupName) -> Response[GroupView]:
    """Return a group; its ETag is for If-Match."""
    service: Service = request.app.state.service
    return _answer(service.commands.group(name), 200)


@put(
    "/v1/groups/{name:str}",
    guards=[requires("administrator")],
    operation_id="putGroup",
    summary="Make or replace a security group.",
    responses=answers(400, 401, 403, 409, 412, 413, 503),
    tags=["groups"],
)
async def put_group(
    request: Request[Any, Any, Any], name: GroupName, data: GroupBody, if_match: IfMatch = None
) -> Response[GroupView]:
    """
    Put a group in force from the next event on; open alerts are judged again at once.

    Counters of unchanged rules survive, history is not alerted of again.
    """
    service: Service = request.app.state.service
    if if_match == "*":
        service.commands.group(name)
    draft = _group_of(name, data)
    group, is_new = await service.commands.put_group(draft, actor_of(request), version=_version(if_match))
    return _answer(group, 201 if is_new else 200)


@delete(
    "/v1/groups/{name:str}",
    guards=[requires("administrator")],
    operation_id="deleteGroup",
    summary="Delete a security group.",
    responses=answers(400, 401, 403, 404, 409, 412, 503),
    tags=["groups"],
)
async def delete_group(request: Request[Any, Any, Any], name: GroupName, if_match: IfMatch = None) -> None:
    """Take a group away: its devices go where their tags and ids say without it."""
    service: Service = request.app.state.service
    await service.commands.delete_group(name, actor_of(request), version=_version(if_match))


def view_of(group: SecurityGroup) -> GroupView:
    """Return a group as it is shown."""
    lateness = group.allowed_lateness
    return GroupView(
        name=group.name,
        version=group.version,
        description=group.description,
        members=group.members,
        allowed_lateness=iso_duration(lateness) if lateness is not None else None,
        implicit_entries=group.implicit_entries,
        server_addresses=group.server_addresses,
        rules=[_rule_view(rule) for rule in group.rules],
    )


def _rule_view(rule: Rule) -> RuleView:
    shown = {name: getattr(rule, name) for name in rule.__struct_fields__}
    if "window" in shown:
        shown["window"] = iso_duration(shown["window"])
    return RuleView(**shown)


def _answer(group: SecurityGroup, status: int) -> Response[GroupView]:
    return Response(view_of(group), status_code=status, headers={"ETag": f'"{group.version}"'})


def _version(if_match: str | None) -> int | None:
    """Return the version that an ETag names; none of ours matches nothing."""
    if if_match is None or if_match == "*":
        return None
    number = number_in(if_match.strip().removeprefix("W/").strip('"'))
    if number is None:
        raise Refused(412, "If-Match is no ETag of a group: read the group again")
    return number


def _group_of(name: str, body: GroupBody) -> SecurityGroup:
    problems: list[Problem] = []
    rules = [
        rule for index, one in enumerate(body.rules) if (rule := _rule_of(one, f"rules[{index}]", problems))
    ]
    if problems:
        raise OperatorError(problems)
    return SecurityGroup(
        name=name,
        description=body.description,
        members=Members(ids=body.members.ids, globs=body.members.globs),
        allowed_lateness=body.allowed_lateness,
        implicit_entries=body.implicit_entries,
        rules=tuple(rules),
    )


def _rule_of(body: RuleBody, path: str, problems: list[Problem]) -> Rule | None:
    row = CATALOG.get(body.type)
    if row is None:
        problems.append(Problem(f"{path}.type", f"unknown rule type {body.type!r}"))
        return None
    family = FAMILIES[row.family]
    said = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}
    found = list(_misfits(said, family, row.family, path))
    rule = None if found else family(**said)
    problems += found if rule is None else problems_of(rule, path)
    return rule


def _misfits(said: dict[str, Any], family: type[Rule], name: str, path: str) -> Iterator[Problem]:
    for key in said:
        if key not in family.__struct_fields__:
            yield Problem(f"{path}.{key}", f"{key} does not belong to a rule of the family {name}")
    needed = [field.name for field in msgspec.structs.fields(family) if field.required or field.name in LISTS]
    for key in needed:
        if key not in said:  # a list that was forgotten must not be one that allows nothing (S16)
            yield Problem(f"{path}.{key}", f"a rule of the family {name} needs {key}")
