"""
What an edit of a large group costs while messages come in (docs/performance.md).

Run from a checkout: `python -m bench.edit`, `python -m bench.edit --devices 5000 --alerts 1000 --json`.

A real `fencepost serve` on a data folder of its own, one group with five rules and all the devices in it, each of
which has filled a window of every range rule. In each round so many devices call an address that is not allowed;
then, while other messages come in at a steady rate, a PUT of the group allows this address and no longer allows
another one, which probes call all the time: the first probe that alerts was judged by the new rule.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs as a file as well as a module

from bench.command import parser_of, run, say
from bench.ingest import Service, serving
from bench.load import Sent, request, send

GROUP = "edited"
TRAP = "192.0.2.77"
"""What probes call: allowed until the edit."""
BEFORE, AFTER = 5.0, 8.0
"""Seconds of steady load before the edit, and from it on."""
PROBE_EVERY = 0.02
CONNECTIONS = 16
PATIENCE = 120.0


def stranger(number: int) -> str:
    return f"203.0.113.{number}"


def group(allowed: Sequence[str]) -> dict[str, Any]:
    window = {"min": 0, "max": 1000, "window": "PT5M"}
    return {
        "members": {"globs": ["dev-*", "probe-*"]},
        "rules": [
            {"type": "ActiveConnectionsNotInAllowedRange", **window},
            {"type": "FailedLocalLoginsNotInAllowedRange", **window},
            {"type": "ConnectionToIpNotAllowed", "allow": ["198.51.100.0/24", *allowed]},
            {"type": "LocalUserNotAllowed", "allow": ["root"]},
            {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]},
        ],
    }


def message(device_id: str, number: int, remote: str) -> bytes:
    """Return a message with a call, a failed login and a process: all of the group's rules have to do with it."""
    at = datetime.now(UTC).isoformat()
    call = {
        "Direction": "Out",
        "Protocol": "tcp",
        "RemoteAddress": remote,
        "RemotePort": "443",
        "LocalAddress": "10.0.0.2",
        "LocalPort": str(1024 + number % 60000),
        "Executable": "/usr/bin/agent",
    }
    login = {"Result": "Fail", "Operation": "login", "UserName": "root", "RemoteAddress": "198.51.100.7"}
    process = {"Executable": "/usr/bin/agent", "CommandLine": "agent", "UserId": "0", "ProcessId": 1}
    said = {"ConnectionCreate": call, "Login": login, "ProcessCreate": process}
    events = [
        {
            "EventType": "Security",
            "Category": "Triggered",
            "Name": name,
            "IsEmpty": False,
            "PayloadSchemaVersion": "1.0",
            "Id": f"{device_id}-{number}-{name}",
            "TimestampLocal": at,
            "TimestampUTC": at,
            "Payload": [payload],
        }
        for name, payload in said.items()
    ]
    whole = {"AgentVersion": "0.0.5", "AgentId": device_id, "MessageSchemaVersion": "1.0", "Events": events}
    return json.dumps(whole).encode()


def requests_of(service: Service, devices: Sequence[str], first: int, remote: str) -> list[bytes]:
    return [
        request(
            service.target,
            f"/v1/devices/{device_id}/messages",
            message(device_id, first + number, remote),
            "application/json",
        )
        for number, device_id in enumerate(devices)
    ]


def taken(sent: Sent) -> Sent:
    if set(sent.statuses) != {202}:
        raise SystemExit(f"messages were not taken: {sent.statuses}")
    return sent


def settle(service: Service) -> None:
    deadline = time.perf_counter() + PATIENCE
    while service.figure("fencepost_waiting_entries"):
        if time.perf_counter() > deadline:
            raise SystemExit("the service did not settle")
        time.sleep(0.05)


class Probes(threading.Thread):
    """Devices that call the trap one after the other; `sent` are when, by the device."""

    def __init__(self, service: Service, number: int) -> None:
        super().__init__()
        self._service = service
        self._number = number
        self.sent: dict[str, float] = {}
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            device_id = f"probe-{self._number}-{len(self.sent)}"
            body = json.loads(message(device_id, len(self.sent), TRAP))
            self.sent[device_id] = time.perf_counter()
            self._service.call("POST", f"/v1/devices/{device_id}/messages", body)
            self.ended.wait(PROBE_EVERY)


