"""
Claims-based security (AMQP Claims-based Security, working draft): tokens put on the node `$cbs`.

Requests and answers have a link each; an answer has the request's message id as its correlation id.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import proton

from fencepost.gateway.amqp.addresses import parse_audience
from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.grants import Grants
from fencepost.gateway.amqp.links import Arrival, AttachedLink, Incoming, Outgoing
from fencepost.gateway.amqp.message import AmqpMessage, Properties, read_message, write_message
from fencepost.gateway.amqp.work import WorkLine
from fencepost.gateway.credentials import Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.model.errors import DeviceError, FencepostError

SAS_TOKEN = "servicebus.windows.net:sastoken"  # noqa: S105 - the name of a kind of token
CREDIT = 50
LARGEST = 16 << 10
MOST_LINKS = 8
_UNAUTHORIZED = 401
_TEXTS = {200: "OK", 400: "Bad Request", _UNAUTHORIZED: "Unauthorized", 503: "Service Unavailable"}


class Cbs:
    """The node `$cbs` of one connection; `refused` is called when a token proves nothing."""

    def __init__(self, gateway: Gateway, engine: Engine, grants: Grants, refused: Callable[[], None]) -> None:
        self._gateway = gateway
        self._engine = engine
        self._grants = grants
        self._refused = refused
        self._work = WorkLine(engine)
        self._links: list[AttachedLink] = []

    def attach(self, link: Any) -> None:
        if len(self._links) >= MOST_LINKS:
            self._engine.refuse(link, "amqp:resource-limit-exceeded", "too many links to $cbs")
        elif link.is_receiver:
            self._links.append(
                Incoming(self._engine, link, self._take, self._links.remove, credit=CREDIT, largest=LARGEST)
            )
        else:
            self._links.append(Outgoing(self._engine, link, self._links.remove))

    def _take(self, arrival: Arrival) -> None:
        self._work.put(partial(self._answer, arrival))

    async def _answer(self, arrival: Arrival) -> None:
        try:
            message = read_message(arrival.encoded)
        except DeviceError as error:
            arrival.reject("amqp:decode-error", error.reason)
            return
        status = await self._status_of(message)
        arrival.accept()
        self._engine.flush()  # before the answer: the C SDK fails one whose request is not settled yet
        self._reply(message, status)
        if status == _UNAUTHORIZED:
            self._refused()

    async def _status_of(self, message: AmqpMessage) -> int:
        """Return the status of a put-token; 200 is done."""
        asked, name = message.application, message.application.get("name")
        if asked.get("operation") != "put-token" or not isinstance(name, str):
            return 400
        try:
            if asked.get("type") != SAS_TOKEN:
                return _UNAUTHORIZED
            await self._prove(name, message.body().decode())
        except (DeviceError, UnicodeDecodeError):
            return 400
        except Unauthorized:
            return _UNAUTHORIZED
        except FencepostError:
            return 503
        return 200

    async def _prove(self, audience: str, token: str) -> None:
        keys = parse_audience(audience)
        if keys is None:
            raise Unauthorized("an audience that is none of ours")
        if keys:
            await self._grants.prove(keys, token)
        else:
            self._grants.prove_policy(token)

    def _reply(self, message: AmqpMessage, status: int) -> None:
        answers = [link for link in self._links if isinstance(link, Outgoing)]
        if answers:
            properties = Properties(correlation_id=message.properties.message_id)
            said = {"status-code": proton.int32(status), "status-description": _TEXTS[status]}
            answers[-1].send(write_message(None, properties, application=said))
