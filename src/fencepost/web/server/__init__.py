"""The HTTP server: uvicorn, with bounds on what strangers may make it hold."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from OpenSSL import SSL
from uvicorn import Config, Server

from fencepost.net.entrance import HANDSHAKE, Admission, Entrance, Leave
from fencepost.net.tls import TlsProtocol, server_context
from fencepost.net.traffic import Traffic
from fencepost.web.server.binding import Binding
from fencepost.web.server.connection import PARTING, BoundedProtocol

__all__ = ["PARTING", "Binding", "QuietServer", "server_for"]


class QuietServer(Server):
    """Uvicorn's server; signals are the application's business. `traffic` is what it has seen."""

    def __init__(self, config: Config, binding: Binding) -> None:
        super().__init__(config)
        self.traffic = Traffic()
        self._binding = binding
        self._greeting: set[TlsProtocol] = set()  # in the middle of their handshake
        self._tls: SSL.Context | None = None
        if binding.certificate is not None and binding.key is not None:
            self._tls = server_context(binding.certificate, binding.key, binding.authorities)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on these sockets, or where the binding says; raises OSError where that cannot be done."""
        await self.lifespan.startup()
        listeners = sockets or [_listener(self._binding)]
        admission = Admission(
            connections=self._binding.connections,
            handshake_seconds=min(HANDSHAKE, self._binding.head_seconds),
        )
        protocol = self._protocol if self._tls is None else self._protocol_in_tls
        entrance = Entrance(listeners, protocol, admission, self.traffic)
        entrance.open()
        self.servers: list[Any] = [entrance]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for stranger in [*self._greeting]:
            stranger.abort()
        await super().shutdown(sockets)

    def _protocol_in_tls(self, leave: Leave) -> TlsProtocol:
        assert self._tls is not None  # noqa: S101 - asked before

        def greeted() -> BoundedProtocol:
            self._greeting.discard(connection)
            return self._protocol(lambda: None)

        def gone() -> None:
            self._greeting.discard(connection)
            leave()

        connection = TlsProtocol(
            self._tls,
            greeted,
            arrived=lambda: self._greeting.add(connection),
            lost=gone,
            failed=self._failed,
            handshake_seconds=min(HANDSHAKE, self._binding.head_seconds),
            parting_seconds=None,
        )
        return connection

    def _failed(self) -> None:
        self.traffic.handshakes += 1

    def _protocol(self, lost: Leave) -> BoundedProtocol:
        return BoundedProtocol(
            self._binding,
            self.traffic,
            lost,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )


def server_for(application: Any, binding: Binding) -> QuietServer:
    """Return a server for an ASGI application; raises OperatorError for an unusable certificate."""
    config = Config(
        application,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=round(binding.keep_alive_seconds),
        timeout_graceful_shutdown=10,
    )
    config.load()
    return QuietServer(config, binding)


def _listener(binding: Binding) -> socket.socket:
    family = socket.AF_INET6 if ":" in binding.host else socket.AF_INET
    return socket.create_server((binding.host, binding.port), family=family, backlog=2048)
