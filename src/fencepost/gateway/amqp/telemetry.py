"""
Device-to-cloud messages: accepted when they are journalled (S30).

A message of Microsoft's batch format holds a whole message in each of its data sections. The library does
not tell a message's format, so a batch is known by that: no JSON and no FlatBuffers begins like a section.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import proton

from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.links import Arrival, Incoming
from fencepost.gateway.amqp.message import AmqpMessage, read_message
from fencepost.gateway.gateway import Gateway
from fencepost.gateway.uplink import Message
from fencepost.model.errors import DeviceError
from fencepost.service.pipeline import Busy

CREDIT = 100
PROPERTIES = 64 << 10
"""Bytes that a message may have besides its body."""
TOGETHER = 256 << 10
"""Bytes that are journalled at a time."""
MOST_MESSAGES = 10_000
"""Of a batch."""
QUICK = 64 << 10
"""Bytes that are read at once; more are in a thread, so that others need not wait."""
PATIENCE = 60.0
"""Seconds that we try again where there is no room, before a message is turned down."""
INTERFACE = "iothub-interface-id"
_SECTION = b"\x00\x53"
_NO_ROOM = "com.microsoft:device-container-throttled"
"""The condition on which the SDKs try again; they take a message that is released for one that was accepted."""


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
        self._waiting: deque[Arrival] = deque()
        largest = gateway.max_message_bytes + PROPERTIES
        self._link = Incoming(engine, link, self._take, lambda _: left(self), credit=CREDIT, largest=largest)

    def close(self, condition: str, text: str) -> None:
        self._link.close(condition, text)

    def _take(self, arrival: Arrival) -> None:
        self._engine.hold(len(arrival.encoded))
        self._waiting.append(arrival)
        if len(self._waiting) == 1:
            self._engine.spawn(self._work(), outlasts=True)

    async def _work(self) -> None:
        """Journal what waits, in order and as much together as goes."""
        while self._waiting:
            together = self._together()
            try:
                await self._journal(together)
            finally:
                self._engine.hold(-sum(len(arrival.encoded) for arrival in together))
                for _ in together:
                    self._waiting.popleft()

    def _together(self) -> list[Arrival]:
        """Return what is journalled next, which stays in line until then."""
        together: list[Arrival] = []
        size = 0
        for arrival in self._waiting:
            size += len(arrival.encoded)
            if together and size > TOGETHER:
                break
            together.append(arrival)
        return together

    async def _journal(self, arrivals: Sequence[Arrival]) -> None:
        read = [(arrival, await self._read(arrival)) for arrival in arrivals]
        is_kept = await self._send([message for _, messages in read for message in messages])
        for arrival, messages in read:
            if is_kept and messages:
                arrival.accept()
            elif messages:
                arrival.reject(_NO_ROOM, "there is no room now")

    async def _read(self, arrival: Arrival) -> list[Message]:
        """Return the messages of an arrival; none where it was rejected."""
        most = self._gateway.max_message_bytes
        try:
            if len(arrival.encoded) <= QUICK:
                messages = read_telemetry(arrival.encoded)
            else:
                messages = await asyncio.to_thread(read_telemetry, arrival.encoded)
        except DeviceError as error:
            arrival.reject("amqp:decode-error", error.reason)
            return []
        if any(len(message.body) > most for message in messages):
            arrival.reject("amqp:link:message-size-exceeded", f"a body has at most {most} bytes")
            return []
        return messages

    async def _send(self, messages: Sequence[Message]) -> bool:
        """Return whether the messages are journalled; while there is no room they wait for it a while."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while messages:
            try:
                await self._gateway.uplink.send_all(self._device_id, messages, "amqp")
            except Busy as error:
                if not self._link.is_open or loop.time() + error.retry_after > until:
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
