"""Device-to-cloud messages, of every transport: journalled, then acknowledged (S30)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from msgspec import Struct

from fencepost.model.entry import Operated, Received, TwinServed
from fencepost.model.errors import DeviceError
from fencepost.model.event import ARRIVALS, SecurityMessage
from fencepost.model.identity import SECURITY_INTERFACE, Channel, IdentityKey
from fencepost.service.judge import understand
from fencepost.service.pipeline import Item, Pipeline
from fencepost.service.sessions import Sessions
from fencepost.wire.twin import legitimate_delays

QUICK = 64 << 10
"""Bytes that are decoded at once; more are in a thread, so that others need not wait."""


class TooLarge(DeviceError):  # noqa: N818 - an outcome
    """A message that is larger than any may be."""


class Message(Struct, frozen=True):
    """What a device sent; `interface` is the property `iothub-interface-id` as it came, None without one."""

    body: bytes
    interface: str | None = None

    @property
    def is_security(self) -> bool:
        return self.interface is not None and self.interface.lower() == _MARK


_MARK = SECURITY_INTERFACE.lower()


class Uplink:
    """Takes messages of devices that have proved who they are; the counts are since the start."""

    def __init__(
        self, pipeline: Pipeline, sessions: Sessions, clock: Callable[[], datetime], max_message_bytes: int
    ) -> None:
        self._pipeline = pipeline
        self._sessions = sessions
        self._clock = clock
        self._most = max_message_bytes
        self._decoding = ThreadPoolExecutor(1, "fencepost-uplink")
        self.security: dict[Channel, int] = dict.fromkeys(ARRIVALS, 0)
        self.telemetry: dict[Channel, int] = dict.fromkeys(ARRIVALS, 0)

    async def send_all(self, device_id: str, messages: Sequence[Message], channel: Channel) -> None:
        """
        Return when all these messages of a device are on disk; telemetry is counted there, not kept.

        Raises TooLarge for a body above the limit and Busy where there is no room; then none is kept.
        """
        at = self._clock()
        for message in messages:
            if len(message.body) > self._most:
                raise TooLarge(f"{len(message.body)} bytes, at most {self._most} are taken")
        secure = [message.body for message in messages if message.is_security]
        said = iter(await self._understood(secure))
        items = [
            Item(Received(device_id, at, message.body, channel), next(said))
            if message.is_security
            else Item(Operated(device_id, at, ARRIVALS[channel]))
            for message in messages
        ]
        await self._pipeline.submit(items)
        self._sessions.touch(IdentityKey(device_id))
        self.security[channel] += len(secure)
        self.telemetry[channel] += len(items) - len(secure)

    async def served(self, device_id: str, desired: Mapping[str, Any]) -> None:
        """Take down how long the agent of a device may hold events back, now that it is told so (S06)."""
        delays, _ = legitimate_delays(desired)
        await self._pipeline.submit([Item(TwinServed(device_id, delays, self._clock()))])

    async def _understood(self, bodies: list[bytes]) -> list[SecurityMessage | DeviceError]:
        if sum(map(len, bodies)) <= QUICK:
            return [understand(body) for body in bodies]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._decoding, lambda: [understand(body) for body in bodies])
