"""One connection of an AMQP client, from its beginning to its end; the library does the frames, this the rest."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, cast

import proton
from proton import Delivery, Event

from fencepost.client.endpoint import Lost

CBS = "$cbs"
SAS_TOKEN = "servicebus.windows.net:sastoken"  # noqa: S105 - the name of a kind of token
CLOSING = 2.0
"""Seconds in which the other side must let go."""
SILENCE = 120.0
"""Seconds without a byte after which the other side is gone."""
_ANSWERS = "cbs-answers"
_GRANTED = range(200, 300)

Outcome = tuple[int, str]
"""A state of `proton.Delivery`, and why."""


class Rejected(Exception):  # noqa: N818 - an answer
    """What was sent is not taken; the text is the answer."""


class AmqpLink(asyncio.Protocol):
    """A connection with SASL ANONYMOUS; who sends is proved by a token that is put on the node `$cbs`."""

    def __init__(self, host: str, container: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = proton.Connection()
        self._connection.hostname = host
        self._connection.container = container
        self._collector = proton.Collector()
        self._connection.collect(self._collector)
        self._proton: Any = proton.Transport(proton.Transport.CLIENT)
        self._proton.tracer = _hush
        self._proton.idle_timeout = SILENCE
        self._proton.sasl().allowed_mechs("ANONYMOUS")
        self._proton.bind(self._connection)
        self._session = self._connection.session()
        self._senders: dict[str, proton.Sender] = {}
        self._numbers = count(1)
        self._asked: dict[str, asyncio.Future[int]] = {}
        self._unsettled: dict[str, asyncio.Future[Outcome]] = {}
        self._transport: asyncio.Transport | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._moved = asyncio.Event()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._why = "the server has closed the connection"

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def put_token(self, audience: str, token: str) -> None:
        """Prove who this is; raises Rejected and Lost."""
        receiver = self._session.receiver(_ANSWERS)
        receiver.source.address = CBS
        receiver.target.address = _ANSWERS
        receiver.open()
        receiver.flow(1)
        message_id = f"{next(self._numbers)}"
        answered: asyncio.Future[int] = self._loop.create_future()
        self._asked[message_id] = answered
        request = proton.Message(
            id=message_id,
            reply_to=_ANSWERS,
            properties={"operation": "put-token", "type": SAS_TOKEN, "name": audience},
            body=token,
        )
        await self._deliver(CBS, request)
        status = await answered
        if status not in _GRANTED:
            raise Rejected(f"put-token {status}")

    async def send(self, address: str, message: proton.Message) -> None:
        """Return when a message is accepted; raises Rejected and Lost."""
        outcome, reason = await self._deliver(address, message)
        if outcome == Delivery.REJECTED:
            raise Rejected(reason)
        if outcome != Delivery.ACCEPTED:
            raise Lost("the service is busy")

    async def _deliver(self, address: str, message: proton.Message) -> Outcome:
        """Return what became of a message."""
        sender = await self._credited(address)
        tag = f"{next(self._numbers)}"
        settled: asyncio.Future[Outcome] = self._loop.create_future()
        self._unsettled[tag] = settled
        sender.delivery(tag)
        sender.stream(message.encode())
        sender.advance()
        self._flush()
        try:
            return await settled
        finally:
            self._unsettled.pop(tag, None)

    async def _credited(self, address: str) -> proton.Sender:
        """Return a link to an address, once something may be sent on it."""
        sender = self._senders.get(address)
        if sender is None:
            sender = self._senders[address] = self._session.sender(f"to {address}")
            sender.source.address = address
            sender.target.address = address
            sender.open()
            self._flush()
        while self.is_open:
            if sender.credit:
                return sender
            self._moved.clear()
            await self._moved.wait()
        raise Lost(self._why)

    async def end(self) -> None:
        """Take leave; a peer that does not let go is left standing."""
        if self.is_open:
            self._connection.close()
            self._flush()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._gone), CLOSING)
        self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connection.open()
        self._session.open()
        self._flush()

    def data_received(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest and (room := self._proton.capacity()) > 0:
                self._proton.push(bytes(rest[:room]))
                rest = rest[room:]
                self._react()
        except proton.ProtonException:
            self.abort()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        waiting: list[asyncio.Future[Any]] = [*self._asked.values(), *self._unsettled.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(Lost(self._why))
                future.exception()  # nobody may wait for it any more
        self._moved.set()
        self._gone.set_result(None)

    # the library

    def _flush(self) -> None:
        """Write what the library has to say, and tell it the time."""
        self._react()
        if self._transport is None or not self.is_open:
            return
        while (size := self._proton.pending()) > 0:
            self._transport.write(self._proton.peek(size))
            self._proton.pop(size)
        if self._proton.closed or self._proton.pending() < 0:
            self._transport.close()
        elif due := self._proton.tick(self._loop.time()):
            if self._ticking is not None:
                self._ticking.cancel()
            self._ticking = self._loop.call_at(due, self._flush)

    def _react(self) -> None:
        while (event := self._collector.peek()) is not None:
            handle = _HANDLERS.get(event.type)
            if handle is not None:
                handle(self, event)
            self._collector.pop()

    def _on_flow(self, event: Any) -> None:
        self._moved.set()

    def _on_delivery(self, event: Any) -> None:
        delivery = event.delivery
        if event.link.is_receiver:
            self._on_answer(event.link, delivery)
        elif delivery.remote_state or delivery.settled:
            settled = self._unsettled.get(delivery.tag)
            if settled is not None and not settled.done():
                condition = delivery.remote.condition
                reason = (
                    condition.description or condition.name if condition is not None else "no reason given"
                )
                settled.set_result((int(delivery.remote_state), reason))
            delivery.settle()

    def _on_answer(self, link: proton.Receiver, delivery: proton.Delivery) -> None:
        if delivery.partial or not delivery.readable:
            return
        message: Any = proton.Message()
        message.decode(link.recv(delivery.pending))
        delivery.update(Delivery.ACCEPTED)
        delivery.settle()
        link.advance()
        link.flow(1)
        answered = self._asked.pop(str(message.correlation_id), None)
        if answered is not None and not answered.done():
            answered.set_result(int((message.properties or {}).get("status-code", 0)))

    def _on_close(self, event: Any) -> None:
        """The other side ends a link, a session or all of it: then all of it is at an end."""
        condition = event.context.remote_condition
        if condition is not None:
            self._why = f"the server has closed the connection: {condition.description or condition.name}"
        self._connection.close()

    def _on_error(self, event: Any) -> None:
        condition = self._proton.condition
        if condition is not None:
            self._why = f"the connection is broken: {condition.description or condition.name}"
        self.abort()


def _hush(transport: proton.Transport, message: str) -> None:
    """Let the library not write to the standard error."""


_HANDLERS: dict[Any, Callable[[AmqpLink, Any], None]] = {
    Event.LINK_FLOW: AmqpLink._on_flow,  # noqa: SLF001 - the table of this class
    Event.DELIVERY: AmqpLink._on_delivery,  # noqa: SLF001
    Event.LINK_REMOTE_CLOSE: AmqpLink._on_close,  # noqa: SLF001
    Event.LINK_REMOTE_DETACH: AmqpLink._on_close,  # noqa: SLF001
    Event.SESSION_REMOTE_CLOSE: AmqpLink._on_close,  # noqa: SLF001
    Event.CONNECTION_REMOTE_CLOSE: AmqpLink._on_close,  # noqa: SLF001
    Event.TRANSPORT_ERROR: AmqpLink._on_error,  # noqa: SLF001
}
