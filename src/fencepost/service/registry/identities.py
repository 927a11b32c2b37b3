"""Identities in the making: from a draft to what is kept, and how the audit shows it."""

from base64 import b64encode
from datetime import datetime
from secrets import token_bytes
from typing import Any, TypeVar

from msgspec import structs

from fencepost.model.identity import Authentication, Identity, IdentityKey
from fencepost.model.record import AuditRecord
from fencepost.service.commands import Missing
from fencepost.service.registry.drafts import Draft
from fencepost.service.registry.etags import new_etag

_KEY_BYTES = 32
T = TypeVar("T")


def new_identity(draft: Draft, generation_id: str, now: datetime) -> Identity:
    """Return a new identity after a draft without problems."""
    return Identity(
        key=draft.key,
        generation_id=generation_id,
        etag=new_etag(),
        created_at=now,
        authentication=_complete(draft.authentication, Authentication()),
        status=draft.status,
        status_reason=draft.status_reason,
        managed_by=draft.managed_by,
        is_edge=draft.is_edge,
    )


def changed_identity(known: Identity, draft: Draft, now: datetime) -> Identity:
    """Return an identity as a draft without problems wants it."""
    return structs.replace(
        known,
        etag=new_etag(),
        authentication=_complete(draft.authentication, known.authentication),
        status=draft.status,
        status_reason=draft.status_reason,
        status_updated_at=now if draft.status != known.status else known.status_updated_at,
        managed_by=draft.managed_by,
        is_edge=draft.is_edge,
    )


def there(found: T | None, key: IdentityKey) -> T:
    """Return what was found under a key; raises Missing where that is nothing."""
    if found is None:
        raise Missing(f"there is no {'device' if key.module_id is None else 'module'} {key}")
    return found


def shuts_out(before: Identity, after: Identity) -> str | None:
    """Return why who is connected as an identity must go after a change, None where it may stay."""
    if after.authentication != before.authentication:
        return "the credentials were changed"
    return "the identity was disabled" if after.status == "disabled" else None


def subject_of(key: IdentityKey) -> str:
    """Return what the audit calls an identity."""
    of_module = "" if key.module_id is None else f"/modules/{key.module_id}"
    return f"device/{key.device_id}{of_module}"


def audit_of(
    action: str,
    key: IdentityKey,
    actor: str,
    at: datetime,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    effect: str = "",
) -> AuditRecord:
    """Return a record of a change; the store fills its position in."""
    return AuditRecord(
        position=0,
        at=at,
        actor=actor,
        action=action,
        subject=subject_of(key),
        before=before,
        after=after,
        effect=effect,
    )


def shown(identity: Identity) -> dict[str, Any]:
    """Return an identity as the audit keeps it: without keys and thumbprints."""
    return {
        "status": identity.status,
        "statusReason": identity.status_reason,
        "authentication": identity.authentication.type,
        "managedBy": identity.managed_by,
        "iotEdge": identity.is_edge,
    }


def _complete(wanted: Authentication, known: Authentication) -> Authentication:
    """Return what is asked for with the keys that are missing, and without what its type does not know."""
    match wanted.type:
        case "sas":
            return Authentication(
                type="sas",
                primary_key=wanted.primary_key or known.primary_key or _new_key(),
                secondary_key=wanted.secondary_key or known.secondary_key or _new_key(),
            )
        case "selfSigned":
            return Authentication(
                type="selfSigned",
                primary_thumbprint=_upper(wanted.primary_thumbprint),
                secondary_thumbprint=_upper(wanted.secondary_thumbprint),
            )
        case other:
            return Authentication(type=other)


def _new_key() -> str:
    return b64encode(token_bytes(_KEY_BYTES)).decode()


def _upper(thumbprint: str | None) -> str | None:
    return thumbprint.upper() if thumbprint else None
