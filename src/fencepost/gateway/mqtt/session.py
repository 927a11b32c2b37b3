"""
One connected identity: what IoT Hub does for each topic and packet (wire-formats 3.4, 3.5).

The tables at the end say all that a client may publish and subscribe to; anything else closes the connection,
and what is another identity's counts as an unauthorized operation besides.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from fencepost.gateway.gateway import Gateway
from fencepost.gateway.mqtt.delivery import Delivery
from fencepost.gateway.mqtt.link import Closing, Link
from fencepost.gateway.twins import body_of, pushed, served, status_of
from fencepost.gateway.uplink import Message, TooLarge
from fencepost.model.errors import DeviceError, FencepostError
from fencepost.model.identity import Channel, IdentityKey
from fencepost.service.pipeline import Busy
from fencepost.service.sessions import NotListening
from fencepost.service.subscriptions import Subscriptions
from fencepost.wire.mqtt.packets import (
    FAILURE,
    Packet,
    Puback,
    Publish,
    Subscribe,
    Subscription,
    Unsubscribe,
    Will,
)
from fencepost.wire.mqtt.writing import puback, publish, suback, unsuback
from fencepost.wire.topics import (
    ClientTopic,
    CloudMessages,
    DesiredUpdates,
    Inputs,
    MethodAnswer,
    Methods,
    Subscribed,
    Telemetry,
    TwinAnswers,
    TwinGet,
    TwinReport,
    desired_topic,
    method_topic,
    parse_filter,
    parse_topic,
    twin_answer_topic,
)

Heard = dict[type[Subscribed], tuple[str, int]]
"""What a client is subscribed to: its filter as it wrote it, and the QoS; at most one of each kind."""

INTERFACE = "interface-id"
LARGEST_ANSWER = 128 << 10
"""Bytes of a direct method's answer."""


