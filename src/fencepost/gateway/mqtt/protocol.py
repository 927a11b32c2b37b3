"""
A connection that speaks MQTT: bytes to packets, deadlines, and nothing read while much waits.

Packets wait in a short line that one task works through; PINGREQ alone is answered at once.
"""

import asyncio
from collections import deque
from typing import Any, Protocol

from fencepost.gateway.credentials import Granted, Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.gateway.mqtt.link import Closing
from fencepost.gateway.mqtt.opening import granted, identity_of, is_registration
from fencepost.gateway.mqtt.provisioning import RegistrationSession
from fencepost.gateway.mqtt.remembered import Remembered
from fencepost.gateway.mqtt.session import DeviceSession
from fencepost.model.errors import FencepostError
from fencepost.net.traffic import Traffic
from fencepost.wire.mqtt.packets import (
    IDENTIFIER_REJECTED,
    NOT_AUTHORIZED,
    SERVER_UNAVAILABLE,
    UNACCEPTABLE_PROTOCOL,
    Connect,
    Disconnect,
    Malformed,
    Packet,
    Pingreq,
    Publish,
    TooLarge,
    UnsupportedProtocol,
)
from fencepost.wire.mqtt.reading import PacketReader
from fencepost.wire.mqtt.writing import connack, pingresp

FIRST_PACKET = 10.0
"""Seconds until CONNECT must be there, and its answer given."""
LONGEST_CONNECT = 256 << 10
BAG = 64 << 10
"""Bytes of a topic, above those of a message."""
LONGEST_SILENCE = 1767.0
"""Seconds; IoT Hub waits no longer, whatever a client asks for."""
WAITING_BYTES = 64 << 10
WAITING_PACKETS = 256
"""What waits to be worked on before nothing more is read; a single packet may be larger."""
PACKET = 64
"""Bytes that any packet counts for at least."""
CLOGGED = 30.0
"""Seconds that a client may leave unread what was written to it."""
LONGEST_TIMER = 86_400.0


class Session(Protocol):
    """What is behind a connection once it is known whose it is."""

    async def handle(self, packets: list[Packet]) -> None: ...

    async def end(self, *, is_clean: bool) -> None: ...


