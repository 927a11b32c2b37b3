"""`/v1/suppressions`: which alerts are dismissed as soon as they open, because their owner knows."""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, put
from litestar.params import JSONBody, PathParameter
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from fencepost.model.errors import OperatorError, Problem
from fencepost.model.suppression import FIELDS, Condition, SuppressionRule, SuppressionState
from fencepost.service.answers import Missing
from fencepost.web.api.access import actor_of, requires
from fencepost.web.api.codec import built, derived, said, utc, written
from fencepost.web.api.documented import created, problems_of
from fencepost.web.api.etags import ANY, IfMatch, IfNoneMatch, check_seen, etag, is_for_new_only
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service

LONGEST_TEXT = 2000
MOST_CONDITIONS = 100
SuppressionName = Annotated[
    str, PathParameter(description="The name of the rule, without case.", max_length=128)
]
_SPOKEN = {"alertType": "alert_type", "suppressionAlertsScope.allOf": "conditions", "`in`": "`among`"}
"""What the members are called here that the model names as Azure does."""
_GIVEN = "Said by the service; sent back it says nothing."
_MEANINGS = {
    "name": "Compared without case. Put, it may be left out, and is the one of the path.",
    "alert_type": "The type of the alerts, such as IoT_CA_ProcessNotAllowed, or * for all.",
    "enabled": "Whether it does anything.",
    "reason": "Why these alerts are no news, in a word: FalsePositive.",
    "comment": "More about why.",
    "expires_at": "From when on it does nothing, null for never.",
    "conditions": "What must hold of an alert, all of it.",
    "changed_at": f"When it was put the last time. {_GIVEN}",
    "state": f"Whether it has an effect now. {_GIVEN}",
    "field": f"A field of an alert: {', '.join(FIELDS)}.",
    "among": "The field is one of these, without case.",
    "contains": "Or the field contains one of these, without case.",
}
ShortText = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Values = Annotated[tuple[ShortText, ...], Meta(max_length=1000)]


@derived(Condition, meanings=_MEANINGS)
class ConditionBody(Struct):
    """What must hold of one field of an alert."""

    field: ShortText
    among: Values
    contains: Values


@derived(SuppressionRule, meanings=_MEANINGS, optional=("name", "changed_at"))
class SuppressionBody(Struct):
    """A rule by which alerts are dismissed as they open, whole."""

    alert_type: ShortText
    reason: ShortText
    comment: ShortText
    conditions: Annotated[tuple[ConditionBody, ...], Meta(max_length=MOST_CONDITIONS)]
    state: SuppressionState


@derived(SuppressionRule, meanings=_MEANINGS, needed=True)
class SuppressionView(Struct):
    """A rule by which alerts are dismissed as they open."""

    state: SuppressionState


class Suppressions(Struct, frozen=True):
    """All rules by which alerts are dismissed as they open."""

    items: list[SuppressionView]


@get(
    "/v1/suppressions",
    guards=[requires("viewer", everywhere=True)],
    operation_id="listSuppressions",
    summary="List the suppression rules.",
    responses=problems_of(401, 403),
    tags=["suppressions"],
)
async def list_suppressions(request: Request[Any, Any, Any]) -> Suppressions:
    """Return all rules, those too that have no effect any more."""
    service: Service = request.app.state.service
    now = service.clock()
    return Suppressions([_view_of(rule, now) for rule in service.commands.suppressions()])


@get(
    "/v1/suppressions/{name:str}",
    guards=[requires("viewer", everywhere=True)],
    operation_id="getSuppression",
    summary="Get a suppression rule.",
    responses=problems_of(400, 401, 403, 404),
    tags=["suppressions"],
)
async def get_suppression(
    request: Request[Any, Any, Any], name: SuppressionName
) -> Response[SuppressionView]:
    """Return a rule; its ETag is for If-Match."""
    return _answer(request, _known(request, name), 200)


