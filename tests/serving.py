"""A real `fencepost serve` in a process of its own, for the tests of what it promises."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

READY = 30
ANY_PORT = {f"FENCEPOST_{name}_PORT": "0" for name in ("HTTP", "MQTT", "AMQP")}


class Serving:
    """
    One service on a data folder; `start` it again after `stop` or `kill`.

    `admin`, `ingest` and `stranger` are clients with the token of a role each, or none.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self._settings = {f"FENCEPOST_{key.upper()}": value for key, value in settings.items()}
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self.start()

    def start(self, **settings: str) -> None:
        self._settings |= {f"FENCEPOST_{key.upper()}": value for key, value in settings.items()}
        self._log = (self.folder.parent / f"{self.folder.name}.log").open("a+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fencepost", "serve", "--data", str(self.folder), "--json"],
            env={**os.environ, **ANY_PORT, **self._settings},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.process.stdout.close()
            self._log.close()
            raise AssertionError(self.log())
        announced = json.loads(line)
        self.url = announced["url"]
        self.mqtt_port: int = announced["mqtt_port"]
        self.amqp_port: int | None = announced["amqp_port"]
        self.welcome_url: str | None = announced["welcome_url"]
        tokens = json.loads((self.folder / "tokens.json").read_text())
        self.admin = self.client(tokens["admin"])
        self.ingest = self.client(tokens["ingest"])
        self.metrics = self.client(tokens["metrics"])
        self.stranger = self.client(None)

    def client(self, token: str | None) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.Client(base_url=self.url, verify=self.context(), headers=headers, timeout=30)

    def context(self) -> Any:
        return ssl.create_default_context(cafile=str(self.folder / "tls" / "ca.pem"))

    def send(self, device_id: str, *bodies: bytes) -> httpx2.Response:
        return self.ingest.post(
            f"/v1/devices/{device_id}/messages",
            content=b"\n".join(bodies),
            headers={"Content-Type": "application/x-ndjson"},
        )

    def alerts(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return all alerts, page by page."""
        items: list[dict[str, Any]] = []
        after = None
        while True:
            asked = {"limit": 1000, **wanted, **({"after": after} if after else {})}
            page = self.admin.get("/v1/alerts", params=asked).raise_for_status().json()
            items += page["items"]
            after = page["next"]
            if after is None:
                return items

    def figure(self, name: str) -> float:
        lines = self.metrics.get("/metrics").raise_for_status().text.splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def settle(self, position: int | None = None) -> None:
        """Wait until all is committed that has been taken, at least up to a position."""
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline:
            idle = (
                self.figure("fencepost_waiting_entries ") == 0
                and self.figure("fencepost_waiting_bytes ") == 0
            )
            if idle and (position is None or self.figure("fencepost_position ") >= position):
                return
            time.sleep(0.02)
        raise AssertionError("the service did not settle")

    def log(self) -> str:
        return (self.folder.parent / f"{self.folder.name}.log").read_text(encoding="utf-8")

    def stop(self) -> int:
        """End the service by SIGTERM and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()
        for client in (self.admin, self.ingest, self.metrics, self.stranger):
            client.close()
        return code


def until(condition: Any, seconds: float = 10) -> Any:
    """Return the first true answer of a condition; fails where none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError("it did not come in time")
