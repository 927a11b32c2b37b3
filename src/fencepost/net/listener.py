"""A listener for devices: an entrance with TLS, and behind it a protocol of plain bytes for each connection."""

import asyncio
import socket
from collections.abc import Callable

from OpenSSL import SSL

from fencepost.net.entrance import Admission, Entrance, Leave
from fencepost.net.tls import TlsProtocol
from fencepost.net.traffic import Traffic

ENDING = 5.0
"""Seconds that open connections have to come to their end when the listener closes."""


class TlsListener:
    """Lets clients in at one socket; `protocol` makes what speaks with each, once its handshake is done."""

    def __init__(
        self,
        listener: socket.socket,
        context: SSL.Context,
        protocol: Callable[[], asyncio.Protocol],
        admission: Admission,
        traffic: Traffic,
    ) -> None:
        self._context = context
        self._protocol = protocol
        self._admission = admission
        self._traffic = traffic
        self._inside: set[TlsProtocol] = set()
        self._empty = asyncio.Event()
        self._entrance = Entrance([listener], self._connection, admission, traffic)

    def open(self) -> None:
        self._entrance.open()

    async def close(self) -> None:
        """Let nobody in any more, and return when all have gone."""
        self._entrance.close()
        await self._entrance.wait_closed()
        for connection in [*self._inside]:
            connection.close()
        try:
            async with asyncio.timeout(ENDING):
                while self._inside:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            for connection in [*self._inside]:
                connection.abort()
            await asyncio.sleep(0)

    def _connection(self, leave: Leave) -> TlsProtocol:
        connection = TlsProtocol(
            self._context,
            self._protocol,
            lambda: self._inside.add(connection),
            lambda: self._lost(connection, leave),
            self._failed,
            handshake_seconds=self._admission.handshake_seconds,
        )
        return connection

    def _lost(self, connection: TlsProtocol, leave: Leave) -> None:
        self._inside.discard(connection)
        self._empty.set()
        leave()

    def _failed(self) -> None:
        self._traffic.handshakes += 1
