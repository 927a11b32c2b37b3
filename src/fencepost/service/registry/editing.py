"""Changing what is registered: each change read, checked and written in the calling thread."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec import structs

from fencepost.model.errors import OperatorError
from fencepost.model.identity import Identity, IdentityKey
from fencepost.model.record import AuditRecord
from fencepost.model.registry import Registered, RegistryChange
from fencepost.service.commands import Outdated
from fencepost.service.registry.drafts import Draft, TwinPatch, problems_of_draft
from fencepost.service.registry.identities import audit_of, changed_identity, shown, shuts_out, there
from fencepost.service.registry.ports import RegistryStore
from fencepost.service.registry.twins import changed, tag_of, twin_of

ANY = "*"


class Editor:
    """Changes one identity at a time, with its record in the audit. `clock` gives aware UTC."""

    def __init__(self, store: RegistryStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def seen(self, key: IdentityKey, etag: str | None) -> Registered:
        """Return an identity as its editor has seen it; raises Missing and Outdated."""
        known = there(self._store.registered(key), key)
        _refuse_outdated(key, etag, known.identity.etag)
        return known

    def update(self, draft: Draft, actor: str, etag: str | None) -> tuple[Registered, Registered]:
        """Return an identity before and after its change; raises Missing, Outdated, OperatorError."""
        known = self.seen(draft.key, etag)
        after, record = updated(known, draft, actor, self._clock())
        self._write(after, record)
        return known, after

    def delete(self, known: Registered, actor: str) -> None:
        """Take an identity away, with all that belongs to it."""
        key = known.identity.key
        record = audit_of("delete", key, actor, self._clock(), before=shown(known.identity))
        self._store.change_registry(RegistryChange(deleted=[key], audit=[record]))

    def patch_twin(
        self, key: IdentityKey, patch: TwinPatch, actor: str, etag: str | None
    ) -> tuple[Registered, Registered]:
        """Return an identity before and after a change of its twin; raises Missing, Outdated, OperatorError."""
        known = there(self._store.registered(key), key)
        _refuse_outdated(key, etag, twin_of(known).etag)
        after, record = with_twin_patched(known, patch, actor, self._clock())
        self._write(after, record)
        return known, after

    def _write(self, after: Registered, record: AuditRecord) -> None:
        self._store.change_registry(RegistryChange(put=[after], audit=[record]))


def updated(known: Registered, draft: Draft, actor: str, now: datetime) -> tuple[Registered, AuditRecord]:
    """Return an identity as a draft wants it, and its record; raises OperatorError with all problems."""
    if problems := problems_of_draft(draft):
        raise OperatorError(problems)
    after = changed_identity(known.identity, _with_status(draft, known.identity), now)
    record = audit_of(
        "update",
        draft.key,
        actor,
        now,
        before=shown(known.identity),
        after=shown(after),
        effect=shuts_out(known.identity, after) or "",
    )
    return structs.replace(known, identity=after), record


def _with_status(draft: Draft, known: Identity) -> Draft:
    """Return a draft with the status that it keeps."""
    if not draft.keeps_status:
        return draft
    reason = draft.status_reason if draft.status_reason is not None else known.status_reason
    return structs.replace(draft, status=known.status, status_reason=reason)


def with_twin_patched(
    known: Registered, patch: TwinPatch, actor: str, now: datetime
) -> tuple[Registered, AuditRecord]:
    """Return an identity after a change of its twin, and the record; raises OperatorError with all problems."""
    key, twin = known.identity.key, changed(known, patch, now)
    after = structs.replace(known, twin=twin, tag=tag_of(key, twin.tags))
    return after, _audit_of_twin(key, patch, actor, now, known, after)


def _refuse_outdated(key: IdentityKey, seen: str | None, is_now: str) -> None:
    if seen not in {None, ANY, is_now}:
        raise Outdated(f"{key} has been changed meanwhile: read it again")


def _audit_of_twin(
    key: IdentityKey, patch: TwinPatch, actor: str, at: datetime, before: Registered, after: Registered
) -> AuditRecord:
    """Of what was merged the members that the patch names are shown, of what was replaced all."""
    old, new = twin_of(before), twin_of(after)
    parts = [
        (name, given, was, is_now)
        for name, given, was, is_now in (
            ("tags", patch.tags, old.tags, new.tags),
            ("desired", patch.desired, old.desired.values, new.desired.values),
        )
        if given is not None
    ]
    return audit_of(
        "replace twin" if patch.replace else "patch twin",
        key,
        actor,
        at,
        before={name: was if patch.replace else _named(was, given) for name, given, was, _ in parts},
        after={name: is_now if patch.replace else _named(is_now, given) for name, given, _, is_now in parts},
    )


def _named(values: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}
