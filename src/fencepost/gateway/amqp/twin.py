"""
The twin of one identity, over a pair of links: requests, their answers, and what changes.

A request says in its annotations what it wants (`operation`, `resource`); its answer has its correlation id
and the annotations `status`, an int, and `version`, a long: the C SDK takes no other types. A change of the
desired properties is a message without a correlation id.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import proton

from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.links import Arrival, Incoming, Outgoing
from fencepost.gateway.amqp.message import AmqpMessage, Properties, read_message, write_message
from fencepost.gateway.amqp.work import WorkLine
from fencepost.gateway.gateway import Gateway
from fencepost.gateway.twins import body_of, pushed, served, status_of
from fencepost.model.errors import DeviceError, FencepostError
from fencepost.model.identity import IdentityKey

CREDIT = 10
LARGEST = 128 << 10
REPORTED = "/properties/reported"
DESIRED = "/properties/desired"
NOTIFICATIONS = "/notifications/twin/properties/desired"
MOST_CHANGES = 64
"""Changes that wait; the device reads its twin again when it comes back."""

Answer = tuple[int, int | None, bytes | None]
"""Status, version and body."""


class TwinLinks:
    """The twin links of one identity on one connection; the latest link for answers has them all."""

    def __init__(self, gateway: Gateway, engine: Engine, key: IdentityKey) -> None:
        self._gateway = gateway
        self._engine = engine
        self._key = key
        self._work = WorkLine(engine)
        self._answers: list[Outgoing] = []
        self._is_subscribed = False

    def take_requests(self, link: proton.Receiver, left: Callable[[Any], None]) -> Incoming:
        return Incoming(self._engine, link, self._take, left, credit=CREDIT, largest=LARGEST)

    def send_answers(self, link: proton.Sender, left: Callable[[Any], None]) -> Outgoing:
        def gone(answers: Outgoing) -> None:
            self._answers.remove(answers)
            self._is_subscribed = self._is_subscribed and bool(self._answers)
            left(answers)

        answers = Outgoing(self._engine, link, gone)
        self._answers.append(answers)
        return answers

    def push(self, patch: dict[str, Any]) -> None:
        """Send a change of the desired properties where they are subscribed to."""
        if not self._is_subscribed:
            return
        if len(self._work) > MOST_CHANGES:
            self._answers[-1].close("amqp:resource-limit-exceeded", "too many changes wait")
        else:
            self._work.put(partial(self._push, patch))

    async def _push(self, patch: dict[str, Any]) -> None:
        try:
            update = await pushed(self._gateway, self._key, patch)
        except FencepostError:
            if self._answers:
                self._answers[-1].close("amqp:internal-error", "the twin cannot be read")
            return
        if self._is_subscribed:
            about = {"resource": DESIRED, "version": update["$version"]}
            self._answers[-1].send(write_message(msgspec.json.encode(update), annotations=about))

    def _take(self, arrival: Arrival) -> None:
        self._work.put(partial(self._answer, arrival))

    async def _answer(self, arrival: Arrival) -> None:
        try:
            request = read_message(arrival.encoded)
        except DeviceError as error:
            arrival.reject("amqp:decode-error", error.reason)
            return
        status, version, body = await self._done(request)
        about: dict[str, Any] = {"status": proton.int32(status)}
        if version is not None:
            about["version"] = version
        arrival.accept()
        self._engine.flush()  # before the answer, as with tokens
        if self._answers:
            properties = Properties(correlation_id=request.properties.correlation_id)
            self._answers[-1].send(write_message(body, properties, about))

    async def _done(self, request: AmqpMessage) -> Answer:
        try:
            match request.annotations.get("operation"), request.annotations.get("resource"):
                case "GET", _:
                    return await self._get()
                case "PATCH", str(resource) if resource.rstrip("/") == REPORTED:
                    return 204, await self._gateway.registry.report(self._key, request.body()), None
                case ("PUT" | "DELETE") as operation, str(resource) if resource == NOTIFICATIONS:
                    self._is_subscribed = operation == "PUT" and bool(self._answers)
                    return 204, None, None
        except FencepostError as error:
            return status_of(error), None, None
        return 400, None, None

    async def _get(self) -> Answer:
        return 200, None, body_of(await served(self._gateway, self._key))
