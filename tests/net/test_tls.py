"""TLS for devices, tried with Python's own client: whatever certificate it shows, the handshake comes to an end."""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fencepost.model.errors import OperatorError
from fencepost.net.entrance import Admission
from fencepost.net.listener import TlsListener
from fencepost.net.tls import PeerCertificate, server_context
from fencepost.net.traffic import Traffic
from fencepost.setup.certificates import certificate_pem, key_pem, new_authority, new_key, new_server

NOW = datetime.now(UTC)
Run = Callable[[Any], Any]


class Files:
    """A server's certificate and its authority, an authority of devices, and clients' certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority_key, key = new_key(), new_key()
        authority = new_authority(authority_key, NOW)
        server = new_server(authority, authority_key, key.public_key(), ["localhost"], NOW)
        self.ca = self._write("ca.pem", certificate_pem(authority))
        self.certificate = self._write("server.pem", certificate_pem(server))
        self.key = self._write("server.key", key_pem(key))
        self._device_key = new_key()
        self._device_authority = new_authority(self._device_key, NOW)
        self.devices = self._write("devices.pem", certificate_pem(self._device_authority))

    def client(self, name: str, *, is_signed: bool, days: int = 30) -> tuple[Path, bytes]:
        """Return the file of a client's certificate and key, and its DER."""
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signer = (self._device_authority.subject, self._device_key) if is_signed else (subject, key)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=60))
            .not_valid_after(NOW + timedelta(days=days))
            .sign(_ec(signer), hashes.SHA256())
        )
        file = self._write(f"{name}.pem", certificate_pem(made) + key_pem(key))
        return file, made.public_bytes(serialization.Encoding.DER)

    def _write(self, name: str, content: bytes) -> Path:
        (self.folder / name).write_bytes(content)
        return self.folder / name


def _ec(key: Any) -> ec.EllipticCurvePrivateKey:
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


class Echo(asyncio.Protocol):
    """Sends back what comes, and remembers who it was."""

    def __init__(self, seen: list["Echo"]) -> None:
        seen.append(self)
        self.came = bytearray()
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.peer: PeerCertificate | None = transport.get_extra_info("peer_certificate")

    def data_received(self, data: bytes) -> None:
        self.came += data
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


class Served:
    """A listener with an echo behind it."""

    def __init__(self, files: Files, **admission: Any) -> None:
        self.files = files
        self.seen: list[Echo] = []
        self.traffic = Traffic()
        sock = socket.create_server(("127.0.0.1", 0))
        self.port: int = sock.getsockname()[1]
        self.listener = TlsListener(
            sock,
            server_context(files.certificate, files.key, files.devices),
            lambda: Echo(self.seen),
            Admission(**{"connections": 100, "handshake_seconds": 1.0, **admission}),
            self.traffic,
        )
        self.listener.open()

    async def connect(
        self, client: Path | None = None, *, only: ssl.TLSVersion | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context(cafile=str(self.files.ca))
        if only is not None:
            context.minimum_version = context.maximum_version = only
        if client is not None:
            context.load_cert_chain(client)
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname="localhost")

    async def said_back(self, data: bytes, client: Path | None = None, **how: Any) -> bytes:
        reader, writer = await self.connect(client, **how)
        writer.write(data)
        back = await reader.readexactly(len(data))
        writer.close()
        return back


@asynccontextmanager
async def served(files: Files, **admission: Any) -> AsyncIterator[Served]:
    one = Served(files, **admission)
    try:
        yield one
    finally:
        await one.listener.close()
        assert one.traffic.open == 0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_without_a_certificate_is_let_in(files: Files, version: ssl.TLSVersion) -> None:
    async def run() -> None:
        async with served(files) as one:
            assert await one.said_back(b"hello", only=version) == b"hello"
            assert one.seen[0].peer is None

    uvloop.run(run())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_unknown_self_signed_certificate_finishes_the_handshake_and_is_known_by_its_thumbprints(
    files: Files, version: ssl.TLSVersion
) -> None:
    async def run() -> None:
        client, der = files.client("cam-1", is_signed=False)
        async with served(files) as one:
            assert await one.said_back(b"hello", client, only=version) == b"hello"
            peer = one.seen[0].peer
        assert peer is not None
        assert peer.common_name == "cam-1"
        assert peer.sha1 == hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()
        assert peer.sha256 == hashlib.sha256(der).hexdigest().upper()
        assert not peer.is_signed
        assert peer.not_before < NOW < peer.not_after

    uvloop.run(run())


