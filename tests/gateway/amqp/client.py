"""A client that speaks AMQP as the SDKs of Azure do, with the library on its side of the connection."""

import asyncio
import socket
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import proton
from proton import Delivery, Endpoint, Event
from tests.gateway.clients.certificates import Shown
from tests.gateway.rig import HOST, SOON, Rig, rig

from fencepost.gateway.amqp import amqp_protocol
from fencepost.gateway.amqp.message import AmqpMessage, read_message
from fencepost.gateway.amqp.sasl import SASL_HEADER
from fencepost.gateway.credentials import resource_of
from fencepost.model.errors import StoreUnavailable
from fencepost.model.identity import IdentityKey
from fencepost.model.rule import SecurityGroup
from fencepost.net.entrance import Admission
from fencepost.net.listener import TlsListener
from fencepost.net.tls import server_context
from fencepost.net.traffic import Traffic

SAS = "servicebus.windows.net:sastoken"


class RefusedError(Exception):
    """A link or a connection was ended by the server; `condition` is why."""

    def __init__(self, condition: str) -> None:
        super().__init__(condition)
        self.condition = condition


def written(body: Any = None, **parts: Any) -> bytes:
    """Return a message as a client sends it; text is a value, bytes are data."""
    message = proton.Message(body=body, inferred=isinstance(body, bytes))
    annotations = parts.pop("annotations", None)
    if annotations:
        message.annotations = {proton.symbol(name): value for name, value in annotations.items()}
    for name, value in parts.items():
        setattr(message, name, value)
    return bytes(message.encode())


def plain(user: str, password: str) -> bytes:
    return sasl_init("PLAIN", f"\0{user}\0{password}".encode())


def sasl_init(mechanism: str, response: bytes | None = None) -> bytes:
    """Return the frame with which a client answers to mechanisms."""
    fields = bytes([0xA3, len(mechanism)]) + mechanism.encode()
    fields += b"\x40" if response is None else b"\xb0" + struct.pack(">I", len(response)) + response
    body = b"\0\x53\x41\xd0" + struct.pack(">II", len(fields) + 4, 2) + fields
    return struct.pack(">IBBH", 8 + len(body), 2, 1, 0) + body


