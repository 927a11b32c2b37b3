"""A load generator that costs little: raw HTTP/1.1 over TLS, requests built before the clock runs."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from msgspec import Struct, field


class Target(Struct, frozen=True):
    """A service to be loaded."""

    url: str
    ca_file: Path | None
    token: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "localhost"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    def context(self) -> ssl.SSLContext | None:
        if self.ca_file is None:
            return None
        return ssl.create_default_context(cafile=str(self.ca_file))


class Sent(Struct):
    """
    What came of the requests: seconds that each took, and how many were answered with which status.

    `moments` are when each was answered, by the performance counter, in the order of `delays`.
    """

    seconds: float = 0.0
    delays: list[float] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


def request(target: Target, path: str, body: bytes, media_type: str = "application/x-ndjson") -> bytes:
    """Return a POST as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {target.host}\r\nAuthorization: Bearer {target.token}\r\n"
        f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(target: Target, requests: Sequence[bytes], *, connections: int, rate: float | None = None) -> Sent:
    """Send requests over so many connections, at most `rate` a second, each as soon as the one before is answered."""
    return uvloop.run(send_all(target, requests, connections=connections, rate=rate))


async def send_all(
    target: Target, requests: Sequence[bytes], *, connections: int, rate: float | None = None
) -> Sent:
    sent = Sent()
    waiting = iter(enumerate(requests))
    began = time.perf_counter()
    await asyncio.gather(*(_send_some(target, waiting, sent, began, rate) for _ in range(connections)))
    sent.seconds = time.perf_counter() - began
    return sent


async def _send_some(
    target: Target, waiting: Iterable[tuple[int, bytes]], sent: Sent, began: float, rate: float | None
) -> None:
    async with _connection(target) as (reader, writer):
        for index, content in waiting:
            if rate is not None:
                await asyncio.sleep(began + index / rate - time.perf_counter())
            at = time.perf_counter()
            writer.write(content)
            status = await _answer(reader)
            sent.moments.append(time.perf_counter())
            sent.delays.append(sent.moments[-1] - at)
            sent.statuses[status] = sent.statuses.get(status, 0) + 1


@contextlib.asynccontextmanager
async def _connection(target: Target) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.context())
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    at = lower.index(b"content-length:") + len(b"content-length:")
    await reader.readexactly(int(lower[at : lower.index(b"\r\n", at)]))
    return int(head[9:12])
