"""What the gateway sees devices do, on its way into the journal: noted, and never in anybody's way."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from fencepost.model.entry import Operated
from fencepost.model.identity import Operation
from fencepost.service.pipeline import Busy, Item, Pipeline

MOST_UNDER_WAY = 1000

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
        self.dropped = 0

    async def note(self, device_id: str, operation: Operation) -> None:
        """Journal an operation at the time of the call; returns when it is on disk, or dropped."""
        await self._journal(Operated(device_id, self._clock(), operation))

    def note_soon(self, device_id: str, operation: Operation) -> None:
        """Do the same without waiting; at most 1,000 are under way at once, more are dropped."""
        if len(self._under_way) >= MOST_UNDER_WAY:
            self.dropped += 1
            return
        noting = asyncio.create_task(self._journal(Operated(device_id, self._clock(), operation)))
        self._under_way.add(noting)
        noting.add_done_callback(self._under_way.discard)

    async def _journal(self, entry: Operated) -> None:
        try:
            await self._pipeline.submit([Item(entry)])
        except Busy:
            self.dropped += 1
        except Exception:  # noqa: BLE001 - who called has done its work, and can mend nothing
            self.dropped += 1
            _log.exception("internal fault: an operation could not be noted")