class MqttProtocol(asyncio.Protocol):
    """One connection of a device; it is the `Link` of its session."""

    def __init__(self, gateway: Gateway, remembered: Remembered, traffic: Traffic) -> None:
        self._gateway = gateway
        self._remembered = remembered
        self._traffic = traffic
        self._reader = PacketReader(LONGEST_CONNECT)
        self._inbox: deque[Packet] = deque()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._is_clean = self._is_paused = self.is_clogged = False
        self._is_over = False
        self._heard_at = 0.0
        self._silence = 0.0
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._loop = asyncio.get_running_loop()
        self._set_timer("first", FIRST_PACKET, self._late)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        if self._is_over:
            return
        try:
            for packet in self._reader.feed(data):
                self._take(packet)
        except UnsupportedProtocol:
            self.write(connack(UNACCEPTABLE_PROTOCOL))
            self._reject()
        except (Malformed, TooLarge):
            self._reject()
        if self._inbox and self._task is None:
            self._task = self._loop.create_task(self._work())

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    def pause_writing(self) -> None:
        self.is_clogged = True
        self._see_to_reading()
        self._set_timer("clogged", CLOGGED, self._late)

    def resume_writing(self) -> None:
        self.is_clogged = False
        self._stop_timer("clogged")
        self._see_to_reading()
        if isinstance(self._session, DeviceSession):
            self._session.wake()

    # the link

    @property
    def is_open(self) -> bool:
        return not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        if data and self.is_open:
            self.transport.write(data)

    def close(self, reason: str) -> None:
        self._is_over = True
        self.transport.close()

    # packets

    def _take(self, packet: Packet) -> None:
        if self._is_over:
            return
        if isinstance(packet, Pingreq) and self._session is not None:
            self.write(pingresp())
            return
        self._inbox.append(packet)
        self._waiting += _size_of(packet)
        self._see_to_reading()

    def _see_to_reading(self) -> None:
        is_full = self.is_clogged or self._waiting > WAITING_BYTES or len(self._inbox) > WAITING_PACKETS
        if is_full == self._is_paused or not self.is_open:
            return
        self._is_paused = is_full
        if is_full:
            self.transport.pause_reading()
        else:
            self._heard_at = self._loop.time()  # the silence was of our making
            self.transport.resume_reading()

    async def _work(self) -> None:
        """Work through what waits, and see a lost connection's session to its end."""
        try:
            while self._inbox and await self._work_on_some():
                pass
        except BaseException:
            self.transport.abort()  # a fault of ours: the loop tells of it
            raise
        finally:
            self._task = None
        if self.transport.is_closing() and self._session is not None:
            session, self._session = self._session, None
            await session.end(is_clean=self._is_clean)

    async def _work_on_some(self) -> bool:
        """Return whether the connection goes on."""
        packets = list(self._inbox)
        self._inbox.clear()
        try:
            await self._handle(packets)
        except Closing as closing:
            self._turn_away(closing)
            return False
        finally:
            self._waiting -= sum(map(_size_of, packets))
            self._see_to_reading()
        return True

    async def _handle(self, packets: list[Packet]) -> None:
        if self._session is None:
            await self._open(packets[0])
            packets = packets[1:]
        end = next((n for n, packet in enumerate(packets) if isinstance(packet, Disconnect)), None)
        session = self._session
        if session is None:
            return
        await session.handle(packets[:end])
        if end is not None:
            self._is_clean = True
            self.close("disconnected")

    # the beginning

    async def _open(self, packet: Packet) -> None:
        """Let a client in, or answer CONNACK with the reason why not."""
        if not isinstance(packet, Connect):
            raise Closing("no CONNECT")
        if not packet.client_id:
            self._refuse(IDENTIFIER_REJECTED)
            return
        try:
            if is_registration(packet):
                await self._open_registration(packet)
            else:
                await self._open_session(packet)
        except Unauthorized:
            self._gateway.counters.unauthorized += 1
            self._refuse(NOT_AUTHORIZED)
        except FencepostError:
            self._refuse(SERVER_UNAVAILABLE)

    async def _open_session(self, connect: Connect) -> None:
        key = identity_of(connect)
        certificate = self.transport.get_extra_info("peer_certificate")
        proved = await granted(self._gateway, connect, key, certificate)
        if not self.is_open:
            return
        if connect.clean_session:
            self._remembered.forget(key)
        remembered = None if connect.clean_session else self._remembered
        session = DeviceSession(self._gateway, self, key, remembered, connect.will)
        await self._enter(session, proved)
        if not self.is_open:
            self._gateway.sessions.leave(key, session)
            return
        self._begin(session, connect, is_resumed=session.is_resumed)
        session.resume()
        if proved.expires_at is not None:
            self._expire_at(proved.expires_at)

    async def _enter(self, session: DeviceSession, proved: Granted) -> None:
        self._gateway.sessions.enter(session.key, session)
        try:
            await self._gateway.credentials.confirm(proved)
        except FencepostError:
            self._gateway.sessions.leave(session.key, session)
            raise

    async def _open_registration(self, connect: Connect) -> None:
        session = await RegistrationSession.opened(self._gateway, self, connect)
        if self.is_open:
            self._begin(session, connect)

    def _begin(self, session: Session, connect: Connect, *, is_resumed: bool = False) -> None:
        self._session = session
        self._gateway.counters.connects += 1
        self._reader.most = self._gateway.max_message_bytes + BAG
        self._stop_timer("first")
        asked = connect.keep_alive * 1.5
        self._silence = min(asked or LONGEST_SILENCE, LONGEST_SILENCE)
        self._set_timer("silence", self._silence, self._see_to_silence)
        self.write(connack(0, session_present=is_resumed))

    def _refuse(self, code: int) -> None:
        self.write(connack(code))
        self.close("refused")

    # the end

    def _turn_away(self, closing: Closing) -> None:
        if closing.is_trespass and isinstance(self._session, DeviceSession):
            self._gateway.counters.unauthorized += 1
            self._gateway.credentials.trespassed(self._session.key, closing.reason)
        else:
            self._gateway.counters.forbidden += 1
        self._inbox.clear()
        self.close(closing.reason)

    def _reject(self) -> None:
        self._traffic.malformed += 1
        self.close("cannot be read")

    def _late(self) -> None:
        self._traffic.late += 1
        self._is_over = True
        self.transport.abort()

    def _see_to_silence(self) -> None:
        left = self._heard_at + self._silence - self._loop.time()
        if self._is_paused:
            left = self._silence
        if left <= 0:
            self._late()
        else:
            self._set_timer("silence", left, self._see_to_silence)

    def _expire_at(self, moment: int) -> None:
        left = moment - self._gateway.clock().timestamp()
        if left <= 0:
            self.close("its token has expired")
        else:
            self._set_timer("expiry", min(left, LONGEST_TIMER), lambda: self._expire_at(moment))

    def _set_timer(self, name: str, seconds: float, call: Any) -> None:
        self._stop_timer(name)
        self._timers[name] = self._loop.call_later(seconds, call)

    def _stop_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


def _size_of(packet: Packet) -> int:
    return PACKET + len(packet.payload) if isinstance(packet, Publish) else PACKET
