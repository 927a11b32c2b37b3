"""How a connection begins, and what is no beginning of one."""

import asyncio
import gc
import random
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.gateway.amqp.client import (
    Client,
    Hub,
    RefusedError,
    audience_of,
    break_down,
    hub,
    plain,
    replace,
    sasl_init,
    written,
)
from tests.gateway.clients.certificates import self_signed
from tests.gateway.rig import run

from fencepost.gateway.amqp import protocol
from fencepost.gateway.amqp.connection import DeviceConnection
from fencepost.gateway.amqp.engine import Engine
from fencepost.gateway.amqp.sasl import AMQP_HEADER, AUTH, OK, SASL_HEADER, SYS_TEMP
from fencepost.model.identity import SECURITY_MODULE, Authentication, IdentityKey

CAM = IdentityKey("cam-1")
MODULE = IdentityKey("cam-1", SECURITY_MODULE)
EVENTS = "/devices/cam-1/messages/events"


@pytest.mark.parametrize("mechanism", ["ANONYMOUS", "MSSBCBS"])
def test_who_is_anonymous_puts_a_token_later(tmp_path: Path, mechanism: str) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client(sasl=sasl_init(mechanism))
            assert await client.put_token(audience_of(CAM), await one.rig.token(CAM)) == (200, "OK")
            assert await client.send(await client.sender(EVENTS), written(b"x")) == "accepted"

    run(work())


@pytest.mark.parametrize(
    ("user", "key", "address"),
    [
        ("cam-1@sas.contoso", CAM, EVENTS),
        (f"cam-1/{SECURITY_MODULE}@sas.contoso", MODULE, "/devices/cam-1/modules/azureiotsecurity/twin"),
    ],
)
def test_a_password_of_plain_is_a_token(tmp_path: Path, user: str, key: IdentityKey, address: str) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            await one.rig.add("cam-2")
            client = await one.client(sasl=plain(user, await one.rig.token(key)))
            await client.sender(address)
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await client.sender("/devices/cam-2/messages/events")

    run(work())


