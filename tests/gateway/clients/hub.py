"""A running Fencepost that stands where the IoT Hub stood: on the hub's ports, with the hub's connection strings."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx2
from tests.gateway.clients.address import AMQPS, HTTPS, MQTTS, is_free
from tests.gateway.clients.certificates import Authority
from tests.serving import Serving, until

from fencepost.model.identity import SECURITY_MODULE
from fencepost.model.sas import sign

FORMER_HOST = "contoso.azure-devices.net"
"""The host name in the connection strings that devices had before."""
WRONG_KEY = "c3VjaCBhIGtleSBkb2VzIG5vdCBleGlzdA=="
_API = {"api-version": "2021-04-12"}


class Registered(NamedTuple):
    """A device, or a module of it, with its primary key."""

    device_id: str
    key: str
    connection_string: str


class Hub:
    """
    One service, prepared by `fencepost init`, on an address of its own.

    `serving` is the service as our own clients see it, `rest` the service API of IoT Hub with the owner's policy.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self.address = address
        self.authority = Authority(folder)
        self.is_on_https_port = is_free(address, HTTPS)
        port = HTTPS if self.is_on_https_port else _any_port(address)
        settings = {
            "http_host": address,
            "http_port": str(port),
            "mqtt_host": address,
            "mqtt_port": str(MQTTS),
            "amqp_host": address,
            "amqp_port": str(AMQPS),
            "gateway_hostnames": FORMER_HOST,
            "gateway_device_ca_file": str(self.authority.file),
        }
        report = _initialised(folder / "data", address, settings)
        self.connection_string: str = report["iothub_connection_string"]
        self.id_scope: str = report["id_scope"]
        self.enrollment_key: str = report["enrollment_key"]
        self.ca_file: str = report["ca_file"]
        self.serving = Serving(folder / "data", **settings)
        self._url = f"https://{address}:{port}"
        self._find()
        self.rest = self.client(self._owners_token())
        self._numbers = count(1)
        rules = {"rules": [{"type": "ProcessNotAllowed", "allow": ["/usr/bin/agent"]}]}
        self.serving.admin.put("/v1/groups/default", json=rules).raise_for_status()

    def client(self, token: str) -> httpx2.Client:
        """Return a client of the hub's own API that shows a shared access signature."""
        return httpx2.Client(
            base_url=self.serving.url,
            verify=self.serving.context(),
            headers={"Authorization": token},
            params=_API,
            timeout=30,
        )

    def restart(self) -> None:
        """End the service and start it again: every connection ends."""
        assert self.serving.stop() == 0, self.serving.log()
        self.serving.start()
        self._find()

    def register(self, name: str, **identity: Any) -> Registered:
        """Register a device whose id begins with `name`; without more, it signs in by a key."""
        device_id = f"{name}-{next(self._numbers)}"
        answer = self.rest.put(f"/devices/{device_id}", json={"deviceId": device_id, **identity})
        return self._registered(answer.raise_for_status().json())

    def module(self, device: Registered, module_id: str = SECURITY_MODULE) -> Registered:
        """Return a module with its key, as the device itself may ask for it."""
        resource = f"{self.address}/devices/{device.device_id}"
        with self.client(sign(resource, device.key, int(time.time()) + 3600)) as client:
            answer = client.get(f"/devices/{device.device_id}/modules/{module_id}")
        return self._registered(answer.raise_for_status().json())

    def twin(self, device_id: str) -> dict[str, Any]:
        twin: dict[str, Any] = self.rest.get(f"/twins/{device_id}").raise_for_status().json()
        return twin

    def patch_twin(self, device_id: str, **patch: Any) -> dict[str, Any]:
        answer = self.rest.patch(f"/twins/{device_id}", json=patch, headers={"If-Match": '"*"'})
        twin: dict[str, Any] = answer.raise_for_status().json()
        return twin

    def invoked(self, device_id: str, name: str, payload: Any) -> dict[str, Any] | None:
        """
        Call a method of a device and return `status` and `payload` of its answer.

        None where it does not listen yet: some SDKs do not tell when they do.
        """
        call = {"methodName": name, "payload": payload, "responseTimeoutInSeconds": 10}
        answer = self.rest.post(f"/twins/{device_id}/methods", json=call)
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return None
        result: dict[str, Any] = answer.raise_for_status().json()
        return result

    def send(self, device_id: str, body: bytes, **headers: str) -> None:
        """Send a message to a device."""
        path = f"/devices/{device_id}/messages/deviceBound"
        self.rest.post(path, content=body, headers=headers).raise_for_status()

    def pending(self, device_id: str) -> int:
        """Return how many messages wait for a device."""
        device = self.rest.get(f"/devices/{device_id}").raise_for_status().json()
        return int(device["cloudToDeviceMessageCount"])

    def alert(self, device_id: str) -> dict[str, Any]:
        """Return a device's alert, as soon as there is one; fails where it has several."""
        alerts = until(lambda: self.serving.alerts(device_id=device_id))
        assert len(alerts) == 1
        alert: dict[str, Any] = alerts[0]
        return alert

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.rest.close()
        code, log = self.serving.stop(), self.serving.log()
        assert code == 0, log
        assert not list(_errors(log)), "the service has seen no fault of its own"

    def _find(self) -> None:
        """Tell our own clients the address: the service says localhost, as others would have it."""
        serving = self.serving
        serving.url = self._url
        for client in (serving.admin, serving.ingest, serving.metrics, serving.stranger):
            client.base_url = self._url

    def _registered(self, identity: dict[str, Any]) -> Registered:
        device_id, module_id = identity["deviceId"], identity.get("moduleId")
        key = (identity["authentication"].get("symmetricKey") or {}).get("primaryKey") or ""
        which = f"DeviceId={device_id}" + (f";ModuleId={module_id}" if module_id else "")
        secret = f"SharedAccessKey={key}" if key else "x509=true"
        return Registered(device_id, key, f"HostName={self.address};{which};{secret}")

    def _owners_token(self) -> str:
        parts = dict(part.split("=", 1) for part in self.connection_string.split(";"))
        expires_at = int(time.time()) + 86_400
        return sign(parts["HostName"], parts["SharedAccessKey"], expires_at, parts["SharedAccessKeyName"])


def _initialised(folder: Path, address: str, settings: dict[str, str]) -> dict[str, Any]:
    variables = {f"FENCEPOST_{name.upper()}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "fencepost", "init", "--data", folder, "--hostname", address, "--json"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _any_port(address: str) -> int:
    with socket.create_server((address, 0)) as server:
        return int(server.getsockname()[1])


def _errors(log: str) -> Iterator[str]:
    for line in log.splitlines():
        if '"level": "error"' in line or '"level":"error"' in line or "Traceback" in line:
            yield line
