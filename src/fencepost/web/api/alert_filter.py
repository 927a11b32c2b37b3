"""Which alerts are asked for: the same questions for a list and for its numbers."""

from typing import Annotated, Any

from litestar import Request
from litestar.di import Provide
from litestar.params import QueryParameter

from fencepost.model.alert import State
from fencepost.model.catalog import Severity
from fencepost.model.page import AlertFilter
from fencepost.web.api.access import principal_of
from fencepost.web.api.documented import MomentText, moments

LONGEST = 2000


def _text(meaning: str) -> QueryParameter:
    return QueryParameter(description=meaning, max_length=LONGEST)


States = Annotated[
    list[State] | None, QueryParameter(name="state", description="In this state, or in one of several.")
]
Severities = Annotated[
    list[Severity] | None, QueryParameter(name="severity", description="So severe, or one of several.")
]
OfGroup = Annotated[str | None, _text("Of this group, by its name without case.")]


def wanted_alerts(
    request: Request[Any, Any, Any],
    states: States = None,
    severities: Severities = None,
    device_id: Annotated[str | None, _text("Of this device.")] = None,
    group: OfGroup = None,
    rule_type: Annotated[str | None, _text("Of rules of this type.")] = None,
    since: MomentText = None,
    until: MomentText = None,
    text: Annotated[str | None, _text("With this in the value or the device's id, without case.")] = None,
    assigned_to: Annotated[str | None, _text("On which this person works; an empty text for nobody.")] = None,
) -> AlertFilter:
    """Return which alerts are asked for, of those that the principal may see."""
    first, last = moments(since=since, until=until)
    return AlertFilter(
        states=frozenset(states or ()),
        severities=frozenset(severities or ()),
        device_id=device_id,
        group=group,
        rule_type=rule_type,
        since=first,
        until=last,
        text=text,
        assigned_to=assigned_to,
        groups=principal_of(request).groups(),
    )


WANTED = {"wanted": Provide(wanted_alerts, sync_to_thread=False)}