@put(
    "/v1/suppressions/{name:str}",
    guards=[requires("administrator", everywhere=True)],
    operation_id="putSuppression",
    summary="Make or replace a suppression rule.",
    responses={**created(SuppressionView), **problems_of(400, 401, 403, 404, 412, 413, 503)},
    tags=["suppressions"],
)
async def put_suppression(
    request: Request[Any, Any, Any],
    name: SuppressionName,
    data: JSONBody[SuppressionBody],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[SuppressionView]:
    """Dismiss alerts that fit as they open, from now on; those that are open stay as they are."""
    service: Service = request.app.state.service
    seen = _checked(request, name, if_match, if_none_match)
    draft = _rule_of(name, data, service.clock())
    try:
        rule, is_new = await service.commands.put_suppression(draft, actor_of(request), seen=seen)
    except OperatorError as error:
        raise OperatorError(_spoken(one) for one in error.problems) from None
    return _answer(request, rule, 201 if is_new else 200)


@delete(
    "/v1/suppressions/{name:str}",
    guards=[requires("administrator", everywhere=True)],
    operation_id="deleteSuppression",
    summary="Delete a suppression rule.",
    responses=problems_of(400, 401, 403, 404, 412, 503),
    tags=["suppressions"],
)
async def delete_suppression(
    request: Request[Any, Any, Any], name: SuppressionName, if_match: IfMatch = None
) -> None:
    """Take a rule away; the alerts that it dismissed stay dismissed."""
    service: Service = request.app.state.service
    seen = _checked(request, name, if_match, None)
    if not await service.commands.delete_suppression(name, actor_of(request), seen=seen):
        raise Missing(_missing(name))


def _checked(
    request: Request[Any, Any, Any], name: str, if_match: str | None, if_none_match: str | None
) -> SuppressionRule | UnsetType | None:
    """Return the rule that the editor has seen, UNSET for any; raises Refused or Missing where it is not so."""
    known = _find(request, name)
    if is_for_new_only(if_none_match):
        if known is not None:
            raise Refused(412, f"there is a suppression rule {known.name} already")
        return None
    if if_match is None:
        return UNSET
    if if_match.strip() == ANY:
        return _known(request, name)
    check_seen(if_match, _tag(known), f"the suppression rule {name}")
    return known


def _rule_of(name: str, body: SuppressionBody, now: datetime) -> SuppressionRule:
    members = said(body)
    if members.pop("name", name).casefold() != name.casefold():
        raise OperatorError([Problem("name", "is another than that of the path: a rule is not renamed")])
    members.pop("state", None)
    end = members.get("expires_at")
    return SuppressionRule(
        **members
        | {
            "name": name,
            "changed_at": now,
            "expires_at": utc(end) if end is not None else None,
            "conditions": tuple(Condition(**said(one)) for one in members.get("conditions", ())),
        }
    )


def _view_of(rule: SuppressionRule, now: datetime) -> SuppressionView:
    return built(SuppressionView, **written(rule), state=rule.state_at(now))


def _find(request: Request[Any, Any, Any], name: str) -> SuppressionRule | None:
    service: Service = request.app.state.service
    rules = service.commands.suppressions()
    return next((rule for rule in rules if rule.name.casefold() == name.casefold()), None)


def _known(request: Request[Any, Any, Any], name: str) -> SuppressionRule:
    rule = _find(request, name)
    if rule is None:
        raise Missing(_missing(name))
    return rule


def _missing(name: str) -> str:
    return f"there is no suppression rule {name!r}"


def _tag(rule: SuppressionRule | None) -> str:
    return blake2b(msgspec.json.encode(rule), digest_size=8).hexdigest()


def _answer(request: Request[Any, Any, Any], rule: SuppressionRule, status: int) -> Response[SuppressionView]:
    service: Service = request.app.state.service
    return Response(_view_of(rule, service.clock()), status_code=status, headers=etag(_tag(rule)))


def _spoken(problem: Problem) -> Problem:
    path, reason = problem.path, problem.reason
    for theirs, ours in _SPOKEN.items():
        path, reason = path.replace(theirs, ours), reason.replace(theirs, ours)
    return structs.replace(problem, path=path, reason=reason)
