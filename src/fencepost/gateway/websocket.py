"""
MQTT and AMQP inside of a web socket (RFC 6455), for devices that may reach nothing but port 443.

The HTTP server hands a connection over when its client asks for the protocol of a hub; wsproto does the
framing. What is inside is one stream of bytes, however it is cut into messages.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

PATH = "/$iothub/websocket"
NORMAL, UNSUPPORTED = 1000, 1003
PARTING = 1.0
"""Seconds that a client has to answer the end of its web socket."""

Inner = Callable[[], asyncio.Protocol]


class WebSockets:
    """All web sockets of the front door; `protocols` makes what is inside, by the name of the subprotocol."""

    def __init__(self, protocols: Mapping[str, Inner]) -> None:
        self._protocols = {name.lower(): make for name, make in protocols.items()}
        self._open: set[WebSocketProtocol] = set()

    def taking(self, path: str) -> Callable[[Callable[[], None]], "WebSocketProtocol"] | None:
        """Return what takes a connection over that asks for a path, None for a path of nobody's."""
        return self._made if path.partition("?")[0].lower() == PATH else None

    def close(self) -> None:
        for one in [*self._open]:
            one.close()

    def _made(self, lost: Callable[[], None]) -> "WebSocketProtocol":
        def gone() -> None:
            self._open.discard(made)
            lost()

        made = WebSocketProtocol(self._protocols, gone)
        self._open.add(made)
        return made


class WebSocketProtocol(asyncio.Protocol):
    """
    The web socket of one connection; the first bytes it is fed are the head of its request.

    `lost` is called once when the connection is gone.
    """

    def __init__(self, protocols: Mapping[str, Inner], lost: Callable[[], None]) -> None:
        self._protocols = protocols
        self._lost = lost
        self._socket = WSConnection(ConnectionType.SERVER)
        self._inner: asyncio.Protocol | None = None
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        try:
            self._socket.receive_data(data)
            for event in self._socket.events():
                self._take(event)
        except (RemoteProtocolError, LocalProtocolError, UnicodeError):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._lost()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def _take(self, event: Any) -> None:
        match event:
            case Request():
                self._open(event)
            case BytesMessage() if self._inner is not None:
                self._inner.data_received(bytes(event.data))
            case TextMessage():
                self.close(UNSUPPORTED)
            case Ping():
                self.transport.write(self._socket.send(event.response()))
            case CloseConnection():
                self._is_over = True
                with suppress(LocalProtocolError):  # we had ended it before
                    self.transport.write(self._socket.send(event.response()))
                self._part()
            case _:
                pass

    def _open(self, request: Request) -> None:
        wanted = next((name for name in request.subprotocols if name.lower() in self._protocols), None)
        if wanted is None:
            self._is_over = True
            self.transport.write(self._socket.send(RejectConnection(status_code=400)))
            self._part()
            return
        self.transport.write(self._socket.send(AcceptConnection(subprotocol=wanted)))
        self._inner = self._protocols[wanted.lower()]()
        self._inner.connection_made(WebSocketTransport(self))

    def write(self, data: bytes) -> None:
        if not self._is_over and not self.transport.is_closing():
            self.transport.write(self._socket.send(BytesMessage(data=data)))

    def close(self, code: int = NORMAL) -> None:
        """End the web socket; a client that does not answer has no more than a moment."""
        if self._is_over:
            return
        self._is_over = True
        with suppress(LocalProtocolError):
            self.transport.write(self._socket.send(CloseConnection(code=code)))
        self._part()

    def _part(self) -> None:
        asyncio.get_running_loop().call_later(PARTING, self.transport.abort)
        self.transport.close()

    def abort(self) -> None:
        self._is_over = True
        self.transport.abort()

    @property
    def is_over(self) -> bool:
        return self._is_over


class WebSocketTransport(asyncio.Transport):
    """What the protocol inside writes to."""

    def __init__(self, socket: WebSocketProtocol) -> None:
        super().__init__()
        self._socket = socket

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._socket.transport.get_extra_info(name, default)

    def write(self, data: Any) -> None:
        self._socket.write(bytes(data))

    def get_write_buffer_size(self) -> int:
        size: int = self._socket.transport.get_write_buffer_size()
        return size

    def is_closing(self) -> bool:
        return self._socket.is_over or bool(self._socket.transport.is_closing())

    def pause_reading(self) -> None:
        self._socket.transport.pause_reading()

    def resume_reading(self) -> None:
        self._socket.transport.resume_reading()

    def close(self) -> None:
        self._socket.close()

    def abort(self) -> None:
        self._socket.abort()
