"""Cloud-to-device messages of one device: sent as its credit comes, settled as it says."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import proton
from proton import Delivery

from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.links import Outgoing
from fencepost.gateway.amqp.message import Properties, write_message
from fencepost.gateway.cloud_messages import ACK, AGAIN, UNDER_WAY, settle
from fencepost.gateway.gateway import Gateway
from fencepost.model.errors import FencepostError
from fencepost.model.identity import CloudMessage
from fencepost.service.downlink import Settlement

_SETTLEMENTS: dict[int | None, Settlement] = {Delivery.ACCEPTED: "completed", Delivery.REJECTED: "rejected"}
"""What an outcome means; any other, and none, gives the message back."""


class DeviceboundLink:
    """Delivers to one device while its link is attached."""

    def __init__(
        self,
        gateway: Gateway,
        engine: Engine,
        device_id: str,
        link: proton.Sender,
        left: Callable[["DeviceboundLink"], None],
    ) -> None:
        self._gateway = gateway
        self._engine = engine
        self._device_id = device_id
        self._under_way = 0
        self._is_due = True
        self._is_busy = False
        self._link = Outgoing(engine, link, lambda _: left(self), self._deliver_if_due)

    def close(self, condition: str, text: str) -> None:
        self._link.close(condition, text)

    def wake(self) -> None:
        """Hear that a message waits."""
        self._is_due = True
        self._deliver_if_due()

    def _deliver_if_due(self) -> None:
        if self._is_due and not self._is_busy and self._has_room:
            self._is_busy = True
            self._engine.spawn(self._deliver(), outlasts=True)
        elif not self._is_busy:
            self._link.give_back_credit()

    @property
    def _has_room(self) -> bool:
        return self._under_way < UNDER_WAY and self._link.room > 0

    async def _deliver(self) -> None:
        try:
            while self._is_due and self._has_room:
                self._is_due = await self._deliver_one()
        except FencepostError:
            self._is_due = True
            await asyncio.sleep(AGAIN)
        finally:
            self._is_busy = False
        self._deliver_if_due()

    async def _deliver_one(self) -> bool:
        """Return whether there may be more."""
        self._is_due = False
        message = await self._gateway.downlink.take(self._device_id, "amqp")
        if message is None or message.lock is None:
            return self._is_due  # or one has come meanwhile
        self._under_way += 1
        if self._link.room > 0:
            self._link.send(_encoded(message), partial(self._settle, message.lock))
        else:
            self._settle(message.lock, None)
        return True

    def _settle(self, lock: str, state: int | None) -> None:
        self._under_way -= 1
        outcome = _SETTLEMENTS.get(state, "abandoned")
        self._engine.spawn(self._settle_now(lock, outcome), outlasts=True)

    async def _settle_now(self, lock: str, outcome: Settlement) -> None:
        if await settle(self._gateway, self._device_id, lock, outcome, "amqp"):
            self._deliver_if_due()


def _encoded(message: CloudMessage) -> bytes:
    system = message.system
    properties = Properties(
        message_id=system.get("message-id"),
        user_id=system["user-id"].encode() if "user-id" in system else None,
        to=system.get("to") or f"/devices/{message.device_id}/messages/devicebound",
        correlation_id=system.get("correlation-id"),
        content_type=system.get("content-type"),
        content_encoding=system.get("content-encoding"),
        absolute_expiry_time=round(message.expires_at.timestamp() * 1000),
    )
    annotations = {
        "iothub-enqueuedtime": proton.timestamp(round(message.enqueued_at.timestamp() * 1000)),
        "iothub-deliverycount": message.delivery_count,
        "x-opt-sequence-number": proton.ulong(message.sequence),
    }
    own: dict[str, Any] = {**message.properties}
    if "ack" in system:
        own[ACK] = system["ack"]
    return write_message(message.body, properties, annotations, own)