class Edit(threading.Thread):
    """The edit, some seconds after the load began, and what is seen of it; `report` is in seconds."""

    def __init__(self, service: Service, number: int, alerts: int) -> None:
        super().__init__()
        self._service = service
        self._number = number
        self._alerts = alerts
        self.at = 0.0
        self.report: dict[str, float] = {}

    def run(self) -> None:
        probes = Probes(self._service, self._number)
        time.sleep(BEFORE)
        probes.start()
        time.sleep(0.2)
        watching = threading.Thread(target=self._watch_trap)
        self.at = time.perf_counter()
        watching.start()
        allowed = [stranger(number) for number in range(self._number + 1)]
        self._service.call("PUT", f"/v1/groups/{GROUP}", group(allowed))
        self.report["put_answered"] = time.perf_counter() - self.at
        self._until(lambda: not self._open(stranger(self._number)))
        self.report["all_resolved"] = time.perf_counter() - self.at
        watching.join()
        probes.ended.set()
        probes.join()
        first = min(probes.sent[alert["device_id"]] for alert in self._every(TRAP, "Active"))
        self.report["first_judged_sent"] = first - self.at
        resolved = sum(1 for _ in self._every(stranger(self._number), "Resolved"))
        if resolved != self._alerts:
            raise SystemExit(f"{resolved} alerts are resolved, not {self._alerts}")

    def _watch_trap(self) -> None:
        self._until(lambda: self._open(TRAP))
        self.report["first_judged_seen"] = time.perf_counter() - self.at

    def _until(self, condition: Any) -> None:
        while not condition():
            if time.perf_counter() - self.at > PATIENCE:
                raise SystemExit("an edit had no effect")
            time.sleep(0.01)

    def _open(self, value: str) -> list[Any]:
        asked = f"/v1/alerts?state=Active&rule_type=ConnectionToIpNotAllowed&text={value}&limit=1"
        found: list[Any] = self._service.get(asked)["items"]
        return found

    def _every(self, value: str, state: str) -> Iterator[dict[str, Any]]:
        after = ""
        while True:
            asked = f"/v1/alerts?state={state}&text={value}&limit=1000{after}"
            page = self._service.get(asked)
            yield from page["items"]
            if page["next"] is None:
                return
            after = f"&after={page['next']}"


def round_of(arguments: argparse.Namespace, service: Service, number: int) -> dict[str, float]:
    """Open alerts, edit under load, and put the trap's address back on the list."""
    service.call("PUT", f"/v1/groups/{GROUP}", group([TRAP, *map(stranger, range(number))]))
    callers = [f"dev-{index:06}" for index in range(arguments.alerts)]
    base = 1_000_000 * (number + 1)
    taken(
        send(
            service.target,
            requests_of(service, callers, base, stranger(number)),
            connections=CONNECTIONS,
        )
    )
    settle(service)
    count = int(arguments.rate * (BEFORE + AFTER))
    others = [f"dev-{(7919 * index) % arguments.devices:06}" for index in range(count)]
    steady = requests_of(service, others, base + 500_000, "198.51.100.7")
    edit = Edit(service, number, arguments.alerts)
    edit.start()
    sent = taken(send(service.target, steady, connections=CONNECTIONS, rate=arguments.rate))
    edit.join()
    if "all_resolved" not in edit.report:
        raise SystemExit("the edit failed")
    settle(service)
    report = {f"{name}_ms": round(1000 * seconds) for name, seconds in edit.report.items()}
    return {**report, **_meanwhile(sent, edit.at, edit.report["all_resolved"])}


def _meanwhile(sent: Sent, at: float, seconds: float) -> dict[str, float]:
    """Say how messages were acknowledged before the edit and while it was carried out, at least for a second."""
    pairs = sorted(zip(sent.moments, sent.delays, strict=True))
    end = at + max(seconds, 1.0)
    report: dict[str, float] = {"acknowledged_per_second": round(len(pairs) / sent.seconds)}
    for name, first, last in (("before", at - BEFORE + 1, at), ("meanwhile", at, end)):
        part = [pair for pair in pairs if first <= pair[0] <= last]
        moments = [first, *(moment for moment, _ in part), last]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        delays = sorted(delay for _, delay in part)
        report[f"acknowledged_p99_ms_{name}"] = round(1000 * delays[int(0.99 * (len(delays) - 1))], 1)
        report[f"longest_gap_ms_{name}"] = round(1000 * max(gaps), 1)
    return report


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    environment = {"FENCEPOST_CONTROL_URL": arguments.database} if arguments.database else {}
    with serving(folder / "data", environment) as service:
        service.call("PUT", f"/v1/groups/{GROUP}", group([TRAP]))
        devices = [f"dev-{number:06}" for number in range(arguments.devices)]
        say(arguments, f"registering {len(devices):,} devices")
        taken(send(service.target, requests_of(service, devices, 0, "198.51.100.7"), connections=CONNECTIONS))
        settle(service)
        rounds = []
        for number in range(arguments.rounds):
            say(arguments, f"round {number + 1} of {arguments.rounds}")
            rounds.append(round_of(arguments, service, number))
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "store": "PostgreSQL" if arguments.database else "SQLite",
        "devices": arguments.devices,
        "alerts": arguments.alerts,
        "rate": arguments.rate,
        "median": {name: statistics.median(one[name] for one in rounds) for name in rounds[0]},
        "worst": {name: max(one[name] for one in rounds) for name in rounds[0]},
    }


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--devices", type=int, default=100_000, help="devices of the group")
    parser.add_argument("--alerts", type=int, default=10_000, help="open alerts that the edit resolves")
    parser.add_argument("--rate", type=float, default=500, help="messages a second meanwhile")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", default="", help="the control store's URL instead of SQLite")
    run(parser, measure)


if __name__ == "__main__":
    main()
