"""Cloud-to-device messages (in the making: the signatures stand)."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from fencepost.model.errors import FencepostError
from fencepost.model.identity import Channel, CloudMessage
from fencepost.service.registry.ports import MessageStore
from fencepost.service.registry.registry import Note
from fencepost.service.sessions import Sessions

Settlement = Literal["completed", "rejected", "abandoned"]


class Full(FencepostError):  # noqa: N818 - an answer
    """As many messages wait for the device as may."""


class Downlink:
    def __init__(
        self, store: MessageStore, sessions: Sessions, clock: Callable[[], datetime], note: Note
    ) -> None: ...

    async def send(
        self,
        device_id: str,
        body: bytes,
        system: dict[str, str],
        properties: dict[str, str],
        expires_at: datetime | None,
    ) -> CloudMessage:
        """Keep a message for a device and wake its session; raises Missing, Full, OperatorError (> 64 KiB)."""
        raise NotImplementedError

    async def take(self, device_id: str) -> CloudMessage | None:
        """Return the oldest free message, locked for 60 seconds."""
        raise NotImplementedError

    async def settle(self, device_id: str, lock: str, outcome: Settlement, channel: Channel) -> None:
        """Say what became of a taken message; raises Missing for an unknown or lapsed lock."""
        raise NotImplementedError

    async def pending(self, device_id: str) -> int:
        """Return how many messages wait for a device."""
        raise NotImplementedError

    async def purge(self, device_id: str, actor: str) -> int:
        """Take all messages of a device away, and return their number; raises Missing."""
        raise NotImplementedError
