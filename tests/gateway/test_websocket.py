"""MQTT inside of a web socket, on the port of the API, tried on a real service."""

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from tests.said import message, process
from tests.serving import Serving, until
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)

from fencepost.model.sas import sign
from fencepost.wire.mqtt.packets import Connack, Packet, Pingresp, Puback
from fencepost.wire.mqtt.reading import PacketReader
from fencepost.wire.mqtt.writing import connect, pingreq, publish

PATH = "/$iothub/websocket?iothub-no-client-cert=true"
SECURITY = "%24.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1"
FAR = 4_000_000_000


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    service = Serving(tmp_path_factory.mktemp("websocket") / "data")
    rules = {"rules": [{"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]}]}
    service.admin.put("/v1/groups/default", json=rules).raise_for_status()
    service.admin.put("/devices/cam-1?api-version=2021-04-12", json={"deviceId": "cam-1"}).raise_for_status()
    yield service
    assert service.stop() == 0


class Client:
    """A web socket's client side over a blocking socket."""

    def __init__(
        self,
        serving: Serving,
        path: str = PATH,
        protocols: tuple[str, ...] = ("mqtt",),
        context: ssl.SSLContext | None = None,
    ) -> None:
        port = int(serving.url.rpartition(":")[2])
        raw = socket.create_connection(("127.0.0.1", port), 10)
        secure: ssl.SSLContext = context or serving.context()
        self._socket = secure.wrap_socket(raw, server_hostname="localhost")
        self._web = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self._packets = PacketReader(1 << 20)
        self._came: list[Packet] = []
        self._socket.sendall(
            self._web.send(Request(host="localhost", target=path, subprotocols=list(protocols)))
        )
        self.answer = self.event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, event: Event) -> None:
        self._socket.sendall(self._web.send(event))

    def write(self, data: bytes) -> None:
        self.send(BytesMessage(data=data))

    def event(self) -> Any:
        while not self._events:
            data = self._socket.recv(1 << 16)
            self._web.receive_data(data or None)
            self._events += self._web.events()
        return self._events.pop(0)

    def packet(self) -> Packet:
        while not self._came:
            self._came += self._packets.feed(bytes(self.event().data))
        return self._came.pop(0)

    def sign_in(self, serving: Serving) -> Packet:
        keys = json.loads((serving.folder / "hub.json").read_text())
        token = sign("localhost", keys["device"]["primary"], FAR, "device")
        user = "localhost/cam-1/?api-version=2021-04-12"
        packet = connect("cam-1", username=user, password=token.encode(), keep_alive=60)
        for byte in range(len(packet)):  # however it is cut
            self.write(packet[byte : byte + 1])
        return self.packet()


def test_a_device_sends_through_a_web_socket_as_it_would_without(serving: Serving) -> None:
    with Client(serving) as client:
        assert isinstance(client.answer, AcceptConnection)
        assert client.answer.subprotocol == "mqtt"
        assert client.sign_in(serving) == Connack()
        topic = f"devices/cam-1/messages/events/{SECURITY}"
        client.write(publish(topic, message(process("/opt/x/evil")), qos=1, packet_id=7) + pingreq())
        assert {client.packet(), client.packet()} == {Puback(7), Pingresp()}
        until(lambda: serving.alerts(device_id="cam-1"))
        client.send(Ping(payload=b"there?"))
        assert client.event() == Pong(payload=b"there?")
        client.send(CloseConnection(code=1000))
        assert isinstance(client.event(), CloseConnection)
    until(lambda: serving.figure("fencepost_devices_connected ") == 0)


def test_a_subprotocol_that_nobody_speaks_is_refused(serving: Serving) -> None:
    with Client(serving, protocols=("soap",)) as client:
        assert isinstance(client.answer, RejectConnection)
        assert client.answer.status_code == 400


def test_another_path_has_no_web_sockets(serving: Serving) -> None:
    with Client(serving, path="/v1/alerts") as client:
        assert isinstance(client.answer, RejectConnection)
        assert client.answer.status_code == 401


def test_text_is_not_spoken(serving: Serving) -> None:
    with Client(serving) as client:
        client.send(TextMessage(data="hello"))
        answer = client.event()
        assert isinstance(answer, CloseConnection)
        assert answer.code == 1003


def test_bytes_that_are_no_frames_end_the_connection(serving: Serving) -> None:
    with Client(serving) as client:
        client._socket.sendall(b"\xff" * 100)
        try:
            while client._socket.recv(1 << 16):
                pass
        except OSError:
            pass
    until(lambda: serving.figure("fencepost_devices_connected ") == 0)


def test_the_service_ends_while_web_sockets_are_open(tmp_path: Path) -> None:
    service = Serving(tmp_path / "data")
    with Client(service) as client:
        assert isinstance(client.answer, AcceptConnection)
        assert service.stop() == 0


def test_a_request_with_bytes_that_are_no_text_is_no_fault_of_ours(serving: Serving) -> None:
    before = serving.log()
    context: ssl.SSLContext = serving.context()
    for header in (b"Host: \xff\xfe", b"Upgrade: websocket\xff", b"Sec-WebSocket-Protocol: \xc3("):
        raw = socket.create_connection(("127.0.0.1", int(serving.url.rpartition(":")[2])), 10)
        with context.wrap_socket(raw, server_hostname="localhost") as stream:
            lines = [
                b"GET /$iothub/websocket HTTP/1.1",
                b"Host: localhost",
                b"Connection: Upgrade",
                b"Upgrade: websocket",
                b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                header,
            ]
            stream.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
            while stream.recv(1 << 16):
                pass
    assert "Traceback" not in serving.log().removeprefix(before)