class Client:
    """One connection; what has come for a link waits in line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self.transport = proton.Transport(proton.Transport.CLIENT)
        self._collector = proton.Collector()
        self.connection = proton.Connection()
        self.connection.collect(self._collector)
        self.connection.container, self.connection.hostname = "client", HOST
        self.transport.bind(self.connection)
        self._news = asyncio.Event()
        self._inbox: dict[Any, deque[tuple[Delivery, AmqpMessage]]] = {}
        self._reading: asyncio.Task[None] | None = None
        self.is_closed = False
        self.heard = b""

    async def authenticate(self, frame: bytes) -> int:
        """Go through SASL and return its outcome."""
        self.writer.write(SASL_HEADER + frame)
        assert await self._exactly(8) == SASL_HEADER
        await self._frame()
        return (await self._frame())[-1]

    async def _frame(self) -> bytes:
        size = struct.unpack(">I", await self._exactly(4))[0]
        return await self._exactly(size - 4)

    async def _exactly(self, size: int) -> bytes:
        async with asyncio.timeout(SOON):
            return await self._reader.readexactly(size)

    async def skip_sasl(self) -> None:
        """Read what the server says of SASL, which is to be a success."""
        assert await self._exactly(8) == SASL_HEADER
        await self._frame()
        assert (await self._frame())[-1] == 0

    async def is_gone(self) -> None:
        """Wait until the server has hung up."""
        async with asyncio.timeout(SOON):
            with suppress(ConnectionError):
                while await self._reader.read(1 << 16):
                    pass

    async def open(self) -> None:
        self.begin()
        await self.listen()

    def begin(self) -> None:
        """Say that there is to be a connection, and a session."""
        self.connection.open()
        self.session = self.new_session()
        self.flush()

    async def listen(self) -> None:
        """Hear that there is a connection, and a session."""
        self._reading = asyncio.create_task(self._read())
        await self.until(lambda: not self.session.state & Endpoint.REMOTE_UNINIT)

    async def _read(self) -> None:
        while data := await self._reader.read(1 << 16):
            self.heard += data
            while data and (room := self.transport.capacity()) > 0:
                self.transport.push(data[:room])
                data = data[room:]
            self._react()
            self.flush()
        self.is_closed = True
        self._news.set()

    def _react(self) -> None:
        while (event := self._collector.peek()) is not None:
            link: Any = event.link
            delivery: Any = event.delivery
            if event.type == Event.DELIVERY and link.is_receiver and not delivery.partial:
                self._take(link, delivery)
            self._collector.pop()
        self._news.set()

    def _take(self, link: Any, delivery: Any) -> None:
        if delivery.readable:
            encoded = bytes(link.recv(delivery.pending))
            link.advance()
            self._inbox.setdefault(link, deque()).append((delivery, read_message(encoded)))

    def flush(self) -> None:
        self._react()
        while (size := self.transport.pending()) > 0:
            self.writer.write(self.transport.peek(size) or b"")
            self.transport.pop(size)

    async def until(self, done: Callable[[], object]) -> None:
        """Wait until something has come about; raises RefusedError where the server has closed instead."""
        self.flush()
        async with asyncio.timeout(SOON):
            while not done():
                if self.is_closed:
                    raise RefusedError(self.why(self.connection))
                self._news.clear()
                await self._news.wait()
                self.flush()

    @staticmethod
    def why(endpoint: Any) -> str:
        condition = endpoint.remote_condition
        return "" if condition is None else str(condition.name)

    # links

    def new_session(self) -> Any:
        session = self.connection.session()
        session.open()
        return session

    async def sender(self, address: str, **options: Any) -> Any:
        link = self._session(options).sender(str(uuid4()))
        link.target.address = address
        return await self._attached(link, options)

    async def receiver(self, address: str, credit: int = 10, **options: Any) -> Any:
        link = self._session(options).receiver(str(uuid4()))
        link.source.address = address
        await self._attached(link, options)
        link.flow(credit)
        self.flush()
        return link

    def _session(self, options: dict[str, Any]) -> Any:
        return options.pop("session", self.session)

    async def _attached(self, link: Any, options: dict[str, Any]) -> Any:
        for name, value in options.items():
            setattr(link, name, value)
        link.open()
        await self.until(lambda: not link.state & Endpoint.REMOTE_UNINIT)
        attached = link.remote_target.address if link.is_sender else link.remote_source.address
        if attached is None:
            await self.until(lambda: link.state & Endpoint.REMOTE_CLOSED)
            raise RefusedError(self.why(link))
        return link

    async def ended(self, link: Any) -> str:
        """Return the condition with which the server ends a link."""
        await self.until(lambda: link.state & Endpoint.REMOTE_CLOSED)
        return self.why(link)

    async def closed(self) -> str:
        """Return the condition with which the server ends the connection."""
        with suppress(ConnectionError, RefusedError):
            await self.until(lambda: self.is_closed)
        return self.why(self.connection)

    async def detach(self, link: Any) -> None:
        link.close()
        await self.ended(link)
        link.free()

    def post(self, link: Any, encoded: bytes, *, is_settled: bool = False) -> Any:
        """Send a message and return its delivery."""
        delivery = link.delivery(uuid4().bytes)
        link.stream(encoded)
        link.advance()
        if is_settled:
            delivery.settle()
        self.flush()
        return delivery

    def overrun(self, channel: int, encoded: bytes, times: int) -> None:
        """Send so many messages on a channel's first link, without a thought for credit as the library has it."""
        for number in range(times):
            fields = b"\x43\x52" + bytes([number]) + b"\xa0\x01" + bytes([number]) + b"\x43\x42\x42"
            body = b"\0\x53\x14\xc0" + bytes([len(fields) + 1, 6]) + fields + encoded
            self.writer.write(struct.pack(">IBBH", 8 + len(body), 2, 0, channel) + body)

    async def outcome(self, delivery: Any) -> str:
        """Return what the server says of a message: `accepted`, `released`, or the condition of a rejection."""
        await self.until(lambda: delivery.remote_state)
        state, condition = delivery.remote_state, delivery.remote.condition
        delivery.settle()
        return str(condition.name) if state == Delivery.REJECTED and condition else state.name.lower()

    async def has_credit(self, link: Any) -> None:
        await self.until(lambda: link.credit > 0)

    async def send(self, link: Any, encoded: bytes) -> str:
        await self.until(lambda: link.credit > 0)
        return await self.outcome(self.post(link, encoded))

    async def next(self, link: Any, state: int | None = Delivery.ACCEPTED) -> AmqpMessage:
        """Return the next message of a link, and say what becomes of it."""
        delivery, message = await self.next_delivery(link)
        if state is not None:
            self.settle(delivery, state)
        return message

    async def next_delivery(self, link: Any) -> tuple[Any, AmqpMessage]:
        await self.until(lambda: self._inbox.get(link))
        return self._inbox[link].popleft()

    def settle(self, delivery: Any, state: int) -> None:
        delivery.update(state)
        delivery.settle()
        self.flush()

    @staticmethod
    def tag_size(delivery: Any) -> int:
        """Return how many bytes a tag has; the library takes it for text."""
        return int(import_module("cproton").lib.pn_delivery_tag(delivery._impl).size)

    async def hears_nothing(self, link: Any, seconds: float = 0.1) -> bool:
        await asyncio.sleep(seconds)
        return not self._inbox.get(link)

    # CBS

    async def put_token(self, audience: str, token: Any, **asked: Any) -> tuple[int, str]:
        """Put a token, and return the status and its description."""
        if not hasattr(self, "_cbs"):
            self._cbs = await self.sender("$cbs"), await self.receiver("$cbs", credit=1000)
        sender, receiver = self._cbs
        number = str(uuid4())
        asked = {"operation": "put-token", "type": SAS, "name": audience, **asked}
        await self.send(sender, written(token, id=number, address="$cbs", properties=asked))
        answer = await self.next(receiver)
        assert answer.properties.correlation_id == number
        return answer.application["status-code"], answer.application["status-description"]

    def stop_reading(self) -> None:
        """Read nothing more; what was heard until now counts."""
        if self._reading is not None:
            self._reading.cancel()
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def reset(self) -> None:
        """Go without a word."""
        connection = self.writer.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()

    def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self.writer.close()


