"""Registering devices and modules: what may be, and what is put for it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from fencepost.model.errors import FencepostError, OperatorError
from fencepost.model.identity import DEVICE_TAG, SECURITY_MODULE, Identity, IdentityKey
from fencepost.model.record import AuditRecord
from fencepost.model.registry import Registered, RegistryChange
from fencepost.service.commands import Conflict, Missing
from fencepost.service.registry.drafts import Draft, problems_of_draft
from fencepost.service.registry.etags import Generations
from fencepost.service.registry.identities import audit_of, new_identity, shown
from fencepost.service.registry.ports import RegistryStore
from fencepost.service.registry.twins import first_twin, tag_of

MOST_MODULES = 50
"""Modules of one device, the security module among them, as with IoT Hub."""

Wanted = tuple[Draft, dict[str, Any] | None]
"""A draft, and the tags of its twin."""


class Enrolment(Struct, frozen=True):
    """What came of some drafts: those registered, and those refused with the reason."""

    created: list[Identity] = field(default_factory=list)
    refused: list[tuple[IdentityKey, FencepostError]] = field(default_factory=list)


class Registrar:
    """Registers drafts, in the calling thread. `clock` gives aware UTC."""

    def __init__(self, store: RegistryStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._generations = Generations()

    def enrol(self, drafts: Sequence[Wanted], actor: str) -> Enrolment:
        """
        Register all drafts that can be, in one transaction; the drafts of a device follow it.

        A draft of the security module of a device that is registered by the same call is taken instead of a
        generated one. A device of which a group tag was journalled before it had an identity keeps it.
        """
        enrolment = Enrolment()
        batch = _Batch(self._store, drafts)
        for draft, tags in drafts:
            try:
                identity = self._enrol(batch, draft, tags, actor)
            except (OperatorError, Conflict, Missing) as error:
                enrolment.refused.append((draft.key, error))
            else:
                enrolment.created.append(identity)
        if batch.put:
            self._store.change_registry(RegistryChange(put=[*batch.put.values()], audit=batch.audit))
        return enrolment

    def _enrol(self, batch: "_Batch", draft: Draft, tags: dict[str, Any] | None, actor: str) -> Identity:
        if problems := problems_of_draft(draft):
            raise OperatorError(problems)
        batch.refuse_impossible(draft.key)
        one = self._new(draft, batch.tags_for(draft.key, tags))
        batch.add(one)
        effect = ""
        if draft.key.module_id is None:
            effect = f"with its module {SECURITY_MODULE}"
            batch.add(self._new(Draft(key=IdentityKey(draft.key.device_id, SECURITY_MODULE)), {}), made=True)
        batch.audit.append(
            audit_of(
                "create",
                draft.key,
                actor,
                one.identity.created_at,
                after=shown(one.identity) | ({"tags": one.twin.tags} if one.twin is not None else {}),
                effect=effect,
            )
        )
        return one.identity

    def _new(self, draft: Draft, tags: dict[str, Any]) -> Registered:
        now = self._clock()
        identity = new_identity(draft, self._generations.next(now), now)
        if not tags:
            return Registered(identity)
        twin = first_twin(identity, tags)
        return Registered(identity, twin, tag_of(draft.key, twin.tags))


class _Batch:
    """What is registered already, and what is to be put."""

    def __init__(self, store: RegistryStore, drafts: Iterable[Wanted]) -> None:
        device_ids = [*dict.fromkeys(draft.key.device_id for draft, _ in drafts)]
        self.put: dict[IdentityKey, Registered] = {}
        self.audit: list[AuditRecord] = []
        self._modules: dict[str, set[str | None]] = {}
        self._made: set[IdentityKey] = set()
        for identity in store.identities_of(device_ids):
            self._modules.setdefault(identity.key.device_id, set()).add(identity.key.module_id)
        self._tags = {state.device_id: state.tag for state in store.tags(device_ids)}

    def refuse_impossible(self, key: IdentityKey) -> None:
        """Raise Conflict or Missing for an identity that cannot be registered now."""
        known = self._modules.get(key.device_id)
        if known is not None and key.module_id in known and key not in self._made:
            raise Conflict(f"{key} is registered already")
        if key.module_id is None:
            return
        if known is None:
            raise Missing(f"there is no device {key.device_id}")
        if len(known) > MOST_MODULES and key not in self._made:  # the device itself is one of them
            raise Conflict(f"{key.device_id} has {MOST_MODULES} modules, and may not have more")

    def tags_for(self, key: IdentityKey, tags: dict[str, Any] | None) -> dict[str, Any]:
        """Return the tags of a new twin: a group that the device has already goes with it."""
        tag = self._tags.get(key.device_id) if key.module_id is None else None
        if tag is None or (tags and tag_of(key, tags)):
            return tags or {}
        return {DEVICE_TAG: tag, **(tags or {})}

    def add(self, one: Registered, *, made: bool = False) -> None:
        """Put an identity; one that was `made` without a draft gives way to a draft of this batch."""
        key = one.identity.key
        self._modules.setdefault(key.device_id, set()).add(key.module_id)
        self.put[key] = one
        if made:
            self._made.add(key)
        else:
            self._made.discard(key)
