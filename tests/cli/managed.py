"""A real service for the tests of the commands that manage it, and how they run such a command."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.invocation import lines_of, run
from tests.serving import READY, Serving, until
from typer.testing import Result

Json = dict[str, Any]


class Managed:
    """A service, and the command line on it; `done` and `refused` are what a command says."""

    def __init__(self, folder: Path) -> None:
        self.serving = Serving(folder)
        self._events = 0

    def run(self, *arguments: object, stdin: bytes | None = None) -> Result:
        return run(*arguments, "--url", self.serving.url, "--data", self.serving.folder, stdin=stdin)

    def done(self, *arguments: object, stdin: bytes | None = None) -> str:
        result = self.run(*arguments, stdin=stdin)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def refused(self, *arguments: object) -> str:
        result = self.run(*arguments)
        assert (result.exit_code, result.stdout) == (2, ""), result.stdout + result.stderr
        return result.stderr

    def reports(self, *arguments: object) -> list[Json]:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return lines_of(result)

    def token(self, *grants: str) -> str:
        """Return a new token with these grants."""
        options = [word for grant in grants for word in ("--grant", grant)]
        return self.done("tokens", "create", f"of {' '.join(grants)}", *options, "--quiet").strip()

    def send(self, device_id: str, events: list[Json]) -> None:
        """Let a device send a message."""
        body = {"AgentVersion": "0.0.1", "AgentId": "0", "MessageSchemaVersion": "1.0", "Events": events}
        self.serving.send(device_id, json.dumps(body).encode()).raise_for_status()

    def connect(self, device_id: str, *addresses: str) -> list[Json]:
        """Let a device call some addresses, and return its open alerts once there is one for each."""
        events = [self._connection(address) for address in addresses]
        self.send(device_id, events)
        found: list[Json] = until(lambda: self._alerts_of(device_id, addresses), READY)
        return found

    def _connection(self, address: str) -> Json:
        self._events += 1
        facts = {"Protocol": "tcp", "Direction": "Out", "RemoteAddress": address, "RemotePort": "4444"}
        return event("ConnectionCreate", self._events, {**facts, "Executable": "/usr/bin/nc"})

    def _alerts_of(self, device_id: str, addresses: tuple[str, ...]) -> list[Json] | None:
        found = self.serving.alerts(device_id=device_id, state="Active")
        by_value = {alert["value"]: alert for alert in found}
        return [by_value[one] for one in addresses] if by_value.keys() >= set(addresses) else None


def event(name: str, number: int, facts: Json) -> Json:
    """Return an event of a legacy agent, which happens now."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "Category": "Triggered",
        "EventType": "Security",
        "IsOperational": False,
        "Name": name,
        "PayloadSchemaVersion": "1.0",
        "Id": f"00000000-0000-0000-0000-{number:012}",
        "TimestampLocal": now,
        "TimestampUTC": now,
        "IsEmpty": False,
        "Payload": [facts],
    }


def running(folder: Path) -> Iterator[Managed]:
    """Yield a service on a new folder, and see that it ends in order."""
    managed = Managed(folder / "data")
    yield managed
    assert managed.serving.stop() == 0


def alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test work in a folder of its own, without the settings of this machine."""
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("FENCEPOST_")]:
        monkeypatch.delenv(name)
