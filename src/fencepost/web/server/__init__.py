"""The HTTP server: uvicorn, with bounds on what strangers may make it hold."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

from uvicorn import Config, Server

from fencepost.net.entrance import HANDSHAKE, Admission, Entrance, Leave
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
        entrance = Entrance(listeners, self.config.ssl, self._protocol, admission, self.traffic)
        entrance.open()
        self.servers: list[Any] = [entrance]
        self.started = True

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
    """Return a server for an ASGI application; raises OSError or ssl.SSLError for an unusable certificate."""
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
        ssl_certfile=str(binding.certificate) if binding.certificate is not None else None,
        ssl_keyfile=str(binding.key) if binding.key is not None else None,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return QuietServer(config, binding)


def _listener(binding: Binding) -> socket.socket:
    family = socket.AF_INET6 if ":" in binding.host else socket.AF_INET
    return socket.create_server((binding.host, binding.port), family=family, backlog=2048)
