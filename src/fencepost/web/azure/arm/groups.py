"""`deviceSecurityGroups`: what an owner expects, in the words of Azure; the group's own part and no layers."""

import asyncio

from litestar import Response
from msgspec import structs

from fencepost.model.rule import SecurityGroup
from fencepost.model.solution import GroupSpelling
from fencepost.service.commands import Missing, Outdated
from fencepost.web.azure.arm.calls import Call, answered, done, listed
from fencepost.web.azure.arm.errors import ArmError, forbidden, not_found
from fencepost.web.azure.arm.group_bodies import TYPE, SentGroup, merged, sent_group, shown

TRIES = 5
"""How often a group is put anew that somebody else changes meanwhile."""


async def list_groups(call: Call) -> Response[bytes]:
    """Return the groups that the caller may see, in the order in which they were made."""
    call.take_role_somewhere("viewer")
    spellings, now = await asyncio.to_thread(call.arm.spellings.group_spellings), call.service.clock()
    return listed(
        [
            shown(group, spellings.get(group.name.casefold()), call.place, now)
            for group in call.service.commands.groups()
            if call.principal.may("viewer", group.name)
        ]
    )


async def get_group(call: Call) -> Response[bytes]:
    """Return a group."""
    call.take_role_somewhere("viewer")
    name = call.names["group"]
    group = _standing(call, name)
    if group is None or not call.principal.may("viewer", group.name):
        raise not_found(TYPE, name)
    spellings = await asyncio.to_thread(call.arm.spellings.group_spellings)
    return answered(shown(group, spellings.get(group.name.casefold()), call.place, call.service.clock()))


async def put_group(call: Call) -> Response[bytes]:
    """Put the standard rules of a group: what is left out is at its default afterwards."""
    name = call.names["group"]
    _check_may_put(call, name, _standing(call, name))
    sent = await asyncio.to_thread(sent_group, call.body)
    async with call.arm.turn:
        group, is_new = await _put(call, name, sent)
        spelling = await _keep_spelling(call, group, sent.spelling)
    answer = shown(group, spelling, call.place, call.service.clock())
    return answered(answer, 201 if is_new else 200)


async def delete_group(call: Call) -> Response[bytes]:
    """Take a group away; one that is not there is as good as deleted."""
    call.take_role("administrator")
    name = call.names["group"]
    async with call.arm.turn:
        try:
            await call.service.commands.delete_group(name, call.actor)
        except Missing:
            return done(204)
        await asyncio.to_thread(call.arm.spellings.put_group_spelling, name, None)
    return done(200)


def _standing(call: Call, name: str) -> SecurityGroup | None:
    wanted = name.casefold()
    return next((one for one in call.service.commands.groups() if one.name.casefold() == wanted), None)


def _check_may_put(call: Call, name: str, group: SecurityGroup | None) -> None:
    """A group that is not there takes an administrator of everything; that it is not there is not told."""
    if not call.principal.may("administrator", group.name if group is not None else None):
        raise forbidden("administrator", f"the group '{name}'")


async def _put(call: Call, name: str, sent: SentGroup) -> tuple[SecurityGroup, bool]:
    for _ in range(TRIES):
        try:
            return await _put_once(call, name, sent)
        except Outdated:
            continue  # the rest of the group is somebody else's: take it as it is now
    raise ArmError(409, "Conflict", "The group is being changed by others: try again.")


async def _put_once(call: Call, name: str, sent: SentGroup) -> tuple[SecurityGroup, bool]:
    known = _standing(call, name)
    _check_may_put(call, name, known)
    draft = merged(known, name, sent.rules, call.service.clock())
    version = known.version if known is not None else 0
    return await call.service.commands.put_group(draft, call.actor, version=version)


async def _keep_spelling(call: Call, group: SecurityGroup, spelling: GroupSpelling) -> GroupSpelling:
    """Keep what the group itself does not say, if there is anything, or forget what was kept before."""
    kept = structs.replace(spelling, version=group.version)
    is_plain = not (spelling.threshold_rules or spelling.denylist_rules or spelling.durations)
    name = group.name.casefold()
    known = (await asyncio.to_thread(call.arm.spellings.group_spellings)).get(name)
    if known != (None if is_plain else kept):
        await asyncio.to_thread(call.arm.spellings.put_group_spelling, name, None if is_plain else kept)
    return kept