def test_a_certificate_that_an_authority_of_devices_signed_is_said_to_be_signed(files: Files) -> None:
    async def run() -> None:
        good, _ = files.client("cam-2", is_signed=True)
        old, _ = files.client("cam-3", is_signed=True, days=-1)
        async with served(files) as one:
            await one.said_back(b"x", good)
            await one.said_back(b"x", old)
            peers = [echo.peer for echo in one.seen]
        assert [peer is not None and peer.is_signed for peer in peers] == [True, False]

    uvloop.run(run())


def test_a_certificate_without_its_key_gets_nobody_in(files: Files) -> None:
    """A stolen certificate is public; its holder cannot sign the handshake."""

    async def run() -> None:
        client, _ = files.client("cam-4", is_signed=True)
        stolen = files.folder / "stolen.pem"
        certificate = client.read_bytes().partition(b"-----BEGIN PRIVATE")[0]
        stolen.write_bytes(certificate + key_pem(new_key()))
        async with served(files) as one:
            with pytest.raises(ssl.SSLError):
                await one.said_back(b"x", stolen)
            assert one.seen == []

    uvloop.run(run())


def test_a_megabyte_goes_through_in_both_directions(files: Files) -> None:
    async def run() -> None:
        data = bytes(range(256)) * 4096
        async with served(files) as one:
            assert await one.said_back(data) == data

    uvloop.run(run())


def test_older_versions_of_tls_are_refused(files: Files) -> None:
    async def run() -> None:
        async with served(files) as one:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await one.said_back(b"x", only=ssl.TLSVersion.TLSv1_1)

    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        uvloop.run(run())


def test_who_does_not_finish_the_handshake_is_closed_and_counted(files: Files) -> None:
    async def run() -> None:
        async with served(files, handshake_seconds=0.2) as one:
            reader, silent = await asyncio.open_connection("127.0.0.1", one.port)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            silent.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await asyncio.wait_for(reader.read(), 5)
            writer.close()
            await asyncio.sleep(0.05)
            assert one.traffic.handshakes == 2
            assert one.traffic.open == 0
            assert one.seen == []

    uvloop.run(run())


def test_garbage_behind_the_handshake_ends_the_connection(files: Files) -> None:
    async def run() -> None:
        async with served(files) as one:
            context = ssl.create_default_context(cafile=str(files.ca))
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(1 << 16))
            writer.write(outgoing.read() + b"this is no record of TLS" * 100)
            with suppress(ConnectionError):
                while await asyncio.wait_for(reader.read(1 << 16), 5):
                    pass
            writer.close()
            await asyncio.sleep(0.05)
            assert one.traffic.open == 0
            assert all(echo.is_lost for echo in one.seen)

    uvloop.run(run())


def test_what_comes_while_reading_is_paused_waits(files: Files) -> None:
    async def run() -> None:
        async with served(files) as one:
            _, writer = await one.connect()
            while not one.seen:
                await asyncio.sleep(0.01)
            echo = one.seen[0]
            echo.transport.pause_reading()
            writer.write(b"later" * 10_000)
            await asyncio.sleep(0.1)
            before = len(echo.came)
            await asyncio.sleep(0.1)
            assert len(echo.came) == before < 50_000
            echo.transport.resume_reading()
            while len(echo.came) < 50_000:
                await asyncio.sleep(0.01)
            writer.close()

    uvloop.run(run())


def test_what_was_written_before_the_close_still_arrives(files: Files) -> None:
    async def run() -> None:
        async with served(files) as one:
            reader, writer = await one.connect()
            while not one.seen:
                await asyncio.sleep(0.01)
            one.seen[0].transport.write(b"goodbye")
            one.seen[0].transport.close()
            assert await asyncio.wait_for(reader.read(), 5) == b"goodbye"
            writer.close()

    uvloop.run(run())


def test_so_many_connections_of_one_address_and_no_more(files: Files) -> None:
    async def run() -> None:
        async with served(files, of_one_address=2) as one:
            kept = [await one.connect() for _ in range(2)]
            with pytest.raises((ConnectionError, ssl.SSLError)):
                await one.connect()
            assert one.traffic.refused == 1
            kept[0][1].close()
            while one.traffic.open > 1:
                await asyncio.sleep(0.01)
            assert await one.said_back(b"room again") == b"room again"
            kept[1][1].close()

    uvloop.run(run())


def test_files_that_are_no_certificates_are_the_operators_problem(files: Files) -> None:
    with pytest.raises(OperatorError, match=r"server\.key.*must be PEM"):
        server_context(files.key, files.key)
    with pytest.raises(OperatorError, match=r"ca\.pem|server\.key"):
        server_context(files.ca, files.key)
