"""
What the MQTT front door holds and takes, beside other brokers (docs/performance.md).

Run from a checkout: `python -m bench.gateway`, `python -m bench.gateway --messages 50000 --json`.

A real `fencepost serve` with five rules on every device, and the load generator beside it on the same
machine: security messages of about 1 KB, QoS 1 over TLS, each journalled, decoded and judged. Mosquitto and
amqtt get the same packets over TLS in the same run, where they are installed; they keep and judge nothing.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs as a file as well as a module

import uvloop
from bench.command import ms, parser_of, run, say
from bench.ingest import Service, serving
from bench.mqtt_load import Broker, Connection, Published, connected, packets_for, publish_all

CONNECTIONS = 100
WINDOW = 10
HELD, TALKING = 5000, 500
PROBES_PER_SECOND = 5
RULES = [
    {"type": "ActiveConnectionsNotInAllowedRange", "min": 0, "max": 100_000, "window": "PT15M"},
    {"type": "FailedLocalLoginsNotInAllowedRange", "min": 0, "max": 100_000, "window": "PT15M"},
    {"type": "ConnectionToIpNotAllowed", "allow": [f"10.{n}.0.0/16" for n in range(200)]},
    {"type": "LocalUserNotAllowed", "allow": ["root", "svc*"]},
    {"type": "ProcessNotAllowed", "allow": ["/usr/bin/*", "/usr/sbin/*", "sh"]},
]


def bodies(name: str, number: int) -> list[bytes]:
    """Return messages of two events, four records and about 1 KB, none like another."""
    at = datetime.now(UTC).isoformat()
    head = f'{{"AgentVersion":"0.0.5","AgentId":"{name:-<36.36}","MessageSchemaVersion":"1.0","Events":['
    common = (
        f'"EventType":"Security","Category":"Triggered","IsEmpty":false,"PayloadSchemaVersion":"1.0",'
        f'"TimestampLocal":"{at}","TimestampUTC":"{at}"'
    )
    made = []
    for n in range(number):
        calls = ",".join(
            f'{{"Protocol":"tcp","Direction":"Out","RemoteAddress":"10.{(n + k) % 200}.7.{k}",'
            f'"RemotePort":"443","Executable":"/usr/bin/agent","ProcessId":{n % 30000}}}'
            for k in range(2)
        )
        starts = ",".join(
            f'{{"Executable":"/usr/bin/tool{k}","CommandLine":"tool{k} --n {n}","UserId":"1000","ProcessId":{n % 30000},"ParentProcessId":1}}'
            for k in range(2)
        )
        events = (
            f'{{"Name":"ConnectionCreate","Id":"{name}-c{n}",{common},"Payload":[{calls}]}},'
            f'{{"Name":"ProcessCreate","Id":"{name}-p{n}",{common},"Payload":[{starts}]}}'
        )
        made.append(f"{head}{events}]}}".encode())
    return made


def streams_of(device_ids: Sequence[str], each: int, what: str) -> list[list[bytes]]:
    return [packets_for(one, bodies(f"{one}-{what}", each)) for one in device_ids]


# what we are


def registered(service: Service, device_ids: Sequence[str]) -> None:
    for first in range(0, len(device_ids), 100):
        devices = [{"id": one, "importMode": "create"} for one in device_ids[first : first + 100]]
        service.call("POST", "/devices?api-version=2021-04-12", devices)


def broker_of(service: Service, folder: Path) -> Broker:
    keys = json.loads((folder / "hub.json").read_text())
    return Broker("localhost", service.mqtt_port, service.target.context(), keys["iothubowner"]["primary"])


async def throughput(
    broker: Broker, device_ids: Sequence[str], streams: Sequence[Sequence[bytes]]
) -> Published:
    connections = await connected(broker, device_ids)
    published = await publish_all(connections, streams, WINDOW)
    for one in connections:
        one.transport.close()
    return published


async def connecting(broker: Broker, device_ids: Sequence[str]) -> tuple[float, list[Connection]]:
    began = time.perf_counter()
    connections = await connected(broker, device_ids, at_once=128)
    return len(device_ids) / (time.perf_counter() - began), connections


async def holding(broker: Broker, service: Service, device_ids: Sequence[str], each: int) -> dict[str, float]:
    """Hold many connections, measure the memory of each, and let some of them talk."""
    before = service.resident()
    rate, connections = await connecting(broker, device_ids)
    await asyncio.sleep(1)
    kilobytes = 1024 * (service.resident() - before) / len(device_ids)
    talking = connections[:TALKING]
    streams = streams_of(device_ids[:TALKING], each, "held")
    published = await publish_all(talking, streams, 1)
    held = service.figure("fencepost_devices_connected")
    for one in connections:
        one.transport.abort()
    return {
        "connections_per_second": round(rate),
        "kilobytes_per_idle_connection": round(kilobytes, 1),
        "held": held,
        "talking": len(talking),
        "messages_per_second_while_held": round(published.messages / published.seconds),
        "resident_mb_while_held": round(service.resident()),
    }


async def delays(
    broker: Broker, service: Service, device_ids: Sequence[str], rate: float, seconds: float
) -> dict[str, float]:
    """Return how long it takes from PUBLISH until the alert is in `GET /v1/alerts`, under load."""
    each = int(rate * seconds / len(device_ids))
    streams = streams_of(device_ids, each, "paced")
    connections = await connected(broker, device_ids)
    seen: list[float] = []
    ended = threading.Event()
    prober = threading.Thread(target=lambda: asyncio.run(_probe(broker, service, seen, ended)))
    prober.start()
    published = Published()
    began = time.perf_counter()
    step = len(device_ids) / rate / len(device_ids)
    await asyncio.gather(
        *(
            one.pace(stream, rate / len(device_ids), published, number * step)
            for number, (one, stream) in enumerate(zip(connections, streams, strict=True))
        )
    )
    elapsed = time.perf_counter() - began
    ended.set()
    await asyncio.to_thread(prober.join)
    for one in connections:
        one.transport.close()
    return {
        "messages_per_second": round(each * len(device_ids) / elapsed),
        "probes": len(seen),
        "alert_visible_p50_ms": ms(seen, 0.5),
        "alert_visible_p99_ms": ms(seen, 0.99),
        "alert_visible_max_ms": ms(seen, 1.0),
        "puback_p99_ms": ms(published.delays, 0.99),
    }


async def _probe(broker: Broker, service: Service, seen: list[float], ended: threading.Event) -> None:
    (connection,) = await connected(broker, ["probe"])
    number = 0
    while not ended.is_set():
        number += 1
        (body,) = bodies(f"probe-{number}", 1)
        program = f"/opt/miner-{time.time_ns()}"
        packets = packets_for("probe", [body.replace(b"/usr/bin/tool0", program.encode())])
        began = time.perf_counter()
        connection.begin(packets, 1, Published())
        while not await asyncio.to_thread(_is_seen, service, program):
            if time.perf_counter() - began > 30:
                raise SystemExit("an alert did not come within 30 seconds")
        seen.append(time.perf_counter() - began)
        await asyncio.sleep(max(0.0, 1 / PROBES_PER_SECOND - (time.perf_counter() - began)))
    connection.transport.close()


def _is_seen(service: Service, program: str) -> bool:
    items = service.get("/v1/alerts?device_id=probe&limit=1")["items"]
    return bool(items) and items[0]["value"] == program


# others


@contextmanager
def mosquitto(folder: Path) -> Iterator[Broker]:
    """A Mosquitto with TLS that takes anybody; Debian's package is enough."""
    port = _free_port()
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\ncertfile {folder}/tls/server.pem\n"
        f"keyfile {folder}/tls/server.key\nmax_inflight_messages 0\nmax_queued_messages 0\nuser root\n"
    )
    with _running(["mosquitto", "-c", str(settings)], port):
        yield Broker("localhost", port, _context(folder))


