"""What a legacy agent says, as bytes: for tests that go through the door."""

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

_numbers = count(1)


def process(executable: str, at: datetime | None = None, *, digest: str | None = None) -> dict[str, Any]:
    payload: dict[str, Any] = {"Executable": executable, "CommandLine": executable, "UserId": "0"}
    if digest is not None:
        payload["ExtraDetails"] = {"Hash": digest}
    return _event("ProcessCreate", at, payload)


def sign_in(user: str | None, uid: str | None = None, at: datetime | None = None) -> dict[str, Any]:
    payload = {"Result": "Success", "Operation": "login", "RemoteAddress": "198.51.100.7"}
    named = {"UserName": user, "UserId": uid}
    return _event("Login", at, payload | {name: value for name, value in named.items() if value is not None})


def failed_login(at: datetime | None = None, user: str = "root") -> dict[str, Any]:
    payload = {"Result": "Fail", "Operation": "login", "UserName": user, "RemoteAddress": "198.51.100.7"}
    return _event("Login", at, payload)


def call(remote: str, at: datetime | None = None, *, port: str = "443") -> dict[str, Any]:
    payload = {
        "Direction": "Out",
        "Protocol": "tcp",
        "RemoteAddress": remote,
        "RemotePort": port,
        "LocalAddress": "10.0.0.2",
        "LocalPort": "",
        "Executable": "/usr/bin/agent",
        "ProcessId": 7,
    }
    return _event("ConnectionCreate", at, payload)


def message(*events: dict[str, Any]) -> bytes:
    """Return a message with these events; each is another message than the one before."""
    return json.dumps(
        {
            "AgentVersion": "0.0.5",
            "AgentId": f"agent-{next(_numbers)}",
            "MessageSchemaVersion": "1.0",
            "Events": events,
        }
    ).encode()


def _event(name: str, at: datetime | None, payload: dict[str, Any]) -> dict[str, Any]:
    moment = (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    return {
        "EventType": "Security",
        "Category": "Triggered",
        "Name": name,
        "IsEmpty": False,
        "PayloadSchemaVersion": "1.0",
        "Id": f"event-{next(_numbers)}",
        "TimestampLocal": moment,
        "TimestampUTC": moment,
        "Payload": [payload],
    }
