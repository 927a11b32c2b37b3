"""
A device's side of MQTT 3.1.1 over TLS, as far as a device needs it that only sends.

The connection is made when there is something to send, and made again when it broke; what the server has not
acknowledged by then is sent once more, in its order and marked as a duplicate (4.4 of the OASIS Standard).
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from random import random

from msgspec import Struct

from fencepost.client import trouble
from fencepost.client.endpoint import CONNECTING, PATIENCE, Endpoint, Lost, refusal
from fencepost.client.mqtt_link import Link, Login
from fencepost.client.retry import pause
from fencepost.model.errors import OperatorError, Problem
from fencepost.wire.mqtt import writing
from fencepost.wire.mqtt.packets import ACCEPTED, SERVER_UNAVAILABLE

KEEP_ALIVE = 60
IN_FLIGHT = 10
UNACKNOWLEDGED = "it does not acknowledge a message"
_MOST_IDS = 65_535

Sleep = Callable[[float], Awaitable[object]]


class _Message(Struct):
    """What is to be sent: for the first time, and again."""

    packet: bytes
    duplicate: bytes
    acknowledged: asyncio.Future[None]
    is_sent: bool = False


class MqttClient:
    """
    One client; `login` gives its credentials anew for each connection, `sleep` is how to wait.

    At most `in_flight` messages are under way, the others wait. `connections` counts those that were let in.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        login: Callable[[], Login],
        *,
        in_flight: int = IN_FLIGHT,
        keep_alive: int = KEEP_ALIVE,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._endpoint = endpoint
        self._login = login
        self._keep_alive = keep_alive
        self._sleep = sleep
        self._room = asyncio.Semaphore(in_flight)
        self._ids = count()
        self._pending: dict[int, _Message] = {}
        self._link: Link | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._failures = 0
        self._why = UNACKNOWLEDGED
        self.connections = 0

    @property
    def is_connected(self) -> bool:
        return self._link is not None and self._link.is_open

    async def publish(self, topic: str, payload: bytes, *, patience: float = PATIENCE) -> None:
        """
        Return when the server has acknowledged a message with QoS 1.

        Raises OperatorError where that does not come to pass within `patience` seconds, and at once where
        the server does not let this client in.
        """
        async with self._room:
            packet_id = next(self._ids) % _MOST_IDS + 1
            packet, duplicate = (
                writing.publish(topic, payload, qos=1, packet_id=packet_id, dup=dup) for dup in (False, True)
            )
            message = _Message(packet, duplicate, asyncio.get_running_loop().create_future())
            self._pending[packet_id] = message
            if self.is_connected:
                self._send(message)
            else:
                self._connect()
            try:
                async with asyncio.timeout(patience):
                    await message.acknowledged
            except TimeoutError:
                raise OperatorError([Problem(str(self._endpoint), self._why)]) from None
            finally:
                self._pending.pop(packet_id, None)

    async def close(self) -> None:
        """Say goodbye, and end the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        if self._link is not None:
            await self._link.end()

    def _send(self, message: _Message) -> None:
        assert self._link is not None  # noqa: S101 - it is open
        self._link.write(message.duplicate if message.is_sent else message.packet)
        message.is_sent = True

    def _acknowledge(self, packet_id: int) -> None:
        message = self._pending.get(packet_id)
        if message is not None and not message.acknowledged.done():
            message.acknowledged.set_result(None)
            self._failures, self._why = 0, UNACKNOWLEDGED

    def _on_loss(self) -> None:
        self._failures += 1
        self._why = "the server closes the connection again and again"
        if self._pending:
            self._connect()

    def _connect(self) -> None:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._until_connected())

    async def _until_connected(self) -> None:
        """Make a connection and send all that is not acknowledged, while anybody waits for that."""
        while self._pending and not self.is_connected:
            if self._failures:
                await self._sleep(pause(self._failures - 1, random))
            try:
                self._link = await self._opened()
            except (OSError, Lost) as error:
                self._failures += 1
                self._note(error)
            except Exception as error:  # noqa: BLE001 - raised where somebody waits
                self._fail(error)
        if self.is_connected:
            for message in self._pending.values():
                self._send(message)

    async def _opened(self) -> Link:
        """Return a connection that is let in; raises OSError and Lost, and OperatorError where it is not."""
        loop, where, login = asyncio.get_running_loop(), self._endpoint, self._login()
        async with asyncio.timeout(CONNECTING):
            _, link = await loop.create_connection(
                lambda: Link(self._keep_alive, self._acknowledge, self._on_loss),
                where.host,
                where.port,
                ssl=where.trust,
            )
            try:
                code = await link.let_in(login)
            except BaseException:
                link.abort()
                raise
        if code == ACCEPTED:
            self.connections += 1
            return link
        await link.end()
        if code == SERVER_UNAVAILABLE:
            raise Lost("the service is busy")
        raise refusal(str(where), login.client_id, f"CONNACK {code}")

    def _note(self, error: Exception) -> None:
        """Keep why there is no connection; what trying again does not mend is told to all that wait."""
        problem = self._endpoint.trouble(error)
        self._why = problem.reason
        if trouble.is_lasting(error):
            self._fail(OperatorError([problem]))

    def _fail(self, error: Exception) -> None:
        for message in self._pending.values():
            if not message.acknowledged.done():
                message.acknowledged.set_exception(error)
        self._pending = {}
