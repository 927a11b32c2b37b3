"""Senders work side by side, keep each device's messages in order, and hold a fleet up that is too fast."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from fencepost.client.service import Receipt
from fencepost.model.errors import OperatorError, Problem
from fencepost.simulation.device import Delivery
from fencepost.simulation.senders import WAITING, Senders

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
TAKEN = Receipt(messages=1, events=0)


class Slow:
    """A service that takes its time, less and less for each message."""

    def __init__(self, refused: str = "") -> None:
        self.taken: defaultdict[str, list[bytes]] = defaultdict(list)
        self.at_once = self.most_at_once = 0
        self._refused = refused

    async def send(self, device_id: str, body: bytes) -> Receipt:
        if device_id == self._refused:
            raise OperatorError([Problem("", "refused")])
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.02 / (1 + int(body)))
        self.at_once -= 1
        self.taken[device_id].append(body)
        return TAKEN


def delivery(device: int, number: int) -> Delivery:
    return Delivery(NOW, f"cam-{device}", str(number).encode())


def sending(service: Slow, number: int, talk: Callable[[Senders], Awaitable[None]]) -> list[Receipt]:
    receipts: list[Receipt] = []

    async def go() -> None:
        async with asyncio.TaskGroup() as tasks:
            senders = Senders(service.send, number, receipts.append, tasks)
            await talk(senders)
            senders.cancel()

    asyncio.run(go())
    return receipts


def test_the_messages_of_a_device_stay_in_order_and_devices_do_not_wait_for_each_other() -> None:
    service = Slow()

    async def talk(senders: Senders) -> None:
        for number in range(10):
            for device in range(6):
                await senders.put(delivery(device, number))
        await senders.join()

    receipts = sending(service, 3, talk)
    assert dict(service.taken) == {
        f"cam-{device}": [b"%d" % number for number in range(10)] for device in range(6)
    }
    assert (len(receipts), service.most_at_once) == (60, 3)


def test_a_fleet_that_is_too_fast_is_held_up() -> None:
    async def talk(senders: Senders) -> None:
        for number in range(WAITING + 1):
            await senders.put(delivery(0, number))
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(senders.put(delivery(0, 0)), 0.005)

    sending(Slow(), 1, talk)


def test_a_message_that_cannot_be_sent_ends_them_all() -> None:
    async def talk(senders: Senders) -> None:
        await senders.put(delivery(1, 0))
        await senders.put(delivery(2, 0))
        await senders.join()

    with pytest.raises(ExceptionGroup) as caught:
        sending(Slow(refused="cam-2"), 2, talk)
    assert caught.group_contains(OperatorError, match="refused")
