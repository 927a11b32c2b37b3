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
from fencepost.gateway.mqtt.session import DeviceSession
from fencepost.model.errors import FencepostError
from fencepost.model.identity import IdentityKey
from fencepost.net.tls import PEER_CERTIFICATE
from fencepost.net.traffic import Traffic
from fencepost.service.subscriptions import Subscriptions
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
    Subscribe,
    TooLarge,
    Unsubscribe,
    UnsupportedProtocol,
)
from fencepost.wire.mqtt.reading import PacketReader
from fencepost.wire.mqtt.writing import connack, pingresp

FIRST_PACKET = 10.0
"""Seconds until CONNECT must be there, and its answer given."""
CONNECT = 0x10
"""The first byte of a client's first packet (MQTT 3.1.1, 3.1.1)."""
LONGEST_CONNECT = 144 << 10
"""Bytes; a will may have 64 KiB and a topic as many, a token 4 KiB."""
BAG = 64 << 10
"""Bytes of a topic, above those of a message."""
LONGEST_SILENCE = 1767.0
"""Seconds; IoT Hub waits no longer, whatever a client asks for."""
WAITING_BYTES = 64 << 10
WAITING_PACKETS = 256
"""What waits to be worked on before nothing more is read; a single packet may be larger."""
PACKET, FILTER = 64, 120
"""Bytes that any packet counts for at least, and each filter that it holds."""
AT_ONCE = 64
"""Packets that are worked on together."""
CLOGGED = 30.0
"""Seconds that a client may leave unread what was written to it."""
LONGEST_TIMER = 86_400.0


class Session(Protocol):
    """What is behind a connection once it is known whose it is."""

    async def handle(self, packets: list[Packet]) -> None: ...

    async def end(self, *, is_clean: bool) -> None: ...


class MqttProtocol(asyncio.Protocol):
    """One connection of a device; it is the `Link` of its session."""

    def __init__(self, gateway: Gateway, subscriptions: Subscriptions, traffic: Traffic) -> None:
        self._gateway = gateway
        self._subscriptions = subscriptions
        self._traffic = traffic
        self._reader = PacketReader(LONGEST_CONNECT)
        self._inbox: deque[Packet] = deque()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._key: IdentityKey | None = None
        self._is_clean = self._is_paused = self.is_clogged = False
        self._has_begun = self._is_opening = self._is_over = False
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
        if not self._has_begun and data[0] & 0xF0 != CONNECT:
            self._reject()
            return
        self._has_begun = True
        self._read(data)
        self._start_work()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._session is None and self._task is not None:
            self._task.cancel()  # whoever it was, nobody waits for the answer
        self._start_work()

    def pause_writing(self) -> None:
        self.is_clogged = True
        self._see_to_reading()
        self._set_timer("clogged", CLOGGED, self._late)

    def resume_writing(self) -> None:
        self.is_clogged = False
        self._stop_timer("clogged")
        self._start_work()
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

    def _read(self, data: bytes = b"") -> None:
        """Take packets until so many wait that the rest has to wait as bytes."""
        packets = self._reader.feed(data)
        try:
            while not self._is_full() and not self._is_over and (packet := next(packets, None)) is not None:
                self._take(packet)
        except UnsupportedProtocol:
            self.write(connack(UNACCEPTABLE_PROTOCOL))
            self._reject()
        except (Malformed, TooLarge):
            self._reject()
        self._see_to_reading()

    def _take(self, packet: Packet) -> None:
        if isinstance(packet, Pingreq) and self._session is not None:
            self.write(pingresp())
            return
        self._is_opening = self._session is None
        self._inbox.append(packet)
        self._waiting += _size_of(packet)

    def _is_full(self) -> bool:
        """Until a client is let in, nothing is read behind its CONNECT."""
        return (
            self.is_clogged
            or self._is_opening
            or self._waiting > WAITING_BYTES
            or len(self._inbox) > WAITING_PACKETS
        )

    def _see_to_reading(self) -> None:
        is_full = self._is_full()
        if is_full == self._is_paused or not self.is_open:
            return
        self._is_paused = is_full
        if is_full:
            self.transport.pause_reading()
        else:
            self._heard_at = self._loop.time()  # the silence was of our making
            self.transport.resume_reading()

    def _start_work(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    async def _work(self) -> None:
        """Work through what waits, and see a lost connection's session to its end."""
        try:
            while self._has_work() and await self._work_on_some():
                pass
        except BaseException:
            self.transport.abort()  # a fault of ours: the loop tells of it
            raise
        finally:
            self._task = None
        if self.transport.is_closing() and self._session is not None:
            session, self._session = self._session, None
            await session.end(is_clean=self._is_clean)

    def _has_work(self) -> bool:
        """A client that does not read its answers gets no more of them."""
        if self.is_clogged and self.is_open:
            return False
        if not self._inbox:
            self._read()
        return bool(self._inbox)

    async def _work_on_some(self) -> bool:
        """Return whether the connection goes on."""
        packets = [self._inbox.popleft() for _ in range(min(len(self._inbox), AT_ONCE))]
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
            return
        end = next((n for n, packet in enumerate(packets) if isinstance(packet, Disconnect)), None)
        await self._session.handle(packets[:end])
        if end is not None:
            self._is_clean = True
            self._inbox.clear()
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
        certificate = None if connect.password else self.transport.get_extra_info(PEER_CERTIFICATE)
        proved = await granted(self._gateway, connect, key, certificate)
        self._key = key
        if not self.is_open:
            return
        kept = None if connect.clean_session else self._subscriptions
        session = DeviceSession(self._gateway, self, key, kept, connect.will)
        filters = await self._enter(session, proved, begins_anew=connect.clean_session)
        if not self.is_open:
            self._gateway.sessions.leave(key, session)
            return
        self._begin(session, connect, is_resumed=bool(filters))
        session.resume(filters)
        if proved.expires_at is not None:
            self._expire_at(proved.expires_at)

    async def _enter(self, session: DeviceSession, proved: Granted, *, begins_anew: bool) -> dict[str, int]:
        """Let a session in, which ends the one before, and return the subscriptions that go on."""
        self._gateway.sessions.enter(session.key, session)
        try:
            await self._gateway.credentials.confirm(proved)
            if begins_anew:
                await self._subscriptions.forget(session.key)
                return {}
            return await self._subscriptions.of(session.key)
        except BaseException:
            self._gateway.sessions.leave(session.key, session)
            raise

    async def _open_registration(self, connect: Connect) -> None:
        session = await RegistrationSession.opened(self._gateway, self, connect)
        if self.is_open:
            self._begin(session, connect)

    def _begin(self, session: Session, connect: Connect, *, is_resumed: bool = False) -> None:
        self._session = session
        self._is_opening = False
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
        if closing.is_trespass and self._key is not None:
            self._gateway.counters.unauthorized += 1
            self._gateway.credentials.trespassed(self._key, closing.reason)
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
    """Return about how much memory a packet takes."""
    match packet:
        case Publish():
            return PACKET + len(packet.topic) + len(packet.payload)
        case Subscribe():
            return PACKET + sum(FILTER + len(one.topic_filter) for one in packet.subscriptions)
        case Unsubscribe():
            return PACKET + sum(FILTER + len(one) for one in packet.topic_filters)
        case _:
            return PACKET
