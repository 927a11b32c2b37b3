"""
How much the service takes over HTTPS, and how soon an alert is seen (docs/performance.md).

Run from a checkout: `python bench/ingest.py`, `python bench/ingest.py --devices 1000 --seconds 10 --json`.

A real `fencepost serve` on a data folder of its own, with 50 groups of five rules each, and the load
generator beside it on the same machine. Two floors in the same run: the same requests to a server that
reads the body and answers, and the same messages appended to a journal that nobody waits for.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs as a file as well as a module

import msgspec
from bench.command import ms, parser_of, run, say
from bench.load import Sent, Target, request, send
from bench.workload import Workload, generate

from fencepost.model.entry import Received
from fencepost.store.journal.journal import Journal

BATCH = 50
GROUPS = 50
CONNECTIONS = 16
PROBES_PER_SECOND = 5
SENDERS = 1000
"""Devices that send in batches; the others of the fleet send one message each."""
SPAN = timedelta(hours=10)
"""An agent sends every seven minutes: so long were those away that now send what they have kept."""
PROBES = {
    "members": {"globs": ["probe-*"]},
    "rules": [{"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]}],
}


class Service:
    """A `fencepost serve` in a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        ports = {f"FENCEPOST_{name}_PORT": "0" for name in ("HTTP", "MQTT", "AMQP")}
        environ = {**os.environ, **ports, **environment}
        command = [sys.executable, "-m", "fencepost", "serve", "--data", str(folder), "--json"]
        self._log = (folder.parent / f"{folder.name}.log").open("wb")
        self.process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(Path(self._log.name).read_text())
        said = json.loads(line)
        self.mqtt_port: int = said["mqtt_port"]
        tokens = json.loads((folder / "tokens.json").read_text())
        self.target = Target(said["url"], Path(said["ca_file"]), tokens["admin"])

    def get(self, path: str) -> Any:
        return json.loads(self.call("GET", path))

    def call(self, method: str, path: str, body: Any = None) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.target.token}", "Content-Type": "application/json"}
        asked = urllib.request.Request(self.target.url + path, content, headers, method=method)
        with urllib.request.urlopen(asked, context=self.target.context()) as answer:
            read: bytes = answer.read()
            return read

    def figure(self, name: str) -> float:
        lines = self.call("GET", "/metrics").decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def resident(self) -> float:
        """Return the megabytes of memory that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self) -> float:
        """End the service and return the seconds that it took."""
        began = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self._log.close()
        return time.perf_counter() - began


@contextlib.contextmanager
def serving(folder: Path, environment: dict[str, str]) -> Iterator[Service]:
    service = Service(folder, environment)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()


def put_groups(service: Service, workload: Workload) -> None:
    ids: dict[str, list[str]] = {}
    for device_id, name in workload.group_of.items():
        ids.setdefault(name, []).append(device_id)
    for group in workload.groups:
        rules = [_rule(rule) for rule in msgspec.to_builtins(group.rules)]
        body = {"members": {"ids": ids.get(group.name, [])}, "rules": rules, "allowed_lateness": "PT12H"}
        service.call("PUT", f"/v1/groups/{group.name}", body)
    service.call("PUT", "/v1/groups/probes", PROBES)


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rule.items() if key != "family"}


def batches_of(workload: Workload) -> list[tuple[str, list[bytes]]]:
    """Return the stream in batches of one device each, as long as a device has a whole one."""
    waiting: dict[str, list[bytes]] = {}
    batches = []
    for device_id, body, _ in workload.messages:
        bodies = waiting.setdefault(device_id, [])
        bodies.append(body)
        if len(bodies) == BATCH:
            batches.append((device_id, waiting.pop(device_id)))
    return batches


def requests_for(target: Target, batches: Sequence[tuple[str, list[bytes]]]) -> list[bytes]:
    return [
        request(target, f"/v1/devices/{device_id}/messages", b"\n".join(bodies))
        for device_id, bodies in batches
    ]


def register(service: Service, device_ids: Sequence[str]) -> float:
    """Let each device say one thing; returns the seconds that it took."""
    at = datetime.now(UTC).isoformat()
    requests = []
    for number, device_id in enumerate(device_ids):
        body = (
            f'{{"AgentVersion":"0.0.5","AgentId":"{device_id}","MessageSchemaVersion":"1.0","Events":[{{'
            f'"EventType":"Security","Category":"Triggered","Name":"ProcessCreate","IsEmpty":false,'
            f'"PayloadSchemaVersion":"1.0","Id":"first-{number}","TimestampLocal":"{at}","TimestampUTC":"{at}",'
            f'"Payload":[{{"Executable":"/usr/bin/tool0-0","CommandLine":"tool","UserId":"0","ProcessId":1}}]}}]}}'
        )
        path = f"/v1/devices/{device_id}/messages"
        requests.append(request(service.target, path, body.encode(), "application/json"))
    return send(service.target, requests, connections=CONNECTIONS).seconds


def throughput(service: Service, batches: Sequence[tuple[str, list[bytes]]]) -> dict[str, float]:
    requests = requests_for(service.target, batches)
    before = service.figure("fencepost_position")
    began = time.perf_counter()
    sent = send(service.target, requests, connections=CONNECTIONS)
    _refuse_failures(sent)
    while service.figure("fencepost_position") - before < len(batches) * BATCH:
        time.sleep(0.02)
    whole = time.perf_counter() - began
    messages = len(batches) * BATCH
    return {
        "messages": messages,
        "seconds": round(sent.seconds, 3),
        "messages_per_second": round(messages / sent.seconds),
        "committed_per_second": round(messages / whole),
        "request_p50_ms": ms(sent.delays, 0.5),
        "request_p99_ms": ms(sent.delays, 0.99),
    }


def delays(service: Service, batches: Sequence[tuple[str, list[bytes]]], rate: float) -> dict[str, float]:
    """Return how long it takes from an answer of 202 until the alert is in `GET /v1/alerts`, under load."""
    requests = requests_for(service.target, batches)
    seen: list[float] = []
    ended = threading.Event()
    prober = threading.Thread(target=_probe, args=(service, seen, ended))
    prober.start()
    sent = send(service.target, requests, connections=CONNECTIONS, rate=rate / BATCH)
    ended.set()
    prober.join()
    _refuse_failures(sent)
    return {
        "messages_per_second": round(len(batches) * BATCH / sent.seconds),
        "probes": len(seen),
        "alert_visible_p50_ms": ms(seen, 0.5),
        "alert_visible_p99_ms": ms(seen, 0.99),
        "alert_visible_max_ms": ms(seen, 1.0),
        "request_p99_ms": ms(sent.delays, 0.99),
    }


def _probe(service: Service, seen: list[float], ended: threading.Event) -> None:
    number = 0
    while not ended.is_set():
        began = time.perf_counter()
        number += 1
        device_id = f"probe-{time.time_ns()}-{number}"
        at = datetime.now(UTC).isoformat()
        event = {
            "EventType": "Security",
            "Category": "Triggered",
            "Name": "ProcessCreate",
            "IsEmpty": False,
            "PayloadSchemaVersion": "1.0",
            "Id": device_id,
            "TimestampLocal": at,
            "TimestampUTC": at,
            "Payload": [{"Executable": "/opt/miner", "CommandLine": "m", "UserId": "0", "ProcessId": 1}],
        }
        message = {
            "AgentVersion": "0.0.5",
            "AgentId": device_id,
            "MessageSchemaVersion": "1.0",
            "Events": [event],
        }
        service.call("POST", f"/v1/devices/{device_id}/messages", message)
        accepted = time.perf_counter()
        while not service.get(f"/v1/alerts?device_id={device_id}&limit=1")["items"]:
            if time.perf_counter() - accepted > 30:
                raise SystemExit("an alert did not come within 30 seconds")
        seen.append(time.perf_counter() - accepted)
        time.sleep(max(0.0, 1 / PROBES_PER_SECOND - (time.perf_counter() - began)))


def http_floor(folder: Path, target: Target, batches: Sequence[tuple[str, list[bytes]]]) -> float:
    """Return the messages a second of a server that reads the same requests and does nothing."""
    command = [sys.executable, "-m", "bench.floor", str(folder / "tls")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        floor = Target(f"https://localhost:{port}", target.ca_file, target.token)
        sent = send(floor, requests_for(floor, batches), connections=CONNECTIONS)
        _refuse_failures(sent)
        return len(batches) * BATCH / sent.seconds
    finally:
        process.terminate()
        process.wait(10)


def journal_floor(folder: Path, batches: Sequence[tuple[str, list[bytes]]]) -> float:
    """Return the messages a second that one thread puts on disk, a batch a commit."""
    journal = Journal.open(folder, clock=lambda: datetime.now(UTC))
    now = datetime.now(UTC)
    entries = [[Received(device_id, now, body) for body in bodies] for device_id, bodies in batches]
    began = time.perf_counter()
    for batch in entries:
        journal.append(batch)
    elapsed = time.perf_counter() - began
    journal.close()
    return len(batches) * BATCH / elapsed


def _refuse_failures(sent: Sent) -> None:
    if set(sent.statuses) != {202}:
        raise SystemExit(f"requests were not taken: {sent.statuses}")


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    now = datetime.now(UTC)
    paced = int(arguments.rate * arguments.seconds)
    senders = generate(
        int((arguments.messages + paced) * 1.15) + SENDERS * BATCH,
        devices=int(SENDERS / 0.44),
        groups=GROUPS,
        start=now - SPAN - timedelta(minutes=5),
        span=SPAN,
    )
    stream = batches_of(senders)
    batches, paced_batches = stream[: arguments.messages // BATCH], stream[arguments.messages // BATCH :]
    environment = {"FENCEPOST_CONTROL_URL": arguments.database} if arguments.database else {}
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "devices": arguments.devices,
        "store": "PostgreSQL" if arguments.database else "SQLite",
    }
    with serving(folder / "data", environment) as service:
        report["resident_mb_at_start"] = round(service.resident())
        put_groups(service, senders)
        others = [f"device-{number:06}" for number in range(arguments.devices - len(senders.device_ids))]
        say(arguments, f"registering {len(others):,} devices")
        seconds = register(service, others) if others else 0.0
        report["single_messages_per_second"] = round(len(others) / seconds) if others else None
        report["resident_mb_registered"] = round(service.resident())
        say(arguments, "throughput")
        rounds = []
        size = len(batches) // arguments.rounds
        for number in range(arguments.rounds):
            part = batches[number * size : (number + 1) * size]
            one = throughput(service, part)
            one["http_floor"] = round(http_floor(folder / "data", service.target, part))
            one["journal_floor"] = round(journal_floor(folder / f"journal-{number}", part))
            one["of_http_floor"] = round(one["messages_per_second"] / one["http_floor"], 3)
            one["of_journal_floor"] = round(one["messages_per_second"] / one["journal_floor"], 3)
            rounds.append(one)
        report["throughput"] = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        report["resident_mb_loaded"] = round(service.resident())
        say(arguments, f"delay at {arguments.rate:g} messages/s")
        report["delay"] = delays(service, paced_batches, arguments.rate)
        report["alerts"] = service.figure("fencepost_alerts_open")
        report["stop_seconds"] = round(service.stop(), 2)
    began = time.perf_counter()
    with serving(folder / "data", environment) as service:
        report["restart_seconds"] = round(time.perf_counter() - began, 2)
        report["resident_mb_restarted"] = round(service.resident())
    return report


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "--messages", type=int, default=120_000, help="messages sent as fast as they are taken"
    )
    parser.add_argument("--rounds", type=int, default=3, help="in so many parts, each beside the floors")
    parser.add_argument("--devices", type=int, default=100_000, help="devices that have sent something")
    parser.add_argument(
        "--rate", type=float, default=1000, help="messages a second while delays are measured"
    )
    parser.add_argument("--seconds", type=float, default=60, help="for so long")
    parser.add_argument("--database", default="", help="the control store's URL instead of SQLite")
    run(parser, measure)


if __name__ == "__main__":
    main()
