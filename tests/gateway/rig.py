"""A whole front door in this process: real stores, real pipeline, real listeners; and a device that speaks MQTT."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import uvloop
from msgspec import structs

from fencepost.app.front_door import FrontDoor
from fencepost.app.sockets import Sockets
from fencepost.config.service import Amqp, Gateway, Http, Mqtt, Settings
from fencepost.engine.detector import Detector
from fencepost.model.alert import Alert
from fencepost.model.entry import Entry
from fencepost.model.identity import Authentication, IdentityKey
from fencepost.model.page import AlertFilter
from fencepost.model.rule import SecurityGroup
from fencepost.model.sas import sign
from fencepost.service.commands import Commands
from fencepost.service.feed import Feed
from fencepost.service.patience import Patience
from fencepost.service.pipeline import Item, Pace, Pipeline
from fencepost.service.processor import Processor
from fencepost.service.registry import Draft
from fencepost.setup.installation import Installation, prepare
from fencepost.store.control import ControlStore
from fencepost.store.journal.group_commit import GroupCommit
from fencepost.store.journal.journal import Journal
from fencepost.wire.mqtt.packets import Connack, Packet, Publish, Suback, Subscription, Will
from fencepost.wire.mqtt.reading import PacketReader
from fencepost.wire.mqtt.writing import connect, publish, subscribe

HOST = "localhost"
SECURITY = "%24.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1"
SOON = 15.0

Found = TypeVar("Found")


def now() -> datetime:
    return datetime.now(UTC)


class Rig:
    """The front door and what stands behind it; `clock` may be moved on."""

    def __init__(self, folder: Path, groups: tuple[SecurityGroup, ...], settings: Settings) -> None:
        self.installation: Installation = prepare(folder / "data", (), now, settings="")
        self.settings = structs.replace(
            settings,
            http=structs.replace(
                settings.http, certificate=self.installation.certificate, key=self.installation.key, port=0
            ),
        )
        self.ahead = 0.0
        self.journal = Journal.open(folder / "journal", clock=now)
        self.store = ControlStore.open(f"sqlite:///{folder / 'control.db'}")
        processor = Processor(Detector(groups), self.store, position=0, patience=Patience(Event()))
        self.pipeline = Pipeline(
            processor, Feed(), lambda _: lambda: None, clock=now, pace=Pace(snapshot_entries=10**9)
        )
        self.pipeline.commits = self.commits = GroupCommit[Item](
            self.journal, lambda item: item.entry, self.pipeline.committed, 0.001
        )
        self.commands = Commands(self.pipeline, now)
        self.front = FrontDoor(self.settings, self.installation, self.pipeline, self.store, self.clock)
        self.gateway, self.registry = self.front.gateway, self.front.gateway.registry
        self.sockets = Sockets(self.settings)
        self.front.open(self.sockets, 1000)
        listener = self.sockets.of("mqtt")
        self.port: int = listener.getsockname()[1] if listener else 0
        self._devices: list[Device] = []

    def clock(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.ahead, UTC)

    async def add(self, device_id: str = "cam-1", **draft: Any) -> IdentityKey:
        key = IdentityKey(device_id)
        await self.registry.create(Draft(key=key, **draft), "tests")
        return key

    async def token(
        self, key: IdentityKey, *, lives: float = 3600, host: str = HOST, of: str = "primary"
    ) -> str:
        identity = await self.registry.identity(key)
        below = f"devices/{key.device_id}" + (f"/modules/{key.module_id}" if key.module_id else "")
        secret: str = getattr(identity.authentication, f"{of}_key")
        return sign(f"{host}/{below}", secret, round(self.clock().timestamp() + lives))

    async def device(self, key: IdentityKey, **how: Any) -> "Device":
        """Return a device that is signed in."""
        password = how.pop("password") if "password" in how else (await self.token(key)).encode()
        one = await self.stranger(how.pop("client", None))
        answer = await one.sign_in(key, password, **how)
        assert answer.code == 0, answer
        return one

    async def stranger(self, client: Path | None = None) -> "Device":
        """Return a connection on which nothing has been said yet."""
        context = ssl.create_default_context(cafile=str(self.installation.ca_file))
        if client is not None:
            context.load_cert_chain(client)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, server_hostname="localhost"
        )
        self._devices.append(Device(reader, writer))
        return self._devices[-1]

    def entries(self, kind: type[Found]) -> list[Found]:
        """Return what the journal has of a kind."""
        return [entry for _, entry in self.journal.read(0) if isinstance(entry, kind)]

    def alerts(self, **wanted: Any) -> list[Alert]:
        return list(self.store.alerts(AlertFilter(**wanted), after=None, limit=100).items)

    async def until(self, done: Callable[[], object]) -> None:
        """Wait until something has come about."""
        deadline = time.monotonic() + SOON
        while not done():
            assert time.monotonic() < deadline, "it did not come about"
            await asyncio.sleep(0.005)

    async def end(self, running: "asyncio.Task[None]") -> None:
        for device in self._devices:
            device.close()
        await self.front.close()
        self.pipeline.close_the_door()
        await self.commits.close()
        self.pipeline.stop()
        await running
        await self.pipeline.close()
        self.journal.close()
        self.store.close()
        self.sockets.__exit__(None, None, None)


class Device:
    """A connection with the codec on the other side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._packets = PacketReader(1 << 20)
        self._came: list[Packet] = []
        self._last_id = 0

    async def sign_in(
        self,
        key: IdentityKey,
        password: bytes | None,
        *,
        keep_alive: int = 60,
        clean_session: bool = True,
        will: Will | None = None,
        username: str | None = None,
        client_id: str | None = None,
    ) -> Connack:
        self.write(
            connect(
                str(key) if client_id is None else client_id,
                username=f"{HOST}/{key}/?api-version=2021-04-12" if username is None else username,
                password=password,
                keep_alive=keep_alive,
                clean_session=clean_session,
                will=will,
            )
        )
        return await self.next(Connack)

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def publish(self, topic: str, payload: bytes = b"", qos: int = 1, **flags: Any) -> int:
        """Send a PUBLISH and return its packet id."""
        self._last_id = self._last_id % 0xFFFF + 1 if qos else self._last_id
        self.write(publish(topic, payload, qos=qos, packet_id=self._last_id if qos else 0, **flags))  # type: ignore[arg-type]
        return self._last_id

    async def subscribe(self, *filters: str, qos: int = 1) -> tuple[int, ...]:
        self._last_id += 1
        self.write(subscribe(self._last_id, [Subscription(one, qos) for one in filters]))  # type: ignore[arg-type]
        return (await self.next(Suback)).codes

    async def next(self, kind: type[Found] = Packet) -> Found:  # type: ignore[assignment]
        """Return the next packet, which is of a kind; raises ConnectionError where the server hangs up."""
        async with asyncio.timeout(SOON):
            while not self._came:
                data = await self._reader.read(1 << 16)
                if not data:
                    raise ConnectionResetError
                self._came += self._packets.feed(data)
        packet = self._came.pop(0)
        assert isinstance(packet, kind), packet
        return packet

    async def answer(self, topic: str, payload: bytes = b"") -> Publish:
        """Publish something, and return the PUBLISH that comes back."""
        self.publish(topic, payload, qos=0)
        return await self.next(Publish)

    async def is_closed(self) -> bool:
        """Whether the server has hung up, soon, without another packet."""
        with suppress(ConnectionError):
            await self.next()
            return False
        self.close()
        return True

    async def hears_nothing(self, seconds: float = 0.1) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.next()
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Go without a word."""
        connection = self._writer.get_extra_info("socket")
        if connection is None:
            return
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._writer.transport.abort()


@asynccontextmanager
async def rig(
    folder: Path, *groups: SecurityGroup, gateway: Gateway | None = None, **settings: Any
) -> AsyncIterator[Rig]:
    made = Rig(
        folder,
        groups or (SecurityGroup(name="default"),),
        Settings(
            http=Http(),
            mqtt=Mqtt(port=0),
            amqp=Amqp(port=0, enabled=settings.pop("amqp", False)),
            gateway=gateway or Gateway(device_ca_file=folder / "data" / "tls" / "devices.pem"),
            **settings,
        ),
    )
    running = asyncio.create_task(made.pipeline.run())
    try:
        yield made
    finally:
        await made.end(running)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test to its end, on the event loop of the service."""
    uvloop.run(work)


__all__ = ["HOST", "SECURITY", "Authentication", "Device", "Entry", "Rig", "now", "rig", "run"]
