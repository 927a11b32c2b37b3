"""Work that links bring about, one piece after the other, so that its order is that of the messages."""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from fencepost.gateway.amqp.engine import Engine

Work = Callable[[], Coroutine[Any, Any, None]]


class WorkLine:
    """Does pieces of work in order; there is a task only while there is work."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[Work] = deque()
        self._is_busy = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, work: Work) -> None:
        self._waiting.append(work)
        if not self._is_busy:
            self._is_busy = True
            self._engine.spawn(self._do())

    async def _do(self) -> None:
        try:
            while self._waiting:
                await self._waiting.popleft()()
        finally:
            self._is_busy = False
