"""`iotSecuritySolutions`: what is kept of raw events, and whether addresses are shown whole."""

import re

from litestar import Response

from fencepost.model.solution import SecuritySolution
from fencepost.web.azure.arm.calls import Call, answered, done, listed
from fencepost.web.azure.arm.errors import ArmError, not_found
from fencepost.web.azure.arm.reading import read
from fencepost.web.azure.arm.solution_bodies import TYPE, patched, sent_solution, shown

FILTER = "$filter"
_FILTER = re.compile(
    r"""\s*properties\.iotHubs/any\(\s*(\w+)\s+eq\s+(["'])(?P<hub>[^"']+)\2\s*\)\s*""", re.IGNORECASE
)


async def list_solutions(call: Call) -> Response[bytes]:
    """Return all solutions, or those of one hub; both scopes have the same."""
    call.take_role_somewhere("viewer")
    hub = _filtered(call.query(FILTER))
    return listed(
        [
            shown(one, call.place)
            for one in call.service.solutions.all()
            if hub is None or any(_same(hub, other) for other in one.iot_hubs)
        ]
    )


async def get_solution(call: Call) -> Response[bytes]:
    """Return one solution."""
    return answered(shown(standing(call), call.place))


async def put_solution(call: Call) -> Response[bytes]:
    """Make or replace a solution."""
    call.take_role("administrator")
    root = read(call.body)
    draft = sent_solution(root, call.names["solution"], call.place, call.actor, call.service.clock())
    solution, is_new = await call.service.solutions.put(draft, call.actor)
    return answered(shown(solution, call.place), 201 if is_new else 200)


async def patch_solution(call: Call) -> Response[bytes]:
    """Change tags, user-defined resources and recommendations of a solution."""
    call.take_role("administrator")
    name, root = call.names["solution"], read(call.body)
    solution = await call.service.solutions.change(name, lambda known: patched(known, root), call.actor)
    if solution is None:
        raise not_found(TYPE, name)
    return answered(shown(solution, call.place))


async def delete_solution(call: Call) -> Response[bytes]:
    """Take a solution away; one that is not there is as good as deleted."""
    call.take_role("administrator")
    return done(200 if await call.service.solutions.delete(call.names["solution"], call.actor) else 204)


def standing(call: Call) -> SecuritySolution:
    """Return the solution that is named; raises ArmError where there is none."""
    call.take_role_somewhere("viewer")
    name = call.names["solution"]
    solution = call.service.solutions.named(name)
    if solution is None:
        raise not_found(TYPE, name)
    return solution


def _filtered(said: str | None) -> str | None:
    """Return the hub that a filter asks for, None where there is no filter."""
    if said is None or not said.strip():
        return None
    found = _FILTER.fullmatch(said)
    if found is None:
        form = 'properties.iotHubs/any(i eq "ID OF A HUB")'
        raise ArmError(400, "InvalidFilter", f"The filter is written as {form}.", target=FILTER)
    return found["hub"]


def _same(one: str, other: str) -> bool:
    return one.strip("/").casefold() == other.strip("/").casefold()
