"""What people change: checked once, journalled, carried out between two messages, and answered when committed."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, get_args

from msgspec import structs

from fencepost.model.entry import AlertActed, DeviceAssigned, GroupDeleted, GroupPut
from fencepost.model.errors import FencepostError, OperatorError, Problem
from fencepost.model.rule import DEFAULT_GROUP, SecurityGroup, problems_of_group
from fencepost.service.pipeline import Pipeline

LONGEST_NAME = 128
ByHand = Literal["start", "resolve", "dismiss", "activate"]
BY_HAND: tuple[ByHand, ...] = get_args(ByHand)
"""The actions of the table of transitions that a person may take."""


class Missing(FencepostError):  # noqa: N818 - an answer
    """What is asked for is not there."""


class Conflict(FencepostError):  # noqa: N818 - an answer
    """What is asked for does not go with how things stand now."""


class Outdated(FencepostError):  # noqa: N818 - an answer
    """Somebody else was faster: what is to be changed is not what the editor has seen."""


class Commands:
    """
    The changes that people make, one after the other.

    `server_addresses` are this server's own: the implicit entry `server` of every group (S16).
    """

    def __init__(
        self, pipeline: Pipeline, clock: Callable[[], datetime], server_addresses: Sequence[str] = ()
    ) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._server_addresses = tuple(server_addresses)
        self._turn = asyncio.Lock()

    def groups(self) -> tuple[SecurityGroup, ...]:
        """Return the groups in force, in the order in which they were made."""
        return self._pipeline.processor.detector.groups()

    def group(self, name: str) -> SecurityGroup:
        """Return a group by its name, without case; raises Missing."""
        group = self._named(name)
        if group is None:
            raise Missing(f"there is no group {name!r}")
        return group

    def _named(self, name: str) -> SecurityGroup | None:
        return next((one for one in self.groups() if one.name.casefold() == name.casefold()), None)

    async def put_group(
        self, draft: SecurityGroup, actor: str, *, version: int | None = None
    ) -> tuple[SecurityGroup, bool]:
        """
        Put a group in force and return it as it stands now, and whether it is new (S24).

        Its version is counted here; `version` is the one that the editor has seen, None for any. Putting
        what stands there already changes nothing. Raises OperatorError with all problems, and Outdated
        where somebody else was faster.
        """
        problems = [*_problems_of_name(draft.name), *problems_of_group(draft)]
        if problems:
            raise OperatorError(structs.replace(one, path=one.path.removeprefix(".")) for one in problems)
        async with self._turn:
            known = self._named(draft.name)
            if version is not None and version != (known.version if known is not None else 0):
                raise Outdated(f"the group {draft.name} has been changed meanwhile: read it again")
            made = structs.replace(
                draft,
                name=known.name if known is not None else draft.name,
                version=known.version + 1 if known is not None else 1,
                server_addresses=self._server_addresses,
            )
            if known is not None and structs.replace(made, version=known.version) == known:
                return known, False
            await self._pipeline.carry_out(GroupPut(made, self._clock(), actor))
            return made, known is None

    async def delete_group(self, name: str, actor: str, *, version: int | None = None) -> None:
        """Take a group away (S25); raises Missing, Conflict for `default`, Outdated for another version."""
        async with self._turn:
            group = self.group(name)
            if group.name.casefold() == DEFAULT_GROUP:
                raise Conflict(f"the group {DEFAULT_GROUP} has the devices of no other group: it stays")
            if version is not None and version != group.version:
                raise Outdated(f"the group {group.name} has been changed meanwhile: read it again")
            await self._pipeline.carry_out(GroupDeleted(group.name, self._clock(), actor))

    async def assign_device(self, device_id: str, tag: str | None, actor: str) -> None:
        """Register a device, and take its tag `SecurityGroup` down (S25)."""
        async with self._turn:
            await self._pipeline.carry_out(DeviceAssigned(device_id, tag, self._clock(), actor))

    async def act(self, alert_id: str, action: ByHand, actor: str, comment: str | None) -> None:
        """Move an alert by hand (S21); raises OperatorError where its state does not allow it."""
        await self._pipeline.carry_out(AlertActed(alert_id, action, self._clock(), actor, comment))

    async def adopt_server_addresses(self, actor: str) -> None:
        """See that there is a default group, and that all groups know this server's addresses (S16)."""
        for group in self.groups() or (SecurityGroup(name=DEFAULT_GROUP),):
            await self.put_group(group, actor)


def _problems_of_name(name: str) -> list[Problem]:
    if len(name) > LONGEST_NAME:
        return [Problem("name", f"a name has at most {LONGEST_NAME} characters")]
    if not name.isprintable() or "/" in name or name != name.strip():
        return [Problem("name", "a name is printable, without a slash and without blanks around it")]
    return []
