"""An entrance: so many connections and no more."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

from msgspec import Struct

from fencepost.net.traffic import Traffic

HANDSHAKE = 10.0
"""Seconds for a TLS handshake."""
AT_ONCE = 100
"""Connections that are accepted before others have their turn."""
PAUSE = 1.0
"""Seconds until the next try where the system has no descriptor left."""

_log = logging.getLogger(__name__)

Leave = Callable[[], None]


class Admission(Struct, frozen=True, kw_only=True):
    """
    How many connections are open at a time, and how long a handshake may take, in seconds.

    `of_one_address` is the most from one IPv4 address, or one IPv6 network of 64 bits; None is no limit.
    """

    connections: int
    of_one_address: int | None = None
    handshake_seconds: float = HANDSHAKE


class Entrance:
    """
    Accepts connections, and closes at once those above the limits.

    It accepts by itself because the event loop's own server accepts all there are before it asks anybody:
    strangers would take the descriptors that the journal needs. `protocol` makes the protocol of a
    connection, which calls what it is given when the connection is lost.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        protocol: Callable[[Leave], Any],
        admission: Admission,
        traffic: Traffic,
    ) -> None:
        self.sockets = listeners
        self._protocol = protocol
        self._admission = admission
        self._traffic = traffic
        self._inside: dict[socket.socket, str] = {}
        self._of_address: dict[str, int] = {}
        self._arriving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def open(self) -> None:
        for listener in self.sockets:
            listener.setblocking(False)
            # what the kernel holds unsent is as little as makes sense: an answer not read is seen as such
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 64 << 10)
            self._listen(listener)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for listener in self.sockets:
            self._loop.remove_reader(listener)
            listener.close()

    async def wait_closed(self) -> None:
        if self._arriving:
            await asyncio.wait(self._arriving)

    def _listen(self, listener: socket.socket) -> None:
        if not self._closed:
            self._loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # it went away while it waited
            except OSError as error:
                _log.error("cannot accept connections, trying again in %g s: %s", PAUSE, error)
                self._loop.remove_reader(listener)
                self._loop.call_later(PAUSE, self._listen, listener)
                return
            self._admit(connection, _network_of(address[0]))

    def _admit(self, connection: socket.socket, network: str) -> None:
        here, most = self._of_address.get(network, 0), self._admission.of_one_address
        if len(self._inside) >= self._admission.connections or (most is not None and here >= most):
            self._traffic.refused += 1
            connection.close()
            return
        self._inside[connection] = network
        self._of_address[network] = here + 1
        self._traffic.open += 1
        task = self._loop.create_task(self._welcome(connection))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _welcome(self, connection: socket.socket) -> None:
        protocol = self._protocol(lambda: self._leave(connection))
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:
            self._traffic.handshakes += 1  # it went before anything was said
        finally:
            if protocol.transport is None:  # it was never connected, and so will not be lost
                connection.close()
                self._leave(connection)

    def _leave(self, connection: socket.socket) -> None:
        network = self._inside.pop(connection, None)
        if network is None:
            return
        self._traffic.open -= 1
        self._of_address[network] -= 1
        if not self._of_address[network]:
            del self._of_address[network]


def _network_of(address: str) -> str:
    """Return what one party has at least: an IPv4 address, or the upper half of an IPv6 one."""
    if ":" not in address:
        return address
    parsed = ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped) if mapped is not None else parsed.packed[:8].hex()
