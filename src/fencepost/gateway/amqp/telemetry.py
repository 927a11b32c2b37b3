"""
Device-to-cloud messages: accepted when they are journalled (S30).

A message of Microsoft's batch format holds a whole message in each of its data sections. The library does
not tell a message's format, so a batch is known by that: no JSON and no FlatBuffers begins like a section.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import proton
from msgspec import Struct

from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.links import Arrival, Incoming
from fencepost.gateway.amqp.message import AmqpMessage, read_message
from fencepost.gateway.gateway import Gateway
from fencepost.gateway.uplink import Message, TooLarge
from fencepost.model.errors import DeviceError
from fencepost.service.pipeline import Busy

CREDIT = 100
PROPERTIES = 64 << 10
"""Bytes that a message may have besides its body."""
TOGETHER = 256 << 10
"""Bytes that are journalled at a time."""
MOST_MESSAGES = 4096
"""Of a batch."""
PATIENCE = 60.0
"""Seconds that we try again where there is no room, before a message is turned down."""
INTERFACE = "iothub-interface-id"
_SECTION = b"\x00\x53"
_NO_ROOM = "com.microsoft:device-container-throttled"
"""The condition on which the SDKs try again; they take a message that is released for one that was accepted."""


class _Waiting(Struct):
    arrival: Arrival
    messages: list[Message]


class TelemetryLink:
    """The messages of one link of one device, or of a module of it."""

    def __init__(
        self,
        gateway: Gateway,
        engine: Engine,
        device_id: str,
        link: proton.Receiver,
        left: Callable[["TelemetryLink"], None],
    ) -> None:
        self._gateway = gateway
        self._engine = engine
        self._device_id = device_id
        self._waiting: deque[_Waiting] = deque()
        largest = gateway.max_message_bytes + PROPERTIES
        self._link = Incoming(engine, link, self._take, lambda _: left(self), credit=CREDIT, largest=largest)

    def close(self, condition: str, text: str) -> None:
        self._link.close(condition, text)

    def _take(self, arrival: Arrival) -> None:
        try:
            messages = read_telemetry(arrival.encoded)
        except DeviceError as error:
            arrival.reject("amqp:decode-error", error.reason)
            return
        most = self._gateway.max_message_bytes
        if any(len(message.body) > most for message in messages):
            arrival.reject("amqp:link:message-size-exceeded", f"a body has at most {most} bytes")
            return
        self._engine.hold(len(arrival.encoded))
        self._waiting.append(_Waiting(arrival, messages))
        if len(self._waiting) == 1:
            self._engine.spawn(self._send_waiting())

    async def _send_waiting(self) -> None:
        while self._waiting:
            together = self._together()
            try:
                is_kept = await self._send([message for one in together for message in one.messages])
            finally:
                self._engine.hold(-sum(len(one.arrival.encoded) for one in together))
                for _ in together:
                    self._waiting.popleft()
            for one in together:
                if is_kept:
                    one.arrival.accept()
                else:
                    one.arrival.reject(_NO_ROOM, "there is no room now")

    def _together(self) -> list[_Waiting]:
        """Return what is journalled next, which stays in line until then."""
        together: list[_Waiting] = []
        size = 0
        for one in self._waiting:
            size += len(one.arrival.encoded)
            if together and size > TOGETHER:
                break
            together.append(one)
        return together

    async def _send(self, messages: Sequence[Message]) -> bool:
        """Return whether the messages are journalled; while there is no room they wait for it a while."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while messages:
            try:
                await self._gateway.uplink.send_all(self._device_id, messages, "amqp")
            except TooLarge:
                raise AssertionError("sizes were checked") from None
            except Busy as error:
                if loop.time() + error.retry_after > until:
                    return False
                await asyncio.sleep(error.retry_after)
            else:
                break
        return True


def read_telemetry(encoded: bytes) -> list[Message]:
    """Return the messages that a device sent as one, several only in a batch; raises DeviceError."""
    message = read_message(encoded)
    batch = _batch_of(message)
    if batch is None:
        return [_said(message)]
    return [_said(one) for one in batch]


def _batch_of(message: AmqpMessage) -> list[AmqpMessage] | None:
    """Return the messages within a message of the batch format, None where it is of another."""
    if not message.data or not all(section.startswith(_SECTION) for section in message.data):
        return None
    if len(message.data) > MOST_MESSAGES:
        raise DeviceError("too many messages in a batch")
    try:
        return [read_message(section) for section in message.data]
    except DeviceError:
        return None


def _said(message: AmqpMessage) -> Message:
    """Return the body with its interface id, which some SDKs annotate and others make a property."""
    interface = message.annotations.get(INTERFACE, message.application.get(INTERFACE))
    return Message(message.body(), interface if isinstance(interface, str) else None)