class DeviceSession:
    """
    One identity on one connection; it is a `service.sessions.Session`.

    `handle` works through packets in order, and raises Closing where the connection is to end. `subscriptions`
    keeps what the client subscribes to for its next connection, None for a client with clean session 1.
    """

    channel: Channel = "mqtt"

    def __init__(
        self,
        gateway: Gateway,
        link: Link,
        key: IdentityKey,
        subscriptions: Subscriptions | None,
        will: Will | None,
    ) -> None:
        self.key = key
        self._gateway = gateway
        self._link = link
        self._subscriptions = subscriptions
        self._will = will
        self._delivery = Delivery(gateway, link, key.device_id)
        self._heard: Heard = {}
        self._calls: dict[str, asyncio.Future[tuple[int, bytes]]] = {}
        self._last_call = 0
        self._known: tuple[str, ClientTopic] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        if will is not None:
            self._telemetry(self._topic_of(will.topic))

    def resume(self, filters: Mapping[str, int]) -> None:
        """Go on with the subscriptions of an earlier connection; to be called when the client has its CONNACK."""
        for text, qos in filters.items():
            if (wanted := parse_filter(text)) is not None:
                self._heard[type(wanted)] = text, qos
        self._see_to_delivery()

    # what the client sends

    async def handle(self, packets: Sequence[Packet]) -> None:
        """Work through packets in order; messages that follow each other are journalled together."""
        together: list[Publish] = []
        try:
            for packet in packets:
                if isinstance(packet, Publish) and isinstance(self._checked_topic(packet), Telemetry):
                    together.append(packet)
                    continue
                await self._send_up(together)
                together = []
                await self._handle_one(packet)
        except Closing:
            await self._send_up(together)
            raise
        await self._send_up(together)

    async def _handle_one(self, packet: Packet) -> None:
        match packet:
            case Publish():
                topic = self._checked_topic(packet)
                await _PUBLISHED[type(topic)](self, topic, packet)
                self._acknowledge([packet])
            case Subscribe():
                await self._subscribe(packet)
            case Unsubscribe():
                await self._unsubscribe(packet)
            case Puback():
                await self._delivery.acknowledged(packet.packet_id)
            case _:
                raise Closing(f"unexpected {type(packet).__name__.upper()}")

    def _checked_topic(self, packet: Publish) -> ClientTopic:
        if packet.qos > 1:
            raise Closing("QoS 2 is not spoken here")
        topic = self._topic_of(packet.topic)
        if isinstance(topic, Telemetry):
            self._telemetry(topic)
        return topic

    def _topic_of(self, text: str) -> ClientTopic:
        """Return what a topic says; a device's messages have one and the same again and again."""
        if self._known is not None and self._known[0] == text:
            return self._known[1]
        try:
            topic = parse_topic(text)
        except DeviceError as error:
            raise Closing(error.reason) from None
        if type(topic) not in _PUBLISHED:
            raise Closing("a topic that is not for devices")
        self._known = text, topic
        return topic

    def _telemetry(self, topic: ClientTopic) -> Telemetry:
        """Return a topic of this very identity's messages."""
        if not isinstance(topic, Telemetry):
            raise Closing("a will that is no message")
        if not topic.is_of(self.key):
            raise Closing("a publish to another's topic", is_trespass=True)
        return topic

    async def _send_up(self, packets: Sequence[Publish]) -> None:
        """Journal messages, then acknowledge them (S30); while there is no room, nothing more is read."""
        if not packets:
            return
        messages = [Message(packet.payload, self._interface(packet.topic)) for packet in packets]
        while True:
            try:
                await self._gateway.uplink.send_all(self.key.device_id, messages, self.channel)
            except TooLarge as error:
                raise Closing(error.reason) from None
            except Busy as error:
                if not self._link.is_open:
                    self._gateway.counters.lost_messages += len(packets)
                    return
                await asyncio.sleep(error.retry_after)
            else:
                self._acknowledge(packets)
                return

    def _interface(self, topic: str) -> str | None:
        return self._telemetry(self._topic_of(topic)).properties.system.get(INTERFACE)

    def _acknowledge(self, packets: Sequence[Publish]) -> None:
        self._link.write(b"".join(puback(packet.packet_id) for packet in packets if packet.qos))

    async def _get_twin(self, topic: TwinGet, packet: Publish) -> None:
        try:
            twin = await served(self._gateway, self.key)
        except FencepostError as error:
            self._answer(status_of(error), topic.rid)
            return
        self._answer(200, topic.rid, body=body_of(twin))

    async def _report(self, topic: TwinReport, packet: Publish) -> None:
        try:
            version = await self._gateway.registry.report(self.key, packet.payload)
        except FencepostError as error:
            self._answer(status_of(error), topic.rid)
            return
        self._answer(204, topic.rid, version)

    def _answer(self, status: int, rid: str, version: int | None = None, body: bytes = b"") -> None:
        if TwinAnswers in self._heard:
            self._link.write(publish(twin_answer_topic(status, rid, version), body))

    async def _take_answer(self, topic: MethodAnswer, packet: Publish) -> None:
        call = self._calls.get(topic.rid)
        if call is not None and not call.done() and len(packet.payload) <= LARGEST_ANSWER:
            call.set_result((topic.status, packet.payload))

    # subscriptions

    async def _subscribe(self, packet: Subscribe) -> None:
        heard = dict(self._heard)
        grants = [self._granted(one, heard) for one in packet.subscriptions]
        if await self._changed(heard):
            self._link.write(suback(packet.packet_id, grants))
            self._see_to_delivery()

    async def _unsubscribe(self, packet: Unsubscribe) -> None:
        gone = {type(parse_filter(text)) for text in packet.topic_filters}
        if await self._changed({kind: one for kind, one in self._heard.items() if kind not in gone}):
            self._see_to_delivery()
            self._link.write(unsuback(packet.packet_id))

    def _granted(self, asked: Subscription, heard: Heard) -> int:
        """Return what a subscription gets, QoS 1 at most, and add it to what is heard."""
        wanted = parse_filter(asked.topic_filter)
        if type(wanted) not in _SUBSCRIBED:
            return FAILURE
        assert wanted is not None  # noqa: S101 - it is in the table
        if isinstance(wanted, CloudMessages | Inputs) and not wanted.is_of(self.key):
            raise Closing("a subscription to what is another's", is_trespass=True)
        granted = min(asked.qos, 1)
        heard[type(wanted)] = asked.topic_filter, granted
        return granted

    async def _changed(self, heard: Heard) -> bool:
        """
        Set what is heard, and keep it for the next connection.

        False where the connection is over: then the client does not take it for done, and asks again.
        """
        if self._subscriptions is not None and heard != self._heard:
            if not self._link.is_open:
                return False  # another connection of this identity may have begun anew
            try:
                await self._subscriptions.put(self.key, dict(heard.values()))
            except FencepostError:
                self._link.close("its subscriptions cannot be kept")
                return False
        self._heard = heard
        return True

    def _see_to_delivery(self) -> None:
        text, qos = self._heard.get(CloudMessages, ("", 0))
        wanted = parse_filter(text)
        if isinstance(wanted, CloudMessages):
            self._delivery.subscribe(qos, wanted.device_id)
        else:
            self._delivery.unsubscribe()

    # what the service says

    def push_desired(self, patch: dict[str, Any]) -> None:
        if DesiredUpdates in self._heard:
            self._soon(self._push(patch))

    async def _push(self, patch: dict[str, Any]) -> None:
        if self._link.is_clogged:
            self._link.close("it does not read")  # it reads its twin again when it comes back
            return
        try:
            body = await pushed(self._gateway, self.key, patch)
        except FencepostError:
            self._link.close("its twin cannot be read")
            return
        self._link.write(publish(desired_topic(body["$version"]), msgspec.json.encode(body)))

    def wake(self) -> None:
        self._delivery.wake()

    async def invoke(self, name: str, payload: bytes, timeout: float) -> tuple[int, bytes]:  # noqa: ASYNC109
        """Call a direct method; raises NotListening and TimeoutError."""
        if Methods not in self._heard or not self._link.is_open:
            raise NotListening(f"{self.key} does not take direct methods")
        self._last_call += 1
        rid = f"{self._last_call:x}"
        call: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._calls[rid] = call
        try:
            self._link.write(publish(method_topic(name, rid), payload))
            async with asyncio.timeout(timeout):
                return await call
        finally:
            del self._calls[rid]

    def close(self, reason: str) -> None:
        self._link.close(reason)

    # the end

    async def end(self, *, is_clean: bool) -> None:
        """The connection is gone; without a DISCONNECT before it, the will is sent."""
        self._gateway.sessions.leave(self.key, self)
        for call in self._calls.values():
            if not call.done():
                call.set_exception(NotListening(f"{self.key} has gone"))
        for task in self._tasks:
            task.cancel()
        await self._delivery.end()
        if self._will is not None and not is_clean:
            message = Message(self._will.payload, self._interface(self._will.topic))
            try:
                await self._gateway.uplink.send_all(self.key.device_id, [message], self.channel)
            except (Busy, TooLarge):
                self._gateway.counters.lost_wills += 1

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _nothing(session: DeviceSession, topic: Any, packet: Publish) -> None:
    """Messages are handled together, before they come here."""


Published = Callable[[DeviceSession, Any, Publish], Coroutine[Any, Any, None]]
_PUBLISHED: dict[type[ClientTopic], Published] = {
    Telemetry: _nothing,
    TwinGet: DeviceSession._get_twin,  # noqa: SLF001 - the table of this class
    TwinReport: DeviceSession._report,  # noqa: SLF001
    MethodAnswer: DeviceSession._take_answer,  # noqa: SLF001
}
_SUBSCRIBED: tuple[type[Subscribed], ...] = (CloudMessages, Inputs, TwinAnswers, DesiredUpdates, Methods)
