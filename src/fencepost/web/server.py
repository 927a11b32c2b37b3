"""The HTTP server: uvicorn, with bounds on what strangers may make it hold."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 << 10
"""Bytes of a request's line and headers."""
PARTING = 1.0
"""Seconds that a client has to take note of the end of a connection."""
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Binding(Struct, frozen=True, kw_only=True):
    """
    Where the server listens, and its patience in seconds.

    Without a certificate it speaks plain HTTP.
    """

    host: str
    port: int
    certificate: Path | None
    key: Path | None
    head_seconds: float
    keep_alive_seconds: float
    connections: int


class BoundedProtocol(HttpToolsProtocol):
    """
    Uvicorn's protocol for strangers: a request's head comes in time and is of bounded size.

    A connection whose request was answered before its body was over is closed: what still comes is
    nobody's.
    """

    head_seconds = 30.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head = 0
        self._waiting: asyncio.TimerHandle | None = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._head = 0
        self._expect_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._grow(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._head_is_here()
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body:
            self.transport.close()
        self._see_it_closed()

    def shutdown(self) -> None:
        super().shutdown()
        self._see_it_closed()

    def _see_it_closed(self) -> None:
        """A client that does not answer the end of TLS keeps no connection open."""
        if self.transport.is_closing():
            self.loop.call_later(PARTING, self.transport.abort)

    def _grow(self, size: int) -> None:
        self._head += size
        if self._head > LARGEST_HEAD and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _expect_head(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _head_is_here(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class QuietServer(Server):
    """Uvicorn's server; signals are the application's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server_for(application: Any, binding: Binding) -> QuietServer:
    """Return a server for an ASGI application; raises OSError or ssl.SSLError for an unusable certificate."""
    protocol = type("Protocol", (BoundedProtocol,), {"head_seconds": binding.head_seconds})
    config = Config(
        application,
        host=binding.host,
        port=binding.port,
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=round(binding.keep_alive_seconds),
        limit_concurrency=binding.connections,
        timeout_graceful_shutdown=10,
        ssl_certfile=str(binding.certificate) if binding.certificate is not None else None,
        ssl_keyfile=str(binding.key) if binding.key is not None else None,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return QuietServer(config)
