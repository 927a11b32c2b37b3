"""The security solutions in force, and what they decide: whether raw events are kept, and addresses shown."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import structs, to_builtins

from fencepost.model.record import AuditRecord
from fencepost.model.solution import SecuritySolution


class SolutionStore(Protocol):
    """
    Where solutions are kept.

    Every call may block, and raises StoreUnavailable while the database is away.
    """

    def solutions(self) -> list[SecuritySolution]:
        """Return all solutions, by their names."""

    def change_solutions(
        self, put: SecuritySolution | None, deleted: str | None, audit: Sequence[AuditRecord]
    ) -> None:
        """Put one, or take one away by its name, with the record of it, in one durable transaction."""


class Solutions:
    """
    The solutions, kept in memory and written through to the store. `clock` gives aware UTC.

    To make one reads the store, and blocks meanwhile. Changes are made one after the other.
    """

    def __init__(self, store: SolutionStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._known = {one.name.casefold(): one for one in store.solutions()}
        self._turn = asyncio.Lock()

    def all(self) -> tuple[SecuritySolution, ...]:
        """Return the solutions by their names."""
        return tuple(self._known[name] for name in sorted(self._known))

    def named(self, name: str) -> SecuritySolution | None:
        """Return a solution by its name, without case; None where there is none."""
        return self._known.get(name.casefold())

    def masks_addresses(self) -> bool:
        """Whether some solution says that addresses are not to be shown whole."""
        return any(one.unmasked_ip_logging == "Disabled" for one in self._known.values())

    def keeps_raw_events(self) -> bool:
        """Whether raw events are kept: where there is no solution, or one at work that exports them."""
        return not self._known or any(one.exports_raw_events() for one in self._known.values())

    async def put(self, draft: SecuritySolution, actor: str) -> tuple[SecuritySolution, bool]:
        """
        Put a solution in force and return it as it stands now, and whether it is new.

        Who made and who changed it, and when, is filled in. Putting what stands there already changes nothing.
        """
        async with self._turn:
            known = self.named(draft.name)
            return await self._put(draft, known, actor), known is None

    async def change(
        self, name: str, change: Callable[[SecuritySolution], SecuritySolution], actor: str
    ) -> SecuritySolution | None:
        """
        Return a solution after a change of how it stands by then; None where there is none of this name.

        What `change` raises is raised, and nothing is changed.
        """
        async with self._turn:
            known = self.named(name)
            return await self._put(change(known), known, actor) if known is not None else None

    async def delete(self, name: str, actor: str) -> bool:
        """Take a solution away; returns False where there is none of this name."""
        async with self._turn:
            known = self.named(name)
            if known is None:
                return False
            record = self._record("delete", actor, known, None)
            await asyncio.to_thread(self._store.change_solutions, None, known.name, [record])
            del self._known[known.name.casefold()]
            return True

    async def _put(
        self, draft: SecuritySolution, known: SecuritySolution | None, actor: str
    ) -> SecuritySolution:
        now = self._clock()
        made = structs.replace(
            draft,
            name=known.name if known is not None else draft.name,
            created_at=known.created_at if known is not None else now,
            created_by=known.created_by if known is not None else actor,
            changed_at=known.changed_at if known is not None else now,
            changed_by=known.changed_by if known is not None else actor,
        )
        if made == known:
            return known
        made = structs.replace(made, changed_at=now, changed_by=actor)
        record = self._record("put", actor, known, made)
        await asyncio.to_thread(self._store.change_solutions, made, None, [record])
        self._known[made.name.casefold()] = made
        return made

    def _record(
        self, action: str, actor: str, before: SecuritySolution | None, after: SecuritySolution | None
    ) -> AuditRecord:
        """The store fills in the position at which it stands."""
        one = after or before
        assert one is not None  # noqa: S101 - something is put or taken away
        return AuditRecord(
            position=0,
            at=self._clock(),
            actor=actor,
            action=action,
            subject=f"solution/{one.name}",
            before=to_builtins(before) if before is not None else None,
            after=to_builtins(after) if after is not None else None,
            effect="",
        )
