"""
A device's side of AMQP 1.0 over TLS, as far as a device needs it that only sends; it takes the extra `amqp`.

The connection is made when there is something to send, and made again when it broke; what the server has not
accepted by then is sent once more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import random
from time import monotonic

import proton
from msgspec import Struct

from fencepost.client import trouble
from fencepost.client.amqp_link import AmqpLink, Rejected
from fencepost.client.endpoint import CONNECTING, PATIENCE, Endpoint, Lost, refusal
from fencepost.client.retry import pause
from fencepost.model.errors import OperatorError, Problem

INTERFACE = "iothub-interface-id"
"""The message annotation that marks a security message."""

Sleep = Callable[[float], Awaitable[object]]


class Claim(Struct, frozen=True):
    """Whom a token is for, as a resource such as `HOST/devices/ID`, and the token; `repr` does not show it."""

    audience: str
    token: str

    def __repr__(self) -> str:
        return f"Claim({self.audience!r}, ...)"


class AmqpClient:
    """
    One client, which sends to one `address`; `claim` proves anew for each connection who it is.

    One message is under way at a time, the others wait. `sleep` is how to wait.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        address: str,
        claim: Callable[[], Claim],
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._endpoint = endpoint
        self._address = address
        self._claim = claim
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._link: AmqpLink | None = None
        self.connections = 0

    async def send(
        self,
        body: bytes,
        *,
        interface: str | None = None,
        properties: dict[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """
        Return when the server has accepted a message of an `interface`, with `properties` of its own.

        Raises OperatorError where that does not come to pass within `patience` seconds, and at once where
        the server does not let this client in, or does not take the message.
        """
        message = proton.Message(body=body, properties=properties or {}, inferred=True)
        if interface is not None:
            message.annotations = {proton.symbol(INTERFACE): interface}
        async with self._turn:
            until, failures = monotonic() + patience, 0
            while (error := await self._failure(message, until)) is not None:
                wait = pause(failures, random)
                if trouble.is_lasting(error) or monotonic() + wait > until:
                    raise OperatorError([self._endpoint.trouble(error)])
                failures += 1
                await self._sleep(wait)

    async def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.end()

    async def _failure(self, message: proton.Message, until: float) -> Exception | None:
        """Try once, and return what went wrong; raises OperatorError where trying again is of no use."""
        try:
            link = await self._connected()
            async with asyncio.timeout(max(0.0, until - monotonic())):
                await link.send(self._address, message)
        except (OSError, Lost) as error:
            return error
        except Rejected as answer:
            raise OperatorError([Problem(str(self._endpoint), f"a message is refused: {answer}")]) from None
        return None

    async def _connected(self) -> AmqpLink:
        if self._link is None or not self._link.is_open:
            self._link = await self._opened()
        return self._link

    async def _opened(self) -> AmqpLink:
        loop, where, claim = asyncio.get_running_loop(), self._endpoint, self._claim()
        async with asyncio.timeout(CONNECTING):
            _, link = await loop.create_connection(
                lambda: AmqpLink(where.host, claim.audience), where.host, where.port, ssl=where.trust
            )
            try:
                await link.put_token(claim.audience, claim.token)
            except Rejected as answer:
                await link.end()
                raise refusal(str(where), claim.audience, str(answer)) from None
            except BaseException:
                link.abort()
                raise
        self.connections += 1
        return link
