"""What the registry and the downlink need of others: of the control store, which has it by shape, and a notebook."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal, Protocol

from fencepost.model.identity import CloudMessage, Identity, IdentityKey, Operation, Status
from fencepost.model.page import Page
from fencepost.model.record import AuditRecord
from fencepost.model.registry import Registered, RegistryChange, TagState, Taken

Note = Callable[[str, Operation], Awaitable[None]]
"""Journals an operation of a device, and never raises: `Operations.note`."""


class RegistryStore(Protocol):
    """
    Identities and twins, by their ids, bytewise.

    Every call may block, and raises StoreUnavailable while the database is away; a page raises OperatorError
    for an `after` that no page gave and for a limit out of range.
    """

    def identity(self, wanted: IdentityKey) -> Identity | None:
        """Return an identity, None where it is not registered."""

    def registered(self, wanted: IdentityKey) -> Registered | None:
        """Return an identity with its twin, None where it is not registered."""

    def identities_of(self, device_ids: Sequence[str]) -> list[Identity]:
        """Return what is registered of some devices: each device, then its modules."""

    def identities(self, *, after: str | None, limit: int) -> Page[Identity]:
        """Return devices without their modules."""

    def twins(self, *, modules: bool, after: str | None, limit: int) -> Page[Registered]:
        """Return devices, or modules instead, with their twins."""

    def registry_counts(self) -> dict[Status, int]:
        """Return how many devices are enabled and disabled."""

    def tags(self, device_ids: Sequence[str]) -> list[TagState]:
        """Return how the tags of some devices stand, registered or not, in this order."""

    def all_tags(self, *, after: str | None, limit: int) -> Page[TagState]:
        """Return how the tags of all registered devices stand."""

    def change_registry(self, change: RegistryChange) -> None:
        """Make all of a change in one durable transaction."""


class MessageStore(Protocol):
    """
    The queue of cloud-to-device messages of each device, oldest first.

    Every call may block, and raises StoreUnavailable while the database is away.
    """

    def enqueue_message(self, message: CloudMessage, room: int) -> CloudMessage | Literal["missing", "full"]:
        """Keep a message and return it with its sequence, or say that there is no such device, or no room."""

    def waiting_messages(self, device_id: str, now: datetime) -> int:
        """Return how many messages of a device have not expired."""

    def has_messages(self, device_id: str) -> bool:
        """Return whether anything is kept for a device, expired or not."""

    def take_message(
        self, device_id: str, lock: str, now: datetime, until: datetime, most_deliveries: int
    ) -> Taken:
        """
        Lock the oldest free message until a moment, and count its delivery.

        What has expired or was delivered as often as may be is dropped, unless somebody has it.
        """

    def drop_dead_messages(self, device_id: str, now: datetime, most_deliveries: int) -> int:
        """Take away what `take_message` would, and return how much that was."""

    def settle_message(self, device_id: str, lock: str, now: datetime, *, keep: bool) -> bool:
        """Take a locked message away, or with `keep` set it free; False where the lock holds nothing now."""

    def purge_messages(self, device_id: str, audit: AuditRecord) -> int | None:
        """Take all messages of a device away, and return how many; None where it is not registered."""
