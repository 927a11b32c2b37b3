"""
Direct methods of one identity, over a pair of links: calls, and what the device answers.

A call names its method in the property `IoThub-methodname` and has a UUID as its correlation id, the only
type that the C SDK takes; an answer has the same one, and its status in the property `IoThub-status`.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import proton
from proton import Delivery

from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.links import Arrival, Incoming, Outgoing
from fencepost.gateway.amqp.message import MessageId, Properties, read_message, write_message
from fencepost.model.errors import DeviceError
from fencepost.service.sessions import NotListening

CREDIT = 50
LARGEST = 192 << 10
"""Bytes of an answer, its properties included; IoT Hub takes payloads of 128 KiB."""
NAME = "IoThub-methodname"
STATUS = "IoThub-status"


class MethodLinks:
    """The method links of one identity on one connection; the latest link for calls gets them all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._calls: list[Outgoing] = []
        self._answers: list[Incoming] = []
        self._open: dict[UUID, asyncio.Future[tuple[int, bytes]]] = {}

    def take_answers(self, link: proton.Receiver, left: Callable[[Any], None]) -> Incoming:
        def gone(answers: Incoming) -> None:
            self._answers.remove(answers)
            self._give_up(is_over=not self._answers)
            left(answers)

        answers = Incoming(self._engine, link, self._take, gone, credit=CREDIT, largest=LARGEST)
        self._answers.append(answers)
        return answers

    def send_calls(self, link: proton.Sender, left: Callable[[Any], None]) -> Outgoing:
        def gone(calls: Outgoing) -> None:
            self._calls.remove(calls)
            left(calls)

        calls = Outgoing(self._engine, link, gone)
        self._calls.append(calls)
        return calls

    async def invoke(self, name: str, payload: bytes, timeout: float) -> tuple[int, bytes]:  # noqa: ASYNC109
        """Return status and payload of the device's answer; raises NotListening, and TimeoutError."""
        if not self._calls or not self._answers:
            raise NotListening("no links for direct methods are attached")
        call_id = uuid4()
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._open[call_id] = answer
        encoded = write_message(payload, Properties(correlation_id=call_id), application={NAME: name})
        try:
            self._calls[-1].send(encoded, lambda state: self._sent(call_id, state))
            async with asyncio.timeout(timeout):
                return await answer
        finally:
            del self._open[call_id]

    def _sent(self, call_id: UUID, state: int | None) -> None:
        answer = self._open.get(call_id)
        if state in {Delivery.REJECTED, Delivery.RELEASED} and answer is not None and not answer.done():
            answer.set_exception(NotListening("the device turned the call down"))

    def _give_up(self, *, is_over: bool) -> None:
        for answer in self._open.values() if is_over else ():
            if not answer.done():
                answer.set_exception(NotListening("the device has gone"))

    def _take(self, arrival: Arrival) -> None:
        try:
            message = read_message(arrival.encoded)
            status, body = message.application.get(STATUS), message.body()
            answered = _uuid_of(message.properties.correlation_id)
        except DeviceError as error:
            arrival.reject("amqp:decode-error", error.reason)
            return
        if isinstance(status, bool) or not isinstance(status, int) or answered is None:
            arrival.reject(
                "amqp:invalid-field", f"an answer has a correlation id, and an int as its {STATUS}"
            )
            return
        answer = self._open.get(answered)
        if answer is not None and not answer.done():
            answer.set_result((status, body))
        arrival.accept()


def _uuid_of(correlation_id: MessageId | None) -> UUID | None:
    """Return a UUID that may have become a text, or 16 bytes, on its way."""
    match correlation_id:
        case UUID():
            return correlation_id
        case bytes() if len(correlation_id) == 16:  # noqa: PLR2004 - a UUID's
            return UUID(bytes=correlation_id)
        case str():
            try:
                return UUID(correlation_id)
            except ValueError:
                return None
        case _:
            return None
