"""`/v1/alerts/{alert_id}/allow`: mending the list that an alert is about."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta, Struct, field, structs

from fencepost.model.alert import Alert
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.layer import EffectiveEntry, Scope
from fencepost.service.answers import Missing
from fencepost.service.choices import Choice, Form
from fencepost.service.mending import MOST_DAYS, SCOPES, Mended, Preview, Undone
from fencepost.service.wishes import LONGEST_REASON, Wish
from fencepost.web.api.access import actor_of, principal_of, requires
from fencepost.web.api.alert_views import alert_of, shown_text
from fencepost.web.api.alerts import AlertId
from fencepost.web.api.codec import Duration, Moment, duration_in, utc
from fencepost.web.api.documented import problems_of
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service
from fencepost.web.api.theirs import check_device

Days = Annotated[
    int, QueryParameter(ge=1, le=MOST_DAYS, description="Over how many days back a preview counts events.")
]
IsPreview = Annotated[
    bool, QueryParameter(name="preview", description="Say what it would change, and change nothing.")
]


class Choices(Struct, frozen=True):
    """The entries that would allow what an alert is about, the narrowest first."""

    items: list[Choice]


class Allowance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is to be allowed, for whom, why, and until when.

    It is either an `entry` or the `form` of one of the choices, the exact value where neither is said; and it
    counts `until` a moment, `for` a time from now, or without an end.
    """

    scope: Scope
    entry: Annotated[str, Meta(max_length=1000)] | None = None
    form: Form | None = None
    reason: Annotated[str, Meta(max_length=LONGEST_REASON)] = ""
    until: Moment | None = None
    span: Duration | None = field(default=None, name="for")


@get(
    "/v1/alerts/{alert_id:str}/allow",
    guards=[requires("viewer")],
    operation_id="listChoices",
    summary="List the entries that would allow what an alert is about.",
    responses=problems_of(400, 401, 403, 404, 409, 503),
    tags=["mending"],
)
async def list_choices(request: Request[Any, Any, Any], alert_id: AlertId) -> Choices:
    """Return the exact value and wider forms, each with what it covers."""
    service: Service = request.app.state.service
    found = await asyncio.to_thread(service.mending.choices, await alert_of(request, alert_id))
    return Choices(
        [
            structs.replace(one, entry=shown_text(service, one.entry), covers=shown_text(service, one.covers))
            for one in found
        ]
    )


@post(
    "/v1/alerts/{alert_id:str}/allow",
    guards=[requires("analyst")],
    operation_id="allow",
    summary="Mend the list that an alert is about, or preview it.",
    responses=problems_of(400, 401, 403, 404, 409, 412, 413, 503),
    tags=["mending"],
    status_code=200,
)
async def allow(
    request: Request[Any, Any, Any],
    alert_id: AlertId,
    data: JSONBody[Allowance],
    is_preview: IsPreview = False,
    days: Days = 7,
) -> Mended | Preview:
    """
    Put an entry on the list of the device, of its group, or of the whole fleet.

    Open alerts that it allows are resolved. With `preview` nothing changes; the answer says which alerts would be
    resolved, how many events of the last `days` days would no longer alert, and which entries cover it already.
    """
    service: Service = request.app.state.service
    alert = await alert_of(request, alert_id, "analyst")
    _check_scope(request, alert, data.scope)
    wish = await asyncio.to_thread(_wish, service, alert, data)
    if is_preview:
        groups = principal_of(request).groups()
        return _shown_preview(
            request, await service.mending.preview(alert_id, wish, days=days, groups=groups)
        )
    mended = await service.mending.allow(alert_id, wish, actor_of(request))
    return structs.replace(mended, entry=shown_text(service, mended.entry))


