"""One connection of an MQTT client, from its beginning to its end."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from msgspec import Struct

from fencepost.client.endpoint import Lost
from fencepost.model.errors import DeviceError
from fencepost.wire.mqtt import writing
from fencepost.wire.mqtt.packets import Connack, Packet, Pingresp, Puback
from fencepost.wire.mqtt.reading import PacketReader

CLOSING = 2.0
"""Seconds in which the other side must let go."""
_LARGEST_PACKET = 256 << 10


class Login(Struct, frozen=True):
    """What a CONNECT says of a client; `repr` does not show the password."""

    client_id: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.client_id!r}, {self.username!r}, ...)"


class Link(asyncio.Protocol):
    """`on_puback` hears the ids of what was acknowledged, `on_loss` of an end that was not ours."""

    def __init__(
        self, keep_alive: int, on_puback: Callable[[int], None], on_loss: Callable[[], None]
    ) -> None:
        self._pause = keep_alive / 2
        self._keep_alive = keep_alive
        self._on_puback = on_puback
        self._on_loss = on_loss
        self._loop = asyncio.get_running_loop()
        self._reader = PacketReader(_LARGEST_PACKET)
        self._transport: asyncio.Transport | None = None
        self._connack: asyncio.Future[int] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._pinging: asyncio.TimerHandle | None = None
        self._is_pinged = False
        self._is_ending = False

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def let_in(self, login: Login) -> int:
        """Say who this is, and return the code of the answer; raises Lost."""
        self.write(
            writing.connect(
                login.client_id,
                clean_session=False,
                keep_alive=self._keep_alive,
                username=login.username,
                password=login.password.encode(),
            )
        )
        return await self._connack

    def write(self, packet: bytes) -> None:
        if self._transport is not None:
            self._transport.write(packet)

    async def end(self) -> None:
        """Take leave; a peer that does not let go is left standing."""
        self._is_ending = True
        if self._transport is not None and self.is_open:
            self.write(writing.disconnect())
            self._transport.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._gone), CLOSING)
        self.abort()

    def abort(self) -> None:
        self._is_ending = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._pinging = self._loop.call_later(self._pause, self._ping)

    def data_received(self, data: bytes) -> None:
        try:
            for packet in self._reader.feed(data):
                self._take(packet)
        except DeviceError:  # the other side does not speak MQTT
            self._break()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._pinging is not None:
            self._pinging.cancel()
        self._gone.set_result(None)
        if not self._connack.done():
            self._connack.set_exception(Lost("the server closes the connection instead of an answer"))
            self._connack.exception()  # nobody may wait for it any more
        elif not self._is_ending:
            self._on_loss()

    def _take(self, packet: Packet) -> None:
        match packet:
            case Connack(code=code) if not self._connack.done():
                self._connack.set_result(code)
            case Puback(packet_id=packet_id):
                self._on_puback(packet_id)
            case Pingresp():
                self._is_pinged = False
            case _:  # nothing was subscribed to
                pass

    def _ping(self) -> None:
        """Ask whether the other side is there; one that has not said so by the next time is not."""
        if self._is_pinged:
            self._break()
            return
        self._is_pinged = True
        self.write(writing.pingreq())
        self._pinging = self._loop.call_later(self._pause, self._ping)

    def _break(self) -> None:
        if self._transport is not None:
            self._transport.abort()
