"""Registering devices and modules: what may be, and what is put for it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from fencepost.model.errors import FencepostError, OperatorError
from fencepost.model.identity import DEVICE_TAG, SECURITY_MODULE, Identity, IdentityKey
from fencepost.model.record import AuditRecord
from fencepost.model.registry import Registered, RegistryChange
from fencepost.service.commands import Conflict, Missing
from fencepost.service.registry.drafts import Draft, TwinPatch, Wanted, problems_of_draft
from fencepost.service.registry.editing import updated, with_twin_patched
from fencepost.service.registry.etags import Generations
from fencepost.service.registry.identities import audit_of, new_identity, shown, there
from fencepost.service.registry.ports import RegistryStore
from fencepost.service.registry.sections import cleaned
from fencepost.service.registry.twins import first_twin, tag_of

MOST_MODULES = 50
"""Modules of one device, the security module among them, as with IoT Hub."""


class Change(Struct, frozen=True):
    """What became of an identity that was there already."""

    before: Registered
    after: Registered
    patch: TwinPatch


class Enrolment(Struct, frozen=True):
    """What came of some drafts: those registered, those that changed what was there, and those refused."""

    created: list[Identity] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    refused: list[tuple[IdentityKey, FencepostError]] = field(default_factory=list)


class Registrar:
    """Registers drafts, in the calling thread. `clock` gives aware UTC."""

    def __init__(self, store: RegistryStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._generations = Generations()

    def enrol(self, drafts: Sequence[Wanted], actor: str) -> Enrolment:
        """
        Register or change all that can be, in one transaction; the drafts of a device follow it.

        A draft of the security module of a device that is registered by the same call is taken instead of a
        generated one. A device of which a group tag was journalled before it had an identity keeps it.
        """
        enrolment = Enrolment()
        batch = _Batch(self._store, [wanted.draft.key.device_id for wanted in drafts])
        for wanted in drafts:
            try:
                self._take(batch, wanted, actor, enrolment)
            except (OperatorError, Conflict, Missing) as error:
                enrolment.refused.append((wanted.draft.key, error))
        if batch.put:
            self._store.change_registry(RegistryChange(put=[*batch.put.values()], audit=batch.audit))
        return enrolment

    def _take(self, batch: "_Batch", wanted: Wanted, actor: str, enrolment: Enrolment) -> None:
        if wanted.may_be_there and batch.has(wanted.draft.key):
            enrolment.changed.append(self._change(batch, wanted, actor))
        else:
            enrolment.created.append(self._enrol(batch, wanted, actor))

    def _change(self, batch: "_Batch", wanted: Wanted, actor: str) -> Change:
        before, now = batch.registered(wanted.draft.key), self._clock()
        patch = TwinPatch(
            tags=cleaned(wanted.tags or {}) or None, desired=cleaned(wanted.desired or {}) or None
        )
        after, *records = updated(before, wanted.draft, actor, now)
        if not patch.is_empty:
            after, of_twin = with_twin_patched(after, patch, actor, now)
            records.append(of_twin)
        batch.add(after)
        batch.audit += records
        return Change(before, after, patch)

    def _enrol(self, batch: "_Batch", wanted: Wanted, actor: str) -> Identity:
        draft = wanted.draft
        if problems := problems_of_draft(draft):
            raise OperatorError(problems)
        batch.refuse_impossible(draft.key)
        desired = cleaned(wanted.desired or {})
        one = self._new(draft, batch.tags_for(draft.key, cleaned(wanted.tags or {})), desired)
        batch.add(one)
        effect = ""
        if draft.key.module_id is None:
            effect = f"with its module {SECURITY_MODULE}"
            batch.add(self._new(Draft(key=IdentityKey(draft.key.device_id, SECURITY_MODULE))), made=True)
        batch.audit.append(_audit_of(one, desired, actor, effect))
        return one.identity

    def _new(self, draft: Draft, tags: Mapping[str, Any] = {}, desired: Mapping[str, Any] = {}) -> Registered:
        now = self._clock()
        identity = new_identity(draft, self._generations.next(now), now)
        if not tags and not desired:
            return Registered(identity)
        twin = first_twin(identity, tags, desired)
        return Registered(identity, twin, tag_of(draft.key, twin.tags))


def _audit_of(one: Registered, desired: Mapping[str, Any], actor: str, effect: str) -> AuditRecord:
    """Of the twin that is shown which was asked for."""
    after = shown(one.identity)
    if one.twin is not None and one.twin.tags:
        after["tags"] = one.twin.tags
    if desired:
        after["desired"] = desired
    return audit_of("create", one.identity.key, actor, one.identity.created_at, after=after, effect=effect)


class _Batch:
    """What is registered already, and what is to be put."""

    def __init__(self, store: RegistryStore, device_ids: Iterable[str]) -> None:
        device_ids = [*dict.fromkeys(device_ids)]
        self._store = store
        self.put: dict[IdentityKey, Registered] = {}
        self.audit: list[AuditRecord] = []
        self._modules: dict[str, set[str | None]] = {}
        self._made: set[IdentityKey] = set()
        for identity in store.identities_of(device_ids):
            self._modules.setdefault(identity.key.device_id, set()).add(identity.key.module_id)
        self._tags = {state.device_id: state.tag for state in store.tags(device_ids)}

    def has(self, key: IdentityKey) -> bool:
        """Return whether an identity is registered, and not only made without a draft."""
        return key.module_id in self._modules.get(key.device_id, ()) and key not in self._made

    def registered(self, key: IdentityKey) -> Registered:
        """Return an identity as it will be; raises Missing."""
        return self.put.get(key) or there(self._store.registered(key), key)

    def refuse_impossible(self, key: IdentityKey) -> None:
        """Raise Conflict or Missing for an identity that cannot be registered now."""
        known = self._modules.get(key.device_id)
        if self.has(key):
            raise Conflict(f"{key} is registered already")
        if key.module_id is None:
            return
        if known is None:
            raise Missing(f"there is no device {key.device_id}")
        if len(known) > MOST_MODULES and key not in self._made:  # the device itself is one of them
            raise Conflict(f"{key.device_id} has {MOST_MODULES} modules, and may not have more")

    def tags_for(self, key: IdentityKey, tags: dict[str, Any]) -> dict[str, Any]:
        """Return the tags of a new twin: a group that the device has already goes with it."""
        tag = self._tags.get(key.device_id) if key.module_id is None else None
        return tags if tag is None or tag_of(key, tags) else {DEVICE_TAG: tag, **tags}

    def add(self, one: Registered, *, made: bool = False) -> None:
        """Put an identity; one that was `made` without a draft gives way to a draft of this batch."""
        key = one.identity.key
        self._modules.setdefault(key.device_id, set()).add(key.module_id)
        self.put[key] = one
        if made:
            self._made.add(key)
        else:
            self._made.discard(key)
