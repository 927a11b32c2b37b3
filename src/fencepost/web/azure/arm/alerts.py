"""`alerts`: what is wrong, and what people do about it."""

import asyncio
from collections import deque

from litestar import Response

from fencepost.model.alert import TRANSITIONS, Alert, State
from fencepost.model.errors import OperatorError
from fencepost.model.masking import masked
from fencepost.model.page import AlertFilter
from fencepost.service.commands import BY_HAND, ByHand, Missing
from fencepost.web.azure.arm.alert_bodies import TYPE, shown
from fencepost.web.azure.arm.calls import SKIP, Call, answered, done, listed
from fencepost.web.azure.arm.errors import ArmError, forbidden, not_found
from fencepost.web.azure.arm.routing import Operate
from fencepost.web.azure.origin import origin_of

PAGE = 100
TRIES = 5
"""How often a state is asked for anew that changes meanwhile."""
WORDS: dict[str, State] = {
    "dismiss": "Dismissed",
    "resolve": "Resolved",
    "activate": "Active",
    "inProgress": "InProgress",
}
"""The actions of Azure's clients, and the states that they ask for."""


def steps_between(before: State, after: State) -> tuple[ByHand, ...]:
    """Return the shortest way from a state to another by the actions that a person may take."""
    ways: deque[tuple[State, tuple[ByHand, ...]]] = deque([(before, ())])
    seen = {before}
    while ways:
        state, steps = ways.popleft()
        if state == after:
            return steps
        for action in BY_HAND:
            reached = TRANSITIONS.get((state, action))
            if reached is not None and reached not in seen:
                seen.add(reached)
                ways.append((reached, (*steps, action)))
    raise AssertionError(f"no way from {before} to {after}")


async def list_alerts(call: Call) -> Response[bytes]:
    """Return the alerts that the caller may see, the latest first; all scopes have the same."""
    call.take_role_somewhere("viewer")
    wanted = AlertFilter(groups=call.principal.groups())
    try:
        page = await asyncio.to_thread(
            call.service.store.alerts, wanted, after=call.query(SKIP), limit=call.top("$top", PAGE)
        )
    except OperatorError as error:
        raise ArmError(400, "InvalidSkipToken", str(error), target=SKIP) from None
    return listed([_shown(call, alert) for alert in page.items], call.next_link(page.after))


async def get_alert(call: Call) -> Response[bytes]:
    """Return one alert."""
    call.take_role_somewhere("viewer")
    return answered(_shown(call, await visible(call, call.names["alert"])))


def mover(word: str) -> Operate:
    """Return the operation that brings an alert into a state, by as many allowed steps as that takes."""

    async def move(call: Call) -> Response[bytes]:
        call.take_role_somewhere("viewer")
        for _ in range(TRIES):
            alert = await visible(call, call.names["alert"])
            if not call.principal.may("analyst", alert.group):
                raise forbidden("analyst", f"the group '{alert.group}'")
            if await _moved(call, alert, WORDS[word]):
                return done(204)
        raise ArmError(409, "Conflict", "The alert is being changed by others: try again.")

    return move


async def simulate(call: Call) -> Response[bytes]:
    """Alerts are not made up: what is to be tried is a rule, on events of the past."""
    call.take_role("administrator")
    raise ArmError(
        400,
        "OperationNotSupported",
        "Alerts are not simulated: none of Azure's bundles is for IoT. Send events with fencepost simulate instead.",
    )


async def visible(call: Call, alert_id: str) -> Alert:
    """Return an alert that the caller may see; raises ArmError where there is none."""
    alert = await asyncio.to_thread(call.service.store.alert, alert_id)
    if alert is None or not call.principal.may("viewer", alert.group):
        raise not_found(TYPE, alert_id)
    return alert


def _shown(call: Call, alert: Alert) -> dict[str, object]:
    one = masked(alert) if call.service.solutions.masks_addresses() else alert
    return shown(one, call.place, call.arm.vendor_name, origin_of(call.request))


async def _moved(call: Call, alert: Alert, wanted: State) -> bool:
    """Whether an alert could be moved from where it stands; somebody else may be faster."""
    try:
        for action in steps_between(alert.state, wanted):
            await call.service.commands.act(alert.alert_id, action, call.actor, None)
    except Missing:
        raise not_found(TYPE, alert.alert_id) from None
    except OperatorError:
        return False
    return True
