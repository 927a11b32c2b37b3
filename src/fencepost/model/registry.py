"""
What the control store keeps of the identity registry, and what one change of it writes.

The registry is not in the journal: keys are secrets, and the journal is never trimmed.
"""

from datetime import datetime

from msgspec import Struct

from fencepost.model.identity import CloudMessage, Identity, IdentityKey, Twin
from fencepost.model.record import AuditRecord


class Registered(Struct, frozen=True):
    """
    An identity with its twin, None for a twin that nobody has touched since the identity was made.

    `tag` is the group that this twin's tags name (S25), None where they name none.
    """

    identity: Identity
    twin: Twin | None = None
    tag: str | None = None


class RegistryChange(Struct, frozen=True, kw_only=True):
    """
    One transaction: what is put, what is deleted (a device with all that belongs to it), and who did it.

    The position of the audit's records is filled in when they are written: where the store then stands.
    """

    put: list[Registered] = []
    deleted: list[IdentityKey] = []
    audit: list[AuditRecord] = []


class TagState(Struct, frozen=True, kw_only=True):
    """
    Which group tag a device should have by its twins, and which one was journalled last.

    `is_known` says whether the device was journalled at all, `is_registered` whether it has an identity.
    """

    device_id: str
    is_registered: bool
    wanted: str | None
    is_known: bool
    tag: str | None


class Taken(Struct, frozen=True):
    """
    What was found for a device: a message that is locked now, or when the next one may be free.

    `dropped` is the number of messages that were taken away meanwhile: expired, or delivered too often.
    """

    message: CloudMessage | None = None
    dropped: int = 0
    free_at: datetime | None = None
