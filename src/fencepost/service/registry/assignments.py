"""
From twin tags to groups: what the tags say, the engine is told through the journal (S25).

The tags are committed first, then journalled. Between the two a process may die and the journal may have no
room: what the engine was not told is told before the next change, and at the next start.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from fencepost.model.entry import DeviceAssigned
from fencepost.model.errors import StoreUnavailable
from fencepost.model.membership import Membership
from fencepost.model.record import ENGINE
from fencepost.model.registry import TagState
from fencepost.service.pipeline import Pipeline
from fencepost.service.registry.ports import RegistryStore

BATCH = 500
"""Devices that are told at once."""
PATIENCE = 30.0
"""Seconds that a change waits for the control store to take what was journalled."""


class Assignments:
    """Tells the engine of groups; to be used by one change at a time. `clock` gives aware UTC."""

    def __init__(self, store: RegistryStore, pipeline: Pipeline, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._pipeline = pipeline
        self._clock = clock
        self._owed: dict[str, str] = {}

    async def settle(self, device_ids: Iterable[str] = (), actor: str = ENGINE) -> None:
        """
        Journal the tags of these devices, and of those of which it could not be done before, where they differ.

        Raises Busy and StoreUnavailable; the devices are remembered then.
        """
        self._owed.update(dict.fromkeys(device_ids, actor))
        while self._owed:
            batch = [*islice(self._owed, BATCH)]
            states = await asyncio.to_thread(self._store.tags, batch)
            wrong = [(state.device_id, state.wanted) for state in states if _differs(state)]
            await self._tell(wrong, [self._owed[device_id] for device_id, _ in wrong])
            for device_id in batch:
                del self._owed[device_id]

    async def assign(self, device_id: str, tag: str | None, actor: str) -> None:
        """Journal a tag, whatever it was before."""
        await self._tell([(device_id, tag)], [actor])

    async def release(self, device_id: str, actor: str) -> None:
        """
        Journal that a device that is about to be deleted has no tag, if it had one.

        Once it is deleted nobody could know; should it stay after all, the next `settle` gives it back.
        """
        (state,) = await asyncio.to_thread(self._store.tags, [device_id])
        if state.tag is not None:
            self._owed[device_id] = actor
            await self.assign(device_id, None, actor)

    async def reconcile(self) -> int:
        """Journal the tag of every registered device that the store or the engine has otherwise."""
        number, after = 0, None
        while True:
            page = await asyncio.to_thread(self._store.all_tags, after=after, limit=BATCH)
            wrong = [*self._wrong(page.items)]
            await self._tell(wrong, [ENGINE] * len(wrong))
            number, after = number + len(wrong), page.after
            if after is None:
                return number

    def _wrong(self, states: Sequence[TagState]) -> Iterator[tuple[str, str | None]]:
        detector = self._pipeline.processor.detector
        membership = Membership(detector.groups())
        for state in states:
            group, _ = membership.group_of(state.device_id, state.wanted)
            has = detector.group_of(state.device_id).name if detector.knows(state.device_id) else None
            if _differs(state) or has is None or has.casefold() != group.name.casefold():
                yield state.device_id, state.wanted

    async def _tell(self, assignments: Sequence[tuple[str, str | None]], actors: Sequence[str]) -> None:
        told = [
            self._pipeline.carry_out(DeviceAssigned(device_id, tag, self._clock(), actor))
            for (device_id, tag), actor in zip(assignments, actors, strict=True)
        ]
        try:
            async with asyncio.timeout(PATIENCE):
                results = await asyncio.gather(*told, return_exceptions=True)
        except TimeoutError:
            reason = "the group of a device is journalled, and holds as soon as the control store has it"
            raise StoreUnavailable(reason) from None
        for result in results:
            if isinstance(result, BaseException):
                raise result


def _differs(state: TagState) -> bool:
    """A device that is registered must be known, even without a tag; one that was deleted has none."""
    if state.is_registered:
        return not state.is_known or state.tag != state.wanted
    return state.tag is not None
