"""Messages on their way: many devices side by side, each of them in order."""

import asyncio
from collections.abc import Awaitable, Callable

from fencepost.client.service import Receipt
from fencepost.simulation.device import Delivery

WAITING = 8
"""How many messages wait for one sender before the fleet is held up."""

Send = Callable[[str, bytes], Awaitable[Receipt]]
"""Sends a message of a device, and returns when the service has it on disk."""


class Senders:
    """
    So many senders, each with the devices that fall to it; `on_receipt` hears of every message taken.

    They run as tasks of a group, which so ends when a message cannot be sent at all.
    """

    def __init__(
        self,
        send: Send,
        number: int,
        on_receipt: Callable[[Receipt], None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._send = send
        self._on_receipt = on_receipt
        self._queues: list[asyncio.Queue[Delivery]] = [asyncio.Queue(WAITING) for _ in range(number)]
        self._queue_of: dict[str, asyncio.Queue[Delivery]] = {}
        self._tasks = [tasks.create_task(self._work(queue)) for queue in self._queues]

    async def put(self, delivery: Delivery) -> None:
        """Hand over a message; waits while its sender is behind."""
        queue = self._queue_of.get(delivery.device_id)
        if queue is None:
            queue = self._queues[len(self._queue_of) % len(self._queues)]
            self._queue_of[delivery.device_id] = queue
        await queue.put(delivery)

    async def join(self) -> None:
        """Return when every message has been taken."""
        for queue in self._queues:
            await queue.join()

    def cancel(self) -> None:
        """Stop; what has not been taken yet is not sent."""
        for task in self._tasks:
            task.cancel()

    async def _work(self, queue: asyncio.Queue[Delivery]) -> None:
        while True:
            delivery = await queue.get()
            receipt = await self._send(delivery.device_id, delivery.body)
            self._on_receipt(receipt)
            queue.task_done()
