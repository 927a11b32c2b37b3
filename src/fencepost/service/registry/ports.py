"""What the registry and the downlink need of the control store, which has it by shape."""

from typing import Protocol


class RegistryStore(Protocol):
    """Identities and twins. Every call may block; StoreUnavailable says that the database is away."""


class MessageStore(Protocol):
    """Cloud-to-device messages. Every call may block; StoreUnavailable says that the database is away."""