@contextmanager
def amqtt(folder: Path) -> Iterator[Broker]:
    """An amqtt with TLS that takes anybody."""
    port = _free_port()
    settings = folder / "amqtt.yaml"
    settings.write_text(
        f"listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{port}\n    ssl: on\n"
        f"    certfile: {folder}/tls/server.pem\n    keyfile: {folder}/tls/server.key\n    max_connections: 10000\n"
        "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n"
    )
    with _running(["amqtt", "-c", str(settings)], port):
        yield Broker("localhost", port, _context(folder))


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"nothing listens on port {port}")


def _context(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "tls" / "ca.pem"))


PEERS = {"mosquitto": mosquitto, "amqtt": amqtt}


def beside(folder: Path, device_ids: Sequence[str], streams: Sequence[Sequence[bytes]]) -> dict[str, Any]:
    """Return the messages a second that other brokers acknowledge; None for those that are not installed."""
    found: dict[str, Any] = {}
    for name, started in PEERS.items():
        if shutil.which(name) is None:
            found[name] = None
            continue
        with started(folder) as broker:
            published = uvloop.run(throughput(broker, device_ids, streams))
        found[name] = round(published.messages / published.seconds)
    return found


# all of it


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    data = folder / "data"
    most = str(arguments.held + 1000)
    limits = {f"FENCEPOST_GATEWAY_MAX_CONNECTIONS{of}": most for of in ("", "_PER_ADDRESS")}
    with serving(data, limits) as service:
        service.call("PUT", "/v1/groups/default", {"rules": RULES})
        talkers = [f"bench-{n:04}" for n in range(CONNECTIONS)]
        held = [f"held-{n:05}" for n in range(arguments.held)]
        say(arguments, f"registering {len(talkers) + len(held):,} devices")
        registered(service, [*talkers, *held, "probe"])
        broker = broker_of(service, data)
        rounds = []
        each = arguments.messages // CONNECTIONS // arguments.rounds
        for number in range(arguments.rounds):
            say(arguments, f"throughput, round {number + 1}")
            streams = streams_of(talkers, each, f"r{number}")
            rounds.append(_round(service, broker, talkers, streams, data))
        report = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "message_bytes": len(bodies("bench-0000-r0", 1)[0]),
            "throughput": {
                key: statistics.median(one[key] for one in rounds) if rounds[0][key] is not None else None
                for key in rounds[0]
            },
        }
        say(arguments, f"delay at {arguments.rate:g} messages/s")
        report["delay"] = uvloop.run(delays(broker, service, talkers, arguments.rate, arguments.seconds))
        say(arguments, f"holding {len(held):,} connections")
        report["holding"] = uvloop.run(holding(broker, service, held, 20))
        report["alerts"] = service.figure("fencepost_alerts_open")
    return report