class Hub:
    """A front door, a listener of AMQP, and clients that end with it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.gateway = rig.gateway
        self.clients: list[Client] = []
        self.traffic = Traffic()
        http, devices = rig.settings.http, rig.settings.gateway.device_ca_file
        authorities = devices if devices is not None and devices.exists() else None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._listener = TlsListener(
            self._socket,
            server_context(http.certificate, http.key, authorities),
            lambda: amqp_protocol(self.gateway, self.traffic),
            Admission(connections=1000),
            self.traffic,
        )
        self._listener.open()

    async def stranger(self, certificate: Shown | None = None) -> Client:
        """Return a client that has said nothing yet."""
        context = ssl.create_default_context(cafile=str(self.rig.installation.ca_file))
        if certificate is not None:
            context.load_cert_chain(certificate.certificate_file, certificate.key_file)
        port = self._socket.getsockname()[1]
        streams = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        self.clients.append(Client(*streams))
        return self.clients[-1]

    async def close(self) -> None:
        for client in self.clients:
            client.close()
        await self._listener.close()

    async def client(self, *, certificate: Shown | None = None, sasl: bytes | None = None) -> Client:
        """Return a client whose connection is open, after SASL where a frame for it is given."""
        client = await self.stranger(certificate)
        if sasl is not None:
            assert await client.authenticate(sasl) == 0
        await client.open()
        return client

    async def signed_in(self, *keys: IdentityKey) -> Client:
        """Return a client that has put a token for each identity."""
        client = await self.client()
        for key in keys:
            assert await client.put_token(audience_of(key), await self.rig.token(key)) == (200, "OK")
        return client


def replace(of: Any, name: str, method: Any) -> None:
    """Put something else in place of a method of a part of the front door."""
    setattr(of, name, method)


def break_down(of: Any, name: str, error: Exception | None = None) -> None:
    """Let a method of a part of the front door fail from now on; its store is away, if nothing else is said."""

    async def broken(*_: Any) -> Any:
        raise error or StoreUnavailable("away")

    replace(of, name, broken)


def audience_of(key: IdentityKey) -> str:
    return f"{HOST}/{resource_of(key)}"


@asynccontextmanager
async def hub(folder: Path, *groups: SecurityGroup, **settings: Any) -> AsyncIterator[Hub]:
    async with rig(folder, *groups, **settings) as made:
        one = Hub(made)
        try:
            yield one
        finally:
            await one.close()
