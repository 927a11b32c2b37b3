"""A connection: uvicorn's protocol of HTTP/1.1, with bounds on what strangers may make it hold."""

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from fencepost.net.tls import PEER_CERTIFICATE
from fencepost.net.traffic import Traffic
from fencepost.web.server.answer import answer, problem
from fencepost.web.server.binding import Binding

LARGEST_HEAD = 64 << 10
"""Bytes of a request's line and headers, and of all else that is not a body."""
PARTING = 1.0
"""Seconds that a client has to take note of the end of a connection."""
SLICE = 4 << 10
"""Bytes that are parsed at a time: as many requests as fit in here may wait for their turn."""
STOPPING = 5.0
"""Seconds that a client may leave an answer unread while the server comes to its end."""
WRITE_AHEAD = 64 << 10
"""Bytes that may wait to be sent before the application has to."""
UNREADABLE = (httptools.HttpParserInvalidURLError, UnicodeDecodeError)
"""How uvicorn stumbles over the target of a request."""


class BoundedProtocol(HttpToolsProtocol):
    """
    Uvicorn's protocol for strangers.

    A request's head comes in time and is of bounded size; further requests are not even parsed while some
    wait; answers are read in time; what cannot be read is refused once, behind the answers to what came
    before it. A connection whose request was answered before its body was over is closed: what still
    comes is nobody's.
    """

    def __init__(self, binding: Binding, traffic: Traffic, lost: Callable[[], None], **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._head_seconds = binding.head_seconds
        self._taking = binding.taking
        self._write_seconds = binding.write_seconds
        self._traffic = traffic
        self._lost = lost
        self._unparsed = b""
        self._bare = 0  # bytes since the last that were a whole head, or a part of a body
        self._in_head = False
        self._over = False  # nothing that still comes is read
        self._heir: asyncio.Protocol | None = None  # who has the connection now
        self._running: RequestResponseCycle | None = None
        self._awaiting_head: asyncio.TimerHandle | None = None
        self._awaiting_reader: asyncio.TimerHandle | None = None
        self._parting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=WRITE_AHEAD)
        shown = transport.get_extra_info(PEER_CERTIFICATE)
        if shown is not None:
            self.app_state = {**self.app_state, PEER_CERTIFICATE: shown}
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._awaiting_head, self._awaiting_reader, self._parting):
            _cancel(timer)
        self._unset_keepalive_if_required()
        self._lost()
        super().connection_lost(exc)
        self._disconnect()

    def _disconnect(self) -> None:
        """Tell the request that runs; uvicorn tells the one that came last."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    # what comes

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if not self._over:
            self._unparsed = self._unparsed + data if self._unparsed else data
            self._parse()
        if self._is_idle() and not self._over:
            self._expect_head()  # though it may be no more than the empty line before one

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._bare = 0
        self._in_head = False
        self._expect_no_head()
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bare = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bare = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _parse(self) -> None:
        """Parse what has come; the rest waits with the requests that wait for their turn."""
        rest = memoryview(self._unparsed)
        while rest and not self.pipeline and not self._over:
            self._feed(rest[:SLICE])
            rest = rest[SLICE:]
        if rest and self._heir is not None:
            self._heir.data_received(bytes(rest))
        self._unparsed = b"" if self._over else bytes(rest)
        if self._unparsed:
            self.flow.pause_reading()
        if self.pipeline or self._over:
            self._expect_no_head()  # what is missing of it is ours to read
        elif self._in_head:
            self._expect_head()

    def _feed(self, data: bytes | memoryview) -> None:
        self._bare += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = bytes(data[upgrade.args[0] :])
            if not self._hand_over(rest):
                self._decline_upgrade(rest)
        except httptools.HttpParserCallbackError as error:
            if self.url.startswith(b"/") and not isinstance(error.__context__, UNREADABLE):
                raise  # a fault of ours
            self._refuse(
                400, "the target of the request cannot be read: send a path, as in GET /healthz HTTP/1.1"
            )
        except httptools.HttpParserError as error:
            self._refuse(400, f"this cannot be read as HTTP/1.1: {error}; nothing behind it was read")
        else:
            if self._bare > LARGEST_HEAD:
                self._refuse(
                    431, f"a request's line and headers have at most {LARGEST_HEAD} bytes: send less"
                )

    def _hand_over(self, rest: bytes) -> bool:
        """Give the connection away to who takes its web socket; False where nobody does."""
        offers = {value.lower() for name, value in self.headers if name == b"upgrade"}
        take_over = self._taking(self.url.decode("latin-1")) if b"websocket" in offers else None
        if take_over is None or not self._is_idle():
            return False
        protocol = take_over(self._lost)
        self._lost = lambda: None
        self._over = True
        for timer in (self._awaiting_head, self._awaiting_reader, self._parting):
            _cancel(timer)
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        protocol.data_received(self._head(self.headers) + rest)
        self._heir = protocol
        return True

    def _head(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return the head of the present request once more, with these headers."""
        version = self.parser.get_http_version().encode()
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, lines)

    def _decline_upgrade(self, rest: bytes) -> None:
        """
        Go on as if the client had not offered another protocol (RFC 9110, 7.8).

        The parser takes what follows such a head for the other protocol: so it gets the head again,
        without the offer.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(400, "CONNECT is for proxies: send your request itself")
            return
        self._feed(self._head(header for header in self.headers if header[0] != b"upgrade") + rest)

    def _refuse(self, status: int, detail: str) -> None:
        self._traffic.malformed += 1
        self._over = True
        asked = self.cycle
        if self._is_idle() or (asked is self._running and asked.more_body and not asked.response_started):
            self.transport.write(problem(status, detail, self.server_state.default_headers))
            self.transport.close()
            self._disconnect()
            self._see_it_closed()
        elif asked.more_body:
            self.transport.abort()  # an answer has begun that cannot be ended well
        else:
            asked.keep_alive = False

    # what goes

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, partial(self._answer, app))

    async def _answer(self, app: ASGI3Application, scope: Any, receive: Any, send: Any) -> None:
        try:
            await answer(app, scope, receive, partial(self._send, send))
        except asyncio.CancelledError:  # the server's end is over, and nobody is left to be told
            self.transport.abort()
            self._disconnect()
        finally:
            self.loop.call_soon(self._see_it_closed)  # as uvicorn does after a fault

    async def _send(self, send: Any, message: Any) -> None:
        """Say of an answer that comes before the body of its request is over that it ends the connection (RFC 9112, 9.6)."""
        if message["type"] == "http.response.start" and self._running is not None and self._running.more_body:
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    def on_response_complete(self) -> None:
        if self._running is not None and self._running.more_body:
            self.transport.close()
        super().on_response_complete()
        if not self.transport.is_closing():
            self._parse()
        self._see_it_closed()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancel(self._awaiting_reader)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._see_it_closed()

    def shutdown(self) -> None:
        self._write_seconds = min(self._write_seconds, STOPPING)
        if self.flow.write_paused:
            self._expect_reader()
        super().shutdown()
        self._see_it_closed()

    # what takes too long

    def _expect_head(self) -> None:
        if self._awaiting_head is None:
            self._awaiting_head = self.loop.call_later(self._head_seconds, self._cut)

    def _expect_no_head(self) -> None:
        _cancel(self._awaiting_head)
        self._awaiting_head = None

    def _expect_reader(self) -> None:
        _cancel(self._awaiting_reader)
        self._awaiting_reader = self.loop.call_later(self._write_seconds, self._cut)

    def _cut(self) -> None:
        if not self._over:  # two may be late at once
            self._over = True
            self._traffic.late += 1
        self.transport.abort()

    def _see_it_closed(self) -> None:
        """A client that does not read on, or does not answer the end of TLS, keeps no connection open."""
        if self.transport.is_closing() and self._parting is None and self in self.connections:
            self._parting = self.loop.call_later(PARTING, self._part, self.loop.time())

    def _part(self, since: float) -> None:
        if not self._unsent():
            self.transport.abort()
        elif self.loop.time() - since >= self._write_seconds:
            self._cut()
        else:
            self._parting = self.loop.call_later(PARTING, self._part, since)

    def _unsent(self) -> int:
        """Return how many bytes the client has not taken yet, here and in the kernel."""
        waiting: int = self.transport.get_write_buffer_size()
        connection = self.transport.get_extra_info("socket")
        if connection is None or connection.fileno() < 0:
            return waiting
        with suppress(OSError):  # not every system tells it of a socket
            waiting += int.from_bytes(
                fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder
            )
        return waiting

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
