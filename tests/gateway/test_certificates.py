"""Clients that show a certificate instead of a token, over HTTPS and inside of a web socket."""

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.gateway.test_websocket import Client
from tests.net.test_tls import Files
from tests.said import message, process
from tests.serving import Serving, until

from fencepost.wire.mqtt.packets import Connack
from fencepost.wire.mqtt.writing import connect

VERSION = "api-version=2021-04-12"
SECURITY = {"iothub-interface-id": "urn:azureiot:Security:SecurityAgent:1"}


class Fleet:
    """A service with a device that is known by a thumbprint, and one that a device authority signs."""

    def __init__(self, folder: Path) -> None:
        self.files = Files(folder)
        self.serving = Serving(folder / "data", gateway_device_ca_file=str(self.files.devices))
        self.own, der = self.files.client("any", is_signed=False)
        self.signed, _ = self.files.client("cam-2", is_signed=True)
        thumbprint = {"primaryThumbprint": hashlib.sha256(der).hexdigest()}
        self._add("cam-1", {"type": "selfSigned", "x509Thumbprint": thumbprint})
        self._add("cam-2", {"type": "certificateAuthority"})
        rules = {"rules": [{"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]}]}
        self.serving.admin.put("/v1/groups/default", json=rules).raise_for_status()

    def _add(self, device_id: str, authentication: dict[str, object]) -> None:
        body = {"deviceId": device_id, "authentication": authentication}
        self.serving.admin.put(f"/devices/{device_id}?{VERSION}", json=body).raise_for_status()

    def context(self, certificate: Path | None) -> ssl.SSLContext:
        context: ssl.SSLContext = self.serving.context()
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    def client(self, certificate: Path | None) -> httpx2.Client:
        return httpx2.Client(base_url=self.serving.url, verify=self.context(certificate), timeout=30)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(tmp_path_factory.mktemp("certificates"))
    yield made
    assert made.serving.stop() == 0


def send(client: httpx2.Client, device_id: str) -> int:
    body = message(process("/opt/evil"))
    path = f"/devices/{device_id}/messages/events?{VERSION}"
    return client.post(path, content=body, headers=SECURITY).status_code


def test_a_device_sends_by_its_certificate_and_only_what_is_its_own(fleet: Fleet) -> None:
    for certificate, device_id in ((fleet.own, "cam-1"), (fleet.signed, "cam-2")):
        with fleet.client(certificate) as client:
            assert send(client, device_id) == 204
            assert send(client, {"cam-1": "cam-2", "cam-2": "cam-1"}[device_id]) == 401
        until(lambda device_id=device_id: fleet.serving.alerts(device_id=device_id))
    with fleet.client(None) as client:
        assert send(client, "cam-1") == 401


def test_an_agent_gets_its_modules_key_by_the_certificate_of_its_device(fleet: Fleet) -> None:
    """So does the legacy agent with the identity `Device` and a self-signed certificate."""
    with fleet.client(fleet.own) as client:
        mine = client.get(f"/devices/cam-1/modules/azureiotsecurity?{VERSION}")
        assert mine.json()["authentication"]["symmetricKey"]["primaryKey"]
        assert client.get(f"/devices/cam-2/modules/azureiotsecurity?{VERSION}").status_code == 401
        assert client.delete(f"/devices/cam-1?{VERSION}").status_code == 401
    with fleet.client(None) as client:
        assert client.get(f"/devices/cam-1/modules/azureiotsecurity?{VERSION}").status_code == 401


def test_a_device_gets_into_a_web_socket_by_its_certificate(fleet: Fleet) -> None:
    for certificate, code in ((fleet.own, 0), (fleet.signed, 5)):
        with Client(fleet.serving, context=fleet.context(certificate)) as client:
            client.write(connect("cam-1", username=f"localhost/cam-1/?{VERSION}", keep_alive=60))
            assert client.packet() == Connack(code)


def test_a_program_without_credentials_is_refused_and_counted(fleet: Fleet) -> None:
    figure = 'fencepost_refused_requests_total{reason="unauthorized"}'
    before = fleet.serving.figure(figure)
    assert fleet.serving.stranger.get(f"/devices?{VERSION}").status_code == 401
    assert fleet.serving.figure(figure) == before + 1
