"""
The identity registry: who may connect, and what its twin says.

It lives in the control store and not in the journal: keys are secrets, and the journal is never trimmed. What
it means for groups is told to the engine through the journal.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from fencepost.model.errors import FencepostError
from fencepost.model.identity import Identity, IdentityKey, Twin
from fencepost.model.page import Page
from fencepost.model.registry import Registered
from fencepost.service.commands import Missing
from fencepost.service.pipeline import Pipeline
from fencepost.service.registry.assignments import BATCH, Assignments
from fencepost.service.registry.drafts import Draft, RegistryCounts, TwinPatch, Wanted
from fencepost.service.registry.editing import Editor
from fencepost.service.registry.enrolment import Enrolment, Registrar
from fencepost.service.registry.identities import shuts_out, there
from fencepost.service.registry.ports import Note, RegistryStore
from fencepost.service.registry.reports import Reports
from fencepost.service.registry.turns import Turns
from fencepost.service.registry.twins import desired_push, tags_with_group, twin_of
from fencepost.service.sessions import Sessions

T = TypeVar("T")
READERS = 8
"""Threads of those who sign in and read their twins: nothing else makes them wait."""


class Registry:
    """
    Identities and their twins. Changes are made one after the other, reading waits for nobody.

    Everything raises StoreUnavailable while the control store is away, and what changes a group Busy where the
    journal has no room: then the change stands, and the engine is told of it later. `clock` gives aware UTC;
    `note` journals operations that the hub rules count.
    """

    def __init__(
        self,
        store: RegistryStore,
        pipeline: Pipeline,
        sessions: Sessions,
        clock: Callable[[], datetime],
        note: Note,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._note = note
        self._registrar = Registrar(store, clock)
        self._editor = Editor(store, clock)
        self._assignments = Assignments(store, pipeline, clock)
        self._reports = Reports(store, clock)
        self._turns = Turns()
        self._readers = ThreadPoolExecutor(READERS, "fencepost-registry")

    # reading

    async def find(self, key: IdentityKey) -> Identity | None:
        """Return an identity, None where it is not registered."""
        return await self._read(self._store.identity, key)

    async def identity(self, key: IdentityKey) -> Identity:
        """Return an identity; raises Missing."""
        return there(await self.find(key), key)

    async def devices(self, *, after: str | None, limit: int) -> Page[Identity]:
        """Return devices, without modules, by their ids; raises OperatorError for a wrong `after` or limit."""
        return await asyncio.to_thread(self._store.identities, after=after, limit=limit)

    async def modules(self, device_id: str) -> list[Identity]:
        """Return the modules of a device by their ids; raises Missing."""
        found = await asyncio.to_thread(self._store.identities_of, [device_id])
        if not found:
            raise Missing(f"there is no device {device_id}")
        return [identity for identity in found if identity.key.module_id is not None]

    async def twin(self, key: IdentityKey) -> Twin:
        """Return a twin; raises Missing."""
        return twin_of(there(await self._read(self._store.registered, key), key))

    async def _read(self, read: Callable[[IdentityKey], T], key: IdentityKey) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, read, key)

    async def twins(
        self, *, after: str | None, limit: int, modules: bool = False
    ) -> Page[tuple[Identity, Twin]]:
        """
        Return the twins of all devices, or with `modules` of all modules, by their ids.

        Raises OperatorError for a wrong `after` or limit.
        """
        return await asyncio.to_thread(self._twins, after, limit, modules=modules)

    def _twins(self, after: str | None, limit: int, *, modules: bool) -> Page[tuple[Identity, Twin]]:
        page = self._store.twins(modules=modules, after=after, limit=limit)
        return Page([(one.identity, twin_of(one)) for one in page.items], page.after)

    async def counts(self) -> RegistryCounts:
        """Return how many devices there are."""
        counts = await asyncio.to_thread(self._store.registry_counts)
        enabled, disabled = counts.get("enabled", 0), counts.get("disabled", 0)
        return RegistryCounts(total=enabled + disabled, enabled=enabled, disabled=disabled)

    # changing identities

    async def create(self, draft: Draft, actor: str, tags: dict[str, Any] | None = None) -> Identity:
        """
        Register a device, with its module `azureiotsecurity`, or a module, and return it with all its keys.

        Raises Conflict, Missing (a module without its device) and OperatorError with all problems.
        """
        enrolment = await self._turns.take(self._create, [Wanted(draft, tags)], actor)
        for _, error in enrolment.refused:
            raise error
        return enrolment.created[0]

    async def create_many(
        self, drafts: Sequence[Wanted], actor: str
    ) -> list[tuple[IdentityKey, FencepostError]]:
        """
        Register or change all that can be, and return the others with a Conflict, Missing or OperatorError.

        One transaction holds about 500 drafts: after an error of another kind the former ones are done. Those
        of one device are together in one, the device first.
        """
        refused: list[tuple[IdentityKey, FencepostError]] = []
        for batch in _batches(drafts):
            enrolment = await self._turns.take(self._create, batch, actor)
            refused += enrolment.refused
            patched = [one.after.identity.key for one in enrolment.changed if not one.patch.is_empty]
            await asyncio.gather(*(self._note(key.device_id, "TwinUpdates") for key in patched))
        return refused

    async def _create(self, drafts: Sequence[Wanted], actor: str) -> Enrolment:
        enrolment = await asyncio.to_thread(self._registrar.enrol, drafts, actor)
        for one in enrolment.changed:
            self._tell(one.before, one.after, one.patch)
        moved = [one.after.identity for one in enrolment.changed if one.before.tag != one.after.tag]
        device_ids = dict.fromkeys(identity.key.device_id for identity in (*enrolment.created, *moved))
        await self._assignments.settle(device_ids, actor)
        return enrolment

    def _tell(self, before: Registered, after: Registered, patch: TwinPatch) -> None:
        """Let who is connected as an identity know what was changed of it."""
        key = after.identity.key
        if (reason := shuts_out(before.identity, after.identity)) is not None:
            self._sessions.close(key, reason)
        session = self._sessions.of(key)
        if patch.desired is not None and session is not None:
            session.push_desired(desired_push(twin_of(before), twin_of(after), patch))

    async def update(self, draft: Draft, actor: str, *, etag: str | None = None) -> Identity:
        """
        Change an identity; who is connected as it is sent away if it is disabled or its credentials change.

        `etag` is the one that the editor has seen, None or "*" for any. Raises Missing, Outdated, and
        OperatorError with all problems.
        """
        return await self._turns.take(self._update, draft, actor, etag)

    async def _update(self, draft: Draft, actor: str, etag: str | None) -> Identity:
        before, after = await asyncio.to_thread(self._editor.update, draft, actor, etag)
        self._tell(before, after, TwinPatch())
        return after.identity

    async def delete(self, key: IdentityKey, actor: str, *, etag: str | None = None) -> None:
        """
        Take an identity away; with a device go its modules and the messages that wait for it.

        Raises Missing and Outdated.
        """
        await self._turns.take(self._delete, key, actor, etag)

    async def _delete(self, key: IdentityKey, actor: str, etag: str | None) -> None:
        known = await asyncio.to_thread(self._editor.seen, key, etag)
        if key.module_id is None:
            await self._assignments.release(key.device_id, actor)
        await asyncio.to_thread(self._editor.delete, known, actor)
        self._sessions.close(key, "the identity was deleted")
        await self._assignments.settle([key.device_id] if known.tag is not None else [], actor)

    # changing twins

    async def patch_twin(
        self, key: IdentityKey, patch: TwinPatch, actor: str, *, etag: str | None = None
    ) -> Twin:
        """
        Change a twin from the service's side; the identity, if connected, hears of its desired properties.

        `etag` is the twin's that the editor has seen, None or "*" for any. Raises Missing, Outdated, and
        OperatorError with all problems.
        """
        twin = await self._turns.take(self._patch_twin, key, patch, actor, etag)
        await self._note(key.device_id, "TwinUpdates")
        return twin

    async def _patch_twin(self, key: IdentityKey, patch: TwinPatch, actor: str, etag: str | None) -> Twin:
        before, after = await asyncio.to_thread(self._editor.patch_twin, key, patch, actor, etag)
        self._tell(before, after, patch)
        await self._assignments.settle([key.device_id] if before.tag != after.tag else [], actor)
        return twin_of(after)

    async def report(self, key: IdentityKey, patch: bytes) -> int:
        """
        Merge what a device says into its reported properties, and return their version.

        Raises DeviceError for what is not a JSON object, for names and values that may not be, and where
        the properties would become too large; Missing for an identity that has been deleted.
        """
        version = await self._reports.add(key, patch, self._turns)
        await self._note(key.device_id, "TwinUpdates")
        return version

    # groups

    async def assign(self, device_id: str, tag: str | None, actor: str) -> None:
        """Set the twin tag `SecurityGroup` of a device, or (None) take it away; an unregistered one is noted."""
        await self._turns.take(self._assign, device_id, tag, actor)

    async def _assign(self, device_id: str, tag: str | None, actor: str) -> None:
        known = await asyncio.to_thread(self._store.registered, IdentityKey(device_id))
        if known is None:
            await self._assignments.assign(device_id, tag, actor)
            return
        tags = tags_with_group(twin_of(known).tags, tag)
        if tags != twin_of(known).tags:
            patch = TwinPatch(tags=tags, replace=True)
            await asyncio.to_thread(self._editor.patch_twin, IdentityKey(device_id), patch, actor, None)
        await self._assignments.settle([device_id], actor)

    async def reconcile(self) -> int:
        """Tell the engine of the group tags that it has otherwise than the twins, and return how many."""
        return await self._turns.take(self._assignments.reconcile)


def _batches(drafts: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """Yield about 500 drafts at a time: all of a device together, the device first."""
    of_device: dict[str, list[Wanted]] = {}
    for wanted in drafts:
        of_device.setdefault(wanted.draft.key.device_id, []).append(wanted)
    batch: list[Wanted] = []
    for of_one in of_device.values():
        batch += sorted(of_one, key=lambda wanted: wanted.draft.key.module_id is not None)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
