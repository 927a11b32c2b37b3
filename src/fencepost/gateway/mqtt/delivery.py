"""Cloud-to-device messages of one connection: at most a few under way, settled when the device has them."""

import asyncio

from fencepost.gateway.cloud_messages import ACK, AGAIN, UNDER_WAY, settle
from fencepost.gateway.gateway import Gateway
from fencepost.gateway.mqtt.link import Link
from fencepost.model.errors import FencepostError
from fencepost.model.identity import CloudMessage
from fencepost.service.downlink import Settlement
from fencepost.wire.mqtt.properties import PropertyBag
from fencepost.wire.mqtt.writing import publish
from fencepost.wire.topics import devicebound_topic

LAST_ID = 0xFFFF


class Delivery:
    """
    Delivers to one device while it is subscribed.

    `wake` says that there may be something; `acknowledged` that the device has a message.
    """

    def __init__(self, gateway: Gateway, link: Link, device_id: str) -> None:
        self._gateway = gateway
        self._link = link
        self._device_id = device_id
        self._qos: int | None = None
        self._written = device_id
        self._locks: dict[int, str] = {}
        self._last_id = 0
        self._task: asyncio.Task[None] | None = None
        self._is_due = False

    def subscribe(self, qos: int, written: str) -> None:
        """Begin to deliver; `written` is the device's id as the client writes it in topics."""
        self._qos, self._written = qos, written
        self.wake()

    def unsubscribe(self) -> None:
        self._qos = None

    def wake(self) -> None:
        self._is_due = True
        if self._qos is not None and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._deliver())

    async def acknowledged(self, packet_id: int) -> None:
        """Settle what the device has; an id that we did not give changes nothing."""
        lock = self._locks.pop(packet_id, None)
        if lock is not None:
            await self._settle(lock, "completed")
            self.wake()

    async def end(self) -> None:
        """Give back what the device did not acknowledge: it is sent again."""
        self._qos = None
        if self._task is not None:
            self._task.cancel()
        locks, self._locks = self._locks, {}
        for lock in locks.values():
            await self._settle(lock, "abandoned")

    async def _deliver(self) -> None:
        while self._is_due and self._may_go_on():
            self._is_due = False
            try:
                while self._may_go_on() and await self._deliver_one():
                    pass
            except FencepostError:
                self._is_due = True
                await asyncio.sleep(AGAIN)

    def _may_go_on(self) -> bool:
        return (
            self._qos is not None
            and self._link.is_open
            and not self._link.is_clogged
            and len(self._locks) < UNDER_WAY
        )

    async def _deliver_one(self) -> bool:
        message = await self._gateway.downlink.take(self._device_id)
        if message is None or message.lock is None:
            return False
        if self._qos is None or not self._link.is_open:
            await self._settle(message.lock, "abandoned")
            return False
        packet_id = self._next_id() if self._qos else 0
        try:
            packet = self._packet(message, packet_id)
        except ValueError:  # its properties do not fit into a topic
            await self._settle(message.lock, "rejected")
            return True
        self._link.write(packet)
        if packet_id:
            self._locks[packet_id] = message.lock
        else:
            await self._settle(message.lock, "completed")
        return True

    def _packet(self, message: CloudMessage, packet_id: int) -> bytes:
        system, own = dict(message.system), dict[str, str | None](message.properties)
        if "ack" in system:
            own[ACK] = system.pop("ack")
        topic = devicebound_topic(self._written, PropertyBag(system, own))
        return publish(topic, message.body, qos=1 if packet_id else 0, packet_id=packet_id)

    def _next_id(self) -> int:
        self._last_id = self._last_id % LAST_ID + 1
        return self._last_id

    async def _settle(self, lock: str, outcome: Settlement) -> None:
        await settle(self._gateway, self._device_id, lock, outcome, "mqtt")
