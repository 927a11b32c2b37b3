"""`/v1/groups/{name}/rules`: one rule of a group by itself."""

from collections.abc import Callable
from typing import Annotated, Any

from litestar import Request, Response, delete, get, put
from litestar.params import JSONBody, PathParameter
from msgspec import Struct, structs

from fencepost.model.errors import OperatorError, Problem
from fencepost.model.rule import Rule, SecurityGroup
from fencepost.service.answers import Missing, Outdated
from fencepost.web.api.access import actor_of, requires
from fencepost.web.api.documented import created, problems_of
from fencepost.web.api.etags import IfMatch, etag, seen_version
from fencepost.web.api.groups import GroupName, check_edit, known_group
from fencepost.web.api.rule_bodies import RuleBody, rule_body, rule_of
from fencepost.web.api.service import Service

RuleType = Annotated[str, PathParameter(description="The type of the rule.", max_length=128)]
TRIES = 100
"""How often an edit of one rule is tried that names no version, while others edit the same group."""


class Rules(Struct, frozen=True):
    """The rules of a group."""

    items: list[RuleBody]


@get(
    "/v1/groups/{name:str}/rules",
    guards=[requires("viewer")],
    operation_id="listRules",
    summary="List the rules of a group.",
    responses=problems_of(400, 401, 403, 404),
    tags=["groups"],
)
async def list_rules(request: Request[Any, Any, Any], name: GroupName) -> Response[Rules]:
    """Return the rules of a group; the ETag is the group's."""
    service: Service = request.app.state.service
    group = known_group(request, name)
    now = service.clock()
    return Response(Rules([rule_body(rule, now) for rule in group.rules]), headers=etag(group.version))


@get(
    "/v1/groups/{name:str}/rules/{rule_type:str}",
    guards=[requires("viewer")],
    operation_id="getRule",
    summary="Get a rule of a group.",
    responses=problems_of(400, 401, 403, 404),
    tags=["groups"],
)
async def get_rule(
    request: Request[Any, Any, Any], name: GroupName, rule_type: RuleType
) -> Response[RuleBody]:
    """Return one rule; the ETag is the group's."""
    group = known_group(request, name)
    return _answer(request, group, _rule(group, rule_type), 200)


@put(
    "/v1/groups/{name:str}/rules/{rule_type:str}",
    guards=[requires("administrator")],
    operation_id="putRule",
    summary="Make or replace a rule of a group.",
    responses={**created(RuleBody), **problems_of(400, 401, 403, 404, 409, 412, 413, 503)},
    tags=["groups"],
)
async def put_rule(
    request: Request[Any, Any, Any],
    name: GroupName,
    rule_type: RuleType,
    data: JSONBody[RuleBody],
    if_match: IfMatch = None,
) -> Response[RuleBody]:
    """Put one rule in force and leave the others as they are; the ETag is the group's."""
    service: Service = request.app.state.service
    check_edit(request, known_group(request, name))
    problems: list[Problem] = []
    rule = rule_of(data, "", service.clock(), problems)
    if rule is not None and rule.type != rule_type:
        problems.append(Problem("type", "is another than that of the path"))
    if rule is None or problems:
        raise OperatorError(structs.replace(one, path=one.path.removeprefix(".")) for one in problems)
    was_there = any(one.type == rule_type for one in known_group(request, name).rules)
    group = await _edit(request, name, if_match, lambda group: _with(group, rule))
    return _answer(request, group, _rule(group, rule_type), 200 if was_there else 201)


@delete(
    "/v1/groups/{name:str}/rules/{rule_type:str}",
    guards=[requires("administrator")],
    operation_id="deleteRule",
    summary="Delete a rule of a group.",
    responses=problems_of(400, 401, 403, 404, 412, 503),
    tags=["groups"],
)
async def delete_rule(
    request: Request[Any, Any, Any], name: GroupName, rule_type: RuleType, if_match: IfMatch = None
) -> None:
    """Take one rule away; its open alerts are judged again."""
    check_edit(request, known_group(request, name))
    await _edit(request, name, if_match, lambda group: _without(group, rule_type))


async def _edit(
    request: Request[Any, Any, Any],
    name: str,
    if_match: str | None,
    changed: Callable[[SecurityGroup], SecurityGroup],
) -> SecurityGroup:
    service: Service = request.app.state.service
    left = TRIES
    while True:
        group = known_group(request, name)
        version, left = seen_version(if_match, group.version), left - 1
        draft, seen = changed(group), group.version if version is None else version
        try:
            made, _ = await service.commands.put_group(draft, actor_of(request), version=seen)
        except Outdated:
            if not left or version is not None:
                raise
        else:
            return made


def _with(group: SecurityGroup, rule: Rule) -> SecurityGroup:
    if any(one.type == rule.type for one in group.rules):
        rules = tuple(rule if one.type == rule.type else one for one in group.rules)
    else:
        rules = (*group.rules, rule)
    return structs.replace(group, rules=rules)


def _without(group: SecurityGroup, rule_type: str) -> SecurityGroup:
    _rule(group, rule_type)
    return structs.replace(group, rules=tuple(one for one in group.rules if one.type != rule_type))


def _rule(group: SecurityGroup, rule_type: str) -> Rule:
    rule = next((one for one in group.rules if one.type == rule_type), None)
    if rule is None:
        raise Missing(f"the group {group.name} has no rule {rule_type!r}")
    return rule


def _answer(
    request: Request[Any, Any, Any], group: SecurityGroup, rule: Rule, status: int
) -> Response[RuleBody]:
    service: Service = request.app.state.service
    return Response(rule_body(rule, service.clock()), status_code=status, headers=etag(group.version))
