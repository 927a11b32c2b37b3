"""
Half load for half an hour, to see whether memory stays flat and nothing gets slower.

Run from a checkout: `python bench/soak.py --json > soak.json`, `python bench/soak.py --minutes 5 --devices 2000`.

Every device sends a batch of 50 messages in turn, of what happened since its last one. Memory is compared
between the end of the warm-up, in which each device sends twice, and the end.
"""

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs as a file as well as a module

from bench.ingest import BATCH, CONNECTIONS, GROUPS, Service, put_groups, requests_for, serving
from bench.load import send
from bench.workload import Workload, generate
from msgspec import structs

from fencepost.model.rule import TimeWindowRule

PLENTY = 2000
"""A range that devices that send so often do not leave all the time."""


def fleet(devices: int, seconds: float, part: int) -> Workload:
    """Return what the fleet has to say of the last seconds, about 50 messages a device."""
    start = datetime.now(UTC) - timedelta(seconds=seconds)
    registered = int(devices / 0.44)
    return generate(
        devices * BATCH, registered, GROUPS, start=start, span=timedelta(seconds=seconds), part=part
    )


def widened(workload: Workload) -> Workload:
    groups = tuple(
        structs.replace(
            group,
            rules=tuple(
                structs.replace(rule, min=0, max=PLENTY) if isinstance(rule, TimeWindowRule) else rule
                for rule in group.rules
            ),
        )
        for group in workload.groups
    )
    return structs.replace(workload, groups=groups)


def batches(workload: Workload) -> list[tuple[str, list[bytes]]]:
    """Return for each device all its messages, in parts of at most 50."""
    said: dict[str, list[bytes]] = {}
    for device_id, body, _ in workload.messages:
        said.setdefault(device_id, []).append(body)
    return [
        (one, bodies[at : at + BATCH]) for one, bodies in said.items() for at in range(0, len(bodies), BATCH)
    ]


def sample(service: Service, began: float, sent: int) -> dict[str, float]:
    return {
        "minute": round((time.monotonic() - began) / 60, 1),
        "messages": sent,
        "resident_mb": round(service.resident(), 1),
        "waiting_entries": service.figure("fencepost_waiting_entries"),
        "alerts_open": service.figure("fencepost_alerts_open"),
    }


def soak(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    cycle = arguments.devices * BATCH / arguments.rate
    samples = []
    statuses: dict[int, int] = {}
    with serving(folder / "data", {}) as service:
        put_groups(service, widened(generate(1, int(arguments.devices / 0.44), GROUPS)))
        began, sent, part = time.monotonic(), 0, 0
        while time.monotonic() - began < arguments.minutes * 60:
            part += 1
            made = batches(fleet(arguments.devices, cycle, part))
            done = send(
                service.target,
                requests_for(service.target, made),
                connections=CONNECTIONS,
                rate=arguments.rate / (sum(len(b) for _, b in made) / len(made)),
            )
            sent += sum(len(bodies) for _, bodies in made)
            for status, number in done.statuses.items():
                statuses[status] = statuses.get(status, 0) + number
            samples.append(sample(service, began, sent) | {"request_p99_ms": _p99(done.delays)})
            if not arguments.json:
                print(samples[-1], file=sys.stderr, flush=True)
        rate = sent / (time.monotonic() - began)
    warm = samples[min(arguments.warm_up, len(samples) - 1)]["resident_mb"]
    last = samples[-1]["resident_mb"]
    return {
        "devices": arguments.devices,
        "messages_per_second": round(rate),
        "statuses": statuses,
        "resident_mb_after_warm_up": warm,
        "resident_mb_at_the_end": last,
        "growth": round(last / warm - 1, 4),
        "samples": samples,
    }


def _p99(delays: list[float]) -> float:
    return round(1000 * sorted(delays)[int(0.99 * len(delays))], 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=32)
    parser.add_argument("--rate", type=float, default=2500, help="messages a second")
    parser.add_argument("--devices", type=int, default=3000, help="devices that send")
    parser.add_argument("--warm-up", type=int, default=2, help="rounds of all devices that are not counted")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fencepost-soak-", ignore_cleanup_errors=True) as folder:
        report = soak(arguments, Path(folder))
    print(json.dumps(report, indent=None if arguments.json else 2))


if __name__ == "__main__":
    main()
