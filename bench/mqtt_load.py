"""A load generator for MQTT that costs little: packets built before the clock runs, PUBACKs counted and not read."""

import asyncio
import ssl
import time
from collections.abc import Iterator, Sequence
from typing import cast

from msgspec import Struct, field

from fencepost.model.sas import sign
from fencepost.wire.mqtt.writing import connect, publish

SECURITY = "%24.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1"
PUBACK = 4
"""Bytes."""
CONNACK = b"\x20\x02\x00\x00"


class Broker(Struct, frozen=True):
    """Where to connect; `key` signs for any device, None where the broker asks for nothing."""

    host: str
    port: int
    context: ssl.SSLContext | None
    key: str | None = None

    def connect_packet(self, device_id: str) -> bytes:
        if self.key is None:
            return connect(device_id, keep_alive=600)
        token = sign(self.host, self.key, round(time.time()) + 86_400, "iothubowner")
        username = f"{self.host}/{device_id}/?api-version=2021-04-12"
        return connect(device_id, username=username, password=token.encode(), keep_alive=1100)


class Published(Struct):
    """What came of it: seconds in all, and of each message from PUBLISH to PUBACK."""

    seconds: float = 0.0
    messages: int = 0
    delays: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """One device: `window` messages are on their way at a time, at `rate` a second at most."""

    def __init__(self, hello: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._hello = hello
        self.accepted: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self._packets: Sequence[bytes] = ()
        self._sent = self._acked = self._bytes = 0
        self._times: list[float] = []
        self._published = Published()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        if not self.accepted.done():
            if data[:4] != CONNACK:
                self.accepted.set_exception(ConnectionError(f"refused: {data[:4]!r}"))
                return
            self.accepted.set_result(None)
            data = data[4:]
        self._bytes += len(data)
        acked = self._bytes // PUBACK
        now = time.perf_counter()
        self._published.delays += [now - sent for sent in self._times[self._acked : acked]]
        free = acked - self._acked
        self._acked = acked
        if acked == len(self._packets) and self._packets and not self.done.done():
            self.done.set_result(None)
        elif free and self._window:
            self._send(free)

    def connection_lost(self, exc: Exception | None) -> None:
        for future in (self.accepted, self.done):
            if not future.done():
                future.set_exception(exc or ConnectionError("the broker hung up"))
                future.exception()

    def begin(self, packets: Sequence[bytes], window: int, published: Published) -> None:
        self._packets, self._window, self._published = packets, window, published
        self._sent = self._acked = self._bytes = 0
        self._times = []
        self.done = asyncio.get_running_loop().create_future()
        self._send(window)

    async def pace(self, packets: Sequence[bytes], rate: float, published: Published, offset: float) -> None:
        """Send at a rate, whatever is acknowledged when."""
        self.begin([], 0, published)
        self._packets = packets
        began = time.perf_counter() + offset
        for number in range(len(packets)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            self._send(1)

    def _send(self, number: int) -> None:
        packets = self._packets[self._sent : self._sent + number]
        if packets:
            self._sent += len(packets)
            self._times += [time.perf_counter()] * len(packets)
            self.transport.write(b"".join(packets))

    _window = 0


async def connected(broker: Broker, device_ids: Sequence[str], at_once: int = 64) -> list[Connection]:
    """Return a connection for each device, in their order, so many being made at a time."""
    loop = asyncio.get_running_loop()
    waiting: Iterator[str] = iter(device_ids)
    made: dict[str, Connection] = {}

    async def some() -> None:
        for device_id in waiting:
            hello = broker.connect_packet(device_id)
            _, one = await loop.create_connection(
                lambda hello=hello: Connection(hello),
                broker.host,
                broker.port,
                ssl=broker.context,
            )
            await one.accepted
            made[device_id] = one

    await asyncio.gather(*(some() for _ in range(at_once)))
    return [made[device_id] for device_id in device_ids]


async def publish_all(
    connections: Sequence[Connection], streams: Sequence[Sequence[bytes]], window: int
) -> Published:
    """Send one stream of packets over each connection, as fast as they are acknowledged."""
    published = Published(messages=sum(map(len, streams)))
    began = time.perf_counter()
    for connection, stream in zip(connections, streams, strict=True):
        connection.begin(stream, window, published)
    await asyncio.gather(*(connection.done for connection in connections))
    published.seconds = time.perf_counter() - began
    return published


def packets_for(device_id: str, bodies: Sequence[bytes]) -> list[bytes]:
    """Return security messages as they go over the wire."""
    topic = f"devices/{device_id}/messages/events/{SECURITY}"
    return [publish(topic, body, qos=1, packet_id=number % 0xFFFF + 1) for number, body in enumerate(bodies)]
