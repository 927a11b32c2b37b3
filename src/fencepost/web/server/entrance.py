"""The entrance: so many connections and no more, and each must finish its TLS handshake in time."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fencepost.web.server.binding import Binding, Traffic

HANDSHAKE = 10.0
"""Seconds for a TLS handshake, at most those for a head."""
LONGEST_END = 3600.0
"""Seconds for the end of TLS; the connection itself has a closer eye on it."""
AT_ONCE = 100
"""Connections that are accepted before others have their turn."""
PAUSE = 1.0
"""Seconds until the next try where the system has no descriptor left."""

_log = logging.getLogger(__name__)

Leave = Callable[[], None]


class Entrance:
    """
    Accepts connections, and closes at once those above the limit.

    It accepts by itself because the event loop's own server accepts all there are before it asks anybody:
    strangers would take the descriptors that the journal needs. `protocol` makes the protocol of a
    connection, which calls what it is given when the connection is lost.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        tls: ssl.SSLContext | None,
        protocol: Callable[[Leave], HttpToolsProtocol],
        binding: Binding,
        traffic: Traffic,
    ) -> None:
        self.sockets = listeners
        self._protocol = protocol
        self._most = binding.connections
        self._traffic = traffic
        self._inside: set[socket.socket] = set()
        self._arriving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        handshake = min(HANDSHAKE, binding.head_seconds)
        self._times = {"ssl_handshake_timeout": handshake, "ssl_shutdown_timeout": LONGEST_END} if tls else {}
        self._closed = False

    def open(self) -> None:
        for listener in self.sockets:
            listener.setblocking(False)
            # what the kernel holds unsent is as little as makes sense: an answer not read is seen as such
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 64 << 10)
            self._listen(listener)

    def close(self) -> None:
        self._closed = True
        for listener in self.sockets:
            self._loop.remove_reader(listener)
            listener.close()
        for task in self._arriving:
            task.cancel()

    async def wait_closed(self) -> None:
        if self._arriving:
            await asyncio.wait(self._arriving)

    def _listen(self, listener: socket.socket) -> None:
        if not self._closed:
            self._loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # it went away while it waited
            except OSError as error:
                _log.error("cannot accept connections, trying again in %g s: %s", PAUSE, error)
                self._loop.remove_reader(listener)
                self._loop.call_later(PAUSE, self._listen, listener)
                return
            self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        if len(self._inside) >= self._most:
            self._traffic.refused += 1
            connection.close()
            return
        self._inside.add(connection)
        self._traffic.open += 1
        task = self._loop.create_task(self._welcome(connection))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _welcome(self, connection: socket.socket) -> None:
        protocol = self._protocol(lambda: self._leave(connection))
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=self._tls, **self._times
            )
        except OSError:
            # nothing to log: strangers can do this without end
            self._traffic.handshakes += 1
        finally:
            if protocol.transport is None:  # it was never connected, and so will not be lost
                connection.close()
                self._leave(connection)

    def _leave(self, connection: socket.socket) -> None:
        if connection in self._inside:
            self._inside.discard(connection)
            self._traffic.open -= 1