def _round(
    service: Service, broker: Broker, talkers: Sequence[str], streams: Sequence[Sequence[bytes]], data: Path
) -> dict[str, Any]:
    before, busy = service.figure("fencepost_position"), service.figure("process_cpu_seconds_total")
    began = time.perf_counter()
    published = uvloop.run(throughput(broker, talkers, streams))
    while service.figure("fencepost_position") - before < published.messages:
        time.sleep(0.02)
    whole = time.perf_counter() - began
    return {
        "messages": published.messages,
        "messages_per_second": round(published.messages / published.seconds),
        "judged_per_second": round(published.messages / whole),
        "puback_p50_ms": ms(published.delays, 0.5),
        "puback_p99_ms": ms(published.delays, 0.99),
        "cpu_seconds_per_10000": round(
            10_000 * (service.figure("process_cpu_seconds_total") - busy) / published.messages, 2
        ),
        **beside(data, talkers, streams),
    }


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--messages", type=int, default=150_000, help="sent as fast as they are acknowledged")
    parser.add_argument(
        "--rounds", type=int, default=3, help="in so many parts, each beside the other brokers"
    )
    parser.add_argument("--held", type=int, default=HELD, help="connections that are held at once")
    parser.add_argument(
        "--rate", type=float, default=2000, help="messages a second while delays are measured"
    )
    parser.add_argument("--seconds", type=float, default=60, help="for so long")
    run(parser, measure)


if __name__ == "__main__":
    main()
