"""The time in which a live fleet lives."""

import asyncio
from datetime import UTC, datetime


class Clock:
    """Real time; a test lets another one pass faster."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