def test_a_wrong_password_is_refused_and_the_connection_closed(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            token = await one.rig.token(CAM)
            frames = (
                plain("cam-1@sas.hub", token + "x"),
                plain("cam-1@sas.hub", await one.rig.token(CAM, lives=-1)),
                plain("nobody@sas.hub", token),
                plain("cam-1", token),
                plain("service@sas.root.hub", token),
                sasl_init("PLAIN", b"cam-1"),
                sasl_init("EXTERNAL"),
                sasl_init("SCRAM-SHA-256", b"x"),
            )
            for frame in frames:
                client = await one.stranger()
                assert await client.authenticate(frame) == AUTH
                await client.is_gone()
            await one.rig.until(lambda: not one.traffic.open)
            assert one.gateway.counters.unauthorized == 4

    run(work())


def test_a_store_that_is_away_is_no_refusal(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            frame = plain("cam-1@sas.hub", await one.rig.token(CAM))

            break_down(one.gateway.registry, "find")
            client = await one.stranger()
            assert await client.authenticate(frame) == SYS_TEMP
            await client.is_gone()

    run(work())


def test_a_token_of_plain_ends_the_connection_with_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client(sasl=plain("cam-1@sas.hub", await one.rig.token(CAM, lives=1)))
            link = await client.sender(EVENTS)
            assert await client.ended(link) == "amqp:unauthorized-access"
            assert await client.closed() == "amqp:unauthorized-access"

    run(work())


def test_external_goes_with_a_certificate(tmp_path: Path) -> None:
    async def work() -> None:
        shown = self_signed(tmp_path, "cam-1")
        async with hub(tmp_path) as one:
            known = Authentication(type="selfSigned", primary_thumbprint=shown.sha256)
            await one.rig.add("cam-1", authentication=known)
            client = await one.client(certificate=shown, sasl=sasl_init("EXTERNAL"))
            await client.sender(EVENTS)

    run(work())


def test_a_client_may_say_everything_at_once(tmp_path: Path) -> None:
    """Headers, SASL and open, before the first byte of an answer."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.stranger()
            client.writer.write(SASL_HEADER + plain("cam-1@sas.hub", await one.rig.token(CAM)))
            client.begin()
            await client.skip_sasl()
            await client.listen()
            assert await client.send(await client.sender(EVENTS), written(b"x")) == "accepted"

    run(work())


def test_a_client_may_say_it_byte_by_byte(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.stranger()
            for byte in SASL_HEADER + sasl_init("ANONYMOUS"):
                client.writer.write(bytes([byte]))
                await client.writer.drain()
                await asyncio.sleep(0)
            await client.skip_sasl()
            await client.open()
            await client.sender("$cbs")

    run(work())


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"AMQP\x00\x00\x09\x01",
        b"AMQP\x02\x01\x00\x00",
        b"\x10\x0e\x00\x04MQTT\x04\x02",
        SASL_HEADER + SASL_HEADER,
        SASL_HEADER + AMQP_HEADER,
        SASL_HEADER + struct.pack(">IBBH", 1 << 30, 2, 1, 0),
        AMQP_HEADER + AMQP_HEADER,
        AMQP_HEADER + struct.pack(">IBBH", 1 << 30, 2, 0, 0),
        AMQP_HEADER + struct.pack(">IBBH", 4, 2, 0, 0),
        AMQP_HEADER + struct.pack(">IBBH", 16, 2, 1, 0) + bytes(8),
    ],
)
def test_what_is_no_amqp_is_shown_out(tmp_path: Path, beginning: bytes) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.stranger()
            client.writer.write(beginning)
            await client.is_gone()
            await one.rig.until(lambda: not one.traffic.open)
            assert one.traffic.malformed == 1

    run(work())


def test_sasl_cannot_be_had_twice(tmp_path: Path) -> None:
    """The library would take a second one by itself."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.stranger()
            assert await client.authenticate(sasl_init("ANONYMOUS")) == OK
            client.writer.write(SASL_HEADER + sasl_init("ANONYMOUS"))
            await client.is_gone()
            assert one.traffic.malformed == 1

    run(work())


@pytest.mark.parametrize("beginning", [b"", b"AMQP", SASL_HEADER, SASL_HEADER + sasl_init("PLAIN")[:20]])
def test_a_beginning_must_be_there_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    async def work() -> None:
        monkeypatch.setattr(protocol, "BEGINNING", 0.1)
        async with hub(tmp_path) as one:
            client = await one.stranger()
            client.writer.write(beginning)
            await client.is_gone()
            assert one.traffic.late == 1

    run(work())


def test_nobody_fills_our_memory_while_a_password_is_checked(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            gate = asyncio.Event()

            async def slow(*_: Any) -> Any:
                await gate.wait()

            replace(one.gateway.registry, "find", slow)
            client = await one.stranger()
            client.writer.write(SASL_HEADER + plain("cam-1@sas.hub", "x"))
            client.writer.write(bytes(protocol.MOST_WAITING * 2))
            await client.is_gone()
            assert one.traffic.malformed == 1
            await one.rig.until(lambda: not living(DeviceConnection))

    run(work())


def test_nothing_is_read_of_a_stranger_that_does_not_read(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            reads: list[str] = []
            transport: Any = SimpleNamespace(
                pause_reading=lambda: reads.append("paused"),
                resume_reading=lambda: reads.append("resumed"),
                get_extra_info=lambda name, default=None: default,
                is_closing=lambda: False,
                write=lambda data: None,
            )
            stranger = protocol.amqp_protocol(one.gateway)
            stranger.connection_made(transport)
            stranger.pause_writing()
            assert reads == ["paused"]
            stranger.resume_writing()
            stranger.pause_writing()
            assert reads == ["paused", "resumed", "paused"]
            stranger.data_received(AMQP_HEADER)
            stranger.resume_writing()
            assert reads[-1] == "resumed"
            stranger.connection_lost(None)

    run(work())


def living(kind: type) -> list[Any]:
    gc.collect()
    return [made for made in gc.get_objects() if isinstance(made, kind)]


def said_by_a_device(one: Hub, token: str) -> bytes:
    """Return what a good client says from its first byte to its last, answered or not."""
    client = Client(asyncio.StreamReader(), Recorder())  # type: ignore[arg-type]
    client.begin()
    for number, address in enumerate(("$cbs", EVENTS, "/devices/cam-1/twin")):
        sender, receiver = client.session.sender(f"s{number}"), client.session.receiver(f"r{number}")
        sender.target.address = receiver.source.address = address
        for link in (sender, receiver):
            link.open()
        receiver.flow(10)
    client.connection.close()
    client.flush()
    return plain("cam-1@sas.hub", token) + bytes(client.writer.written)  # type: ignore[attr-defined]


class Recorder:
    """Stands for a stream that is written to."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        pass


def test_300_malformed_connections_leave_nothing_behind(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - to be the same again

    def spoilt(good: bytes) -> bytes:
        data = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data[: chance.randrange(1, len(data))]) if chance.random() < 0.5 else bytes(data)

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            good = said_by_a_device(one, await one.rig.token(CAM))
            tasks = len(asyncio.all_tasks())
            for _ in range(30):
                strangers = [await one.stranger() for _ in range(10)]
                for client in strangers:
                    begins = SASL_HEADER if chance.random() < 0.5 else AMQP_HEADER
                    client.writer.write(begins + spoilt(good))
                await asyncio.sleep(0.02)
                for client in strangers:
                    client.reset()
            await one.rig.until(lambda: not one.traffic.open)
            await one.rig.until(lambda: len(asyncio.all_tasks()) <= tasks)
            one.clients.clear()
            assert [living(kind) for kind in (protocol.AmqpProtocol, DeviceConnection, Engine)] == [[]] * 3
            assert one.gateway.sessions.count() == 0

    run(work())
