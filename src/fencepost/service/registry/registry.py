"""The identity registry (in the making: the signatures stand)."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from fencepost.model.identity import Identity, IdentityKey, Operation, Twin
from fencepost.model.page import Page
from fencepost.service.pipeline import Pipeline
from fencepost.service.registry.drafts import Draft, RegistryCounts, TwinPatch
from fencepost.service.registry.ports import RegistryStore
from fencepost.service.sessions import Sessions

Note = Callable[[str, Operation], Awaitable[None]]
"""Journals an operation of a device, and never raises: `Operations.note`."""


class Registry:
    def __init__(
        self,
        store: RegistryStore,
        pipeline: Pipeline,
        sessions: Sessions,
        clock: Callable[[], datetime],
        note: Note,
    ) -> None: ...

    async def find(self, key: IdentityKey) -> Identity | None:
        """Return an identity, None where it is not registered."""
        raise NotImplementedError

    async def identity(self, key: IdentityKey) -> Identity:
        """Return an identity; raises Missing."""
        raise NotImplementedError

    async def devices(self, *, after: str | None, limit: int) -> Page[Identity]:
        """Return devices, without modules, by their ids; raises OperatorError for a wrong `after` or limit."""
        raise NotImplementedError

    async def modules(self, device_id: str) -> list[Identity]:
        """Return the modules of a device by their ids; raises Missing."""
        raise NotImplementedError

    async def twin(self, key: IdentityKey) -> Twin:
        """Return a twin; raises Missing."""
        raise NotImplementedError

    async def twins(
        self, *, after: str | None, limit: int, modules: bool = False
    ) -> Page[tuple[Identity, Twin]]:
        """Return the twins of all devices, or with `modules` of all modules, by their ids."""
        raise NotImplementedError

    async def counts(self) -> RegistryCounts:
        raise NotImplementedError

    async def create(self, draft: Draft, actor: str, tags: dict[str, Any] | None = None) -> Identity:
        """Register; raises Conflict, Missing (a module of no device), OperatorError."""
        raise NotImplementedError

    async def create_many(
        self, drafts: Sequence[tuple[Draft, dict[str, Any] | None]], actor: str
    ) -> list[tuple[IdentityKey, str]]:
        """Register many, and return those refused with the reasons; one transaction per 500."""
        raise NotImplementedError

    async def update(self, draft: Draft, actor: str, *, etag: str | None = None) -> Identity:
        """Change; raises Missing, Outdated, OperatorError."""
        raise NotImplementedError

    async def delete(self, key: IdentityKey, actor: str, *, etag: str | None = None) -> None:
        """Take away; raises Missing, Outdated."""
        raise NotImplementedError

    async def patch_twin(
        self, key: IdentityKey, patch: TwinPatch, actor: str, *, etag: str | None = None
    ) -> Twin:
        """Change tags and desired properties; raises Missing, Outdated, OperatorError."""
        raise NotImplementedError

    async def report(self, key: IdentityKey, patch: bytes) -> int:
        """Merge a device's JSON patch into its reported properties; returns their version; raises DeviceError, Missing."""
        raise NotImplementedError

    async def assign(self, device_id: str, tag: str | None, actor: str) -> None:
        """Set or (None) remove the tag `SecurityGroup` of a device, registered or not."""
        raise NotImplementedError

    async def reconcile(self) -> int:
        """Make the engine's tags agree with the twins', and return how many did not."""
        raise NotImplementedError