@post(
    "/v1/alerts/{alert_id:str}/allow/undo",
    guards=[requires("analyst")],
    operation_id="undoAllow",
    summary="Undo what mended a list from an alert.",
    responses=problems_of(400, 401, 403, 404, 409, 412, 503),
    tags=["mending"],
    status_code=200,
)
async def undo_allow(request: Request[Any, Any, Any], alert_id: AlertId) -> Undone:
    """Take the entries away again that came from an alert; the alerts that they resolved are active again."""
    service: Service = request.app.state.service
    alert = await alert_of(request, alert_id, "analyst")
    scopes = frozenset(scope for scope in SCOPES if _may_mend(request, alert, scope))
    groups = principal_of(request).groups("analyst")
    undone = await service.mending.undo(alert_id, actor_of(request), scopes=scopes, groups=groups)
    edits = [
        structs.replace(
            one,
            removed=[shown_text(service, entry) for entry in one.removed],
            restored=[shown_text(service, entry) for entry in one.restored],
        )
        for one in undone.edits
    ]
    return structs.replace(undone, edits=edits)


def _check_scope(request: Request[Any, Any, Any], alert: Alert, scope: Scope) -> None:
    """What is edited must be theirs: the device may have another group by now than its alert."""
    service: Service = request.app.state.service
    principal = principal_of(request)
    if scope == "fleet" and not principal.may("administrator"):
        raise Refused(403, "what is allowed for the whole fleet takes the role administrator for everything")
    if scope == "device":
        check_device(service, principal, "analyst", alert.device_id)


def _may_mend(request: Request[Any, Any, Any], alert: Alert, scope: Scope) -> bool:
    try:
        _check_scope(request, alert, scope)
    except (Missing, Refused):
        return False
    return True


def _shown_preview(request: Request[Any, Any, Any], preview: Preview) -> Preview:
    covering = [_shown_entry(request, one) for one in preview.covering]
    return structs.replace(
        preview, entry=shown_text(request.app.state.service, preview.entry), covering=covering
    )


def _shown_entry(request: Request[Any, Any, Any], entry: EffectiveEntry) -> EffectiveEntry:
    """The fleet's entries are everybody's to see, the alerts from which they came are not."""
    shown, note = shown_text(request.app.state.service, entry.entry), entry.note
    if note is not None:
        is_told = entry.origin != "fleet" or principal_of(request).may("viewer")
        note = structs.replace(note, entry=shown, alert_id=note.alert_id if is_told else None)
    return structs.replace(entry, entry=shown, note=note)


def _wish(service: Service, alert: Alert, body: Allowance) -> Wish:
    problems: list[Problem] = []
    if body.entry is not None and body.form is not None:
        problems.append(Problem("form", "say an entry or a form, not both"))
    entry = body.entry if body.entry is not None else _entry_of(service, alert, body, problems)
    if body.until is not None and body.span is not None:
        problems.append(Problem("for", "say until or for, not both"))
    until = utc(body.until) if body.until is not None else _end_of(service, body.span, problems)
    if problems:
        raise OperatorError(problems)
    return Wish(scope=body.scope, entry=entry, reason=body.reason, until=until)


def _entry_of(service: Service, alert: Alert, body: Allowance, problems: list[Problem]) -> str:
    """Return the entry of a choice: of the form that is asked for, else the exact value, else the narrowest."""
    choices = [one for one in service.mending.choices(alert) if one.scope in (None, body.scope)]
    forms = [one.form for one in choices]
    wanted = body.form or ("exact" if "exact" in forms else next(iter(forms), "exact"))
    if wanted not in forms:
        there = ", ".join(dict.fromkeys(forms)) or "none"
        problems.append(Problem("form", f"this alert has no such form in this scope: there is {there}"))
        return ""
    return choices[forms.index(wanted)].entry


def _end_of(service: Service, span: str | None, problems: list[Problem]) -> datetime | None:
    if span is None:
        return None
    length = duration_in(span, "for", problems)
    try:
        return service.clock() + length
    except OverflowError:
        problems.append(Problem("for", "is longer than time goes: leave it out for an entry without an end"))
        return None
