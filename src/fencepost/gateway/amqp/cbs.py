"""
Claims-based security (AMQP Claims-based Security, working draft): tokens put on the node `$cbs`.

Requests and answers have a link each; an answer has the request's message id as its correlation id.
"""

import proton
from proton import Delivery

from fencepost.gateway.amqp.addresses import parse_audience
from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.grants import Grants
from fencepost.gateway.amqp.links import Incoming, Outgoing
from fencepost.gateway.amqp.message import AmqpMessage, Properties, read_message, write_message
from fencepost.gateway.amqp.work import WorkLine
from fencepost.gateway.credentials import Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.model.errors import DeviceError, FencepostError

SAS_TOKEN = "servicebus.windows.net:sastoken"  # noqa: S105 - the name of a kind of token
CREDIT = 50
LARGEST = 16 << 10
MOST_LINKS = 8
MOST_FAILURES = 5
"""Tokens that a stranger may try on one connection."""

_TEXTS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 503: "Service Unavailable"}


class Cbs:
    """The node `$cbs` of one connection; `proved` is called when somebody has proved who they are."""

    def __init__(self, gateway: Gateway, engine: Engine, grants: Grants) -> None:
        self._gateway = gateway
        self._engine = engine
        self._grants = grants
        self._work = WorkLine(engine)
        self._answers: list[Outgoing] = []
        self._requests: list[Incoming] = []
        self._failures = 0

    def attach(self, link: proton.Link) -> None:
        if len(self._answers) + len(self._requests) >= MOST_LINKS:
            self._engine.refuse(link, "amqp:resource-limit-exceeded", "too many links to $cbs")
        elif link.is_receiver:
            requests = _Requests(self._engine, link, self)
            self._requests.append(requests)
            requests.open()
        else:
            answers = Outgoing(self._engine, link)
            self._answers.append(answers)
            answers.open()

    def take(self, requests: Incoming, delivery: Delivery, encoded: bytes) -> None:
        self._work.put(lambda: self._answer(requests, delivery, encoded))

    async def _answer(self, requests: Incoming, delivery: Delivery, encoded: bytes) -> None:
        try:
            message = read_message(encoded)
        except DeviceError as error:
            requests.reject(delivery, "amqp:decode-error", error.reason)
            return
        status = await self._status_of(message)
        self._reply(message, status)
        requests.accept(delivery)
        if status == 401 and not len(self._grants):  # noqa: PLR2004 - as HTTP has it
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                self._engine.end("amqp:unauthorized-access", "too many tokens that prove nothing")

    async def _status_of(self, message: AmqpMessage) -> int:
        """Return the status of a put-token, which is done when it is 200."""
        asked, name = message.application, message.application.get("name")
        if asked.get("operation") != "put-token" or not isinstance(name, str):
            return 400
        keys = parse_audience(name)
        try:
            token = message.body().decode()
            if keys is None or asked.get("type") != SAS_TOKEN:
                raise Unauthorized("a token of another kind, or for something else")  # noqa: TRY301
            if keys:
                await self._grants.prove(keys, token)
            else:
                self._grants.prove_policy(token)
        except (DeviceError, UnicodeDecodeError):
            return 400
        except Unauthorized:
            self._gateway.counters.unauthorized += 1
            return 401
        except FencepostError:
            return 503
        return 200

    def _reply(self, message: AmqpMessage, status: int) -> None:
        self._answers = [answers for answers in self._answers if answers.is_open]
        if not self._answers:
            return
        answer = write_message(
            None,
            Properties(correlation_id=message.properties.message_id),
            application={"status-code": proton.int32(status), "status-description": _TEXTS[status]},
        )
        self._answers[-1].send(answer)


class _Requests(Incoming):
    def __init__(self, engine: Engine, link: proton.Receiver, cbs: Cbs) -> None:
        super().__init__(engine, link, credit=CREDIT, largest=LARGEST)
        self._cbs = cbs

    def on_message(self, delivery: Delivery, encoded: bytes) -> None:
        self._cbs.take(self, delivery, encoded)
