"""What the gateway sees devices do, on its way into the journal: noted, and never in anybody's way."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from fencepost.model.entry import Operated
from fencepost.model.identity import Operation
from fencepost.service.pipeline import Busy, Item, Pipeline

MOST_UNDER_WAY = 1000
STRANGERS_UNDER_WAY = 200
STRANGERS_A_SECOND = 10
"""What strangers make us note of one device: they must not fill the journal, nor stand in others' way."""

_log = logging.getLogger(__name__)


class Operations:
    """
    Notes operations for the rules that count them (S19).

    `clock` gives receive times, aware UTC. `dropped` counts what found no room and was not noted, since the
    start: what a device does is not refused because we cannot count it.
    """

    def __init__(self, pipeline: Pipeline, clock: Callable[[], datetime]) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._under_way: set[asyncio.Task[None]] = set()
        self._strangers: set[asyncio.Task[None]] = set()
        self._second = 0
        self._of_device: dict[str, int] = {}
        self.dropped = 0

    async def note(self, device_id: str, operation: Operation) -> None:
        """Journal an operation at the time of the call; returns when it is on disk, or dropped."""
        await self._journal(Operated(device_id, self._clock(), operation))

    def note_soon(self, device_id: str, operation: Operation) -> None:
        """Do the same without waiting; at most 1,000 are under way at once, more are dropped."""
        self._begin(Operated(device_id, self._clock(), operation), self._under_way, MOST_UNDER_WAY)

    def note_unauthorized(self, device_id: str) -> None:
        """Note that somebody did not get in as a device, or it did not get at something; so often a second at most."""
        at = self._clock()
        if (second := int(at.timestamp())) != self._second:
            self._second, self._of_device = second, {}
        number = self._of_device[device_id] = self._of_device.get(device_id, 0) + 1
        if number > STRANGERS_A_SECOND:
            self.dropped += 1
            return
        self._begin(Operated(device_id, at, "UnauthorizedOperations"), self._strangers, STRANGERS_UNDER_WAY)

    def _begin(self, entry: Operated, under_way: set[asyncio.Task[None]], most: int) -> None:
        if len(under_way) >= most:
            self.dropped += 1
            return
        noting = asyncio.create_task(self._journal(entry))
        under_way.add(noting)
        noting.add_done_callback(under_way.discard)

    async def _journal(self, entry: Operated) -> None:
        try:
            await self._pipeline.submit([Item(entry)])
        except Busy:
            self.dropped += 1
        except Exception:  # noqa: BLE001 - who called has done its work, and can mend nothing
            self.dropped += 1
            _log.exception("internal fault: an operation could not be noted")
