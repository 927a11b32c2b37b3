"""
How soon people get a page of alerts, with a million of them stored (docs/performance.md).

Run from a checkout: `python bench/api.py`, `python bench/api.py --alerts 50000 --seconds 20 --json`.

A store is filled as a fleet of 20,000 devices in 30 groups leaves it behind in three months, a real
`fencepost serve` is started on it, and named questions are asked over HTTPS, one after the other, each with the
pages behind its first, while other clients send 20 requests a second: messages, single alerts, groups, changes
of state. Two floors in the same run: `GET /healthz`, and the same questions asked of the store without a service.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, get_args
from urllib.parse import quote, urlencode

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs as a file as well as a module

import uvloop
from bench.alert_fleet import RETIRED, SMALL, Fleet, drawn, file_of, fill
from bench.command import ms, parser_of, run, say
from bench.ingest import Service, serving
from bench.load import Target
from msgspec import Struct, field

from fencepost.model.page import AlertFilter, SummaryBy
from fencepost.store.control import ControlStore

PAGES = 4
"""Pages of one question that are turned."""
RATE = 20.0
"""Requests a second of other traffic."""
OTHERS = 4
"""Connections over which it comes."""

Query = dict[str, Any]


class Delays(Struct):
    """Seconds that the requests of one kind took, and how many were answered how."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        ordered = sorted(self.seconds)
        return {
            "requests": len(ordered),
            "p50_ms": ms(ordered, 0.5),
            "p99_ms": ms(ordered, 0.99),
            "max_ms": ms(ordered, 1.0),
        }


def questions(fleet: Fleet, sample: Sequence[dict[str, Any]], now: datetime) -> dict[str, Query]:
    """Return what people ask, by how they would say it; `sample` are some alerts that there are."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    address = next(one["value"] for one in sample if one["rule_type"] == "ConnectionToIpNotAllowed")
    program = next(one["value"] for one in sample if one["rule_type"] == "ProcessNotAllowed")
    return {
        "the latest": {},
        "active": {"state": "Active"},
        "open and high": {"state": ["Active", "InProgress"], "severity": "High"},
        "dismissed": {"state": "Dismissed"},
        "high": {"severity": "High"},
        "a large group": {"group": "group-00"},
        "a retired group": {"group": RETIRED},
        "a group of three devices": {"group": SMALL},
        "what is open of it": {"group": SMALL, "state": ["Active", "InProgress"]},
        "a group that is none": {"group": "nobody"},
        "a rare rule": {"rule_type": "LocalUsersNotInAllowedRange"},
        "a rule in progress": {"rule_type": "ConnectionToIpDenied", "state": "InProgress"},
        "the noisiest device": {"device_id": fleet.device_ids[0]},
        "a quiet device": {"device_id": fleet.device_ids[-5]},
        "the last hour": {"since": now - hour},
        "the last week": {"since": now - 7 * day},
        "an hour two months ago": {"since": now - 60 * day, "until": now - 60 * day + hour},
        "before two months": {"until": now - 60 * day},
        "a text that is nowhere": {"text": "no such thing"},
        "a text that a quarter has": {"text": "cam-"},
        "an address": {"text": address},
        "the beginning of an address": {"text": address[:6]},
        "a program": {"text": program},
        "a device's id as a text": {"text": fleet.device_ids[300]},
        "two letters that are nowhere": {"text": "zq"},
        "one letter": {"text": "7"},
        "a text in a state": {"text": "busybox", "state": "Active"},
        "a text in a group that lacks it": {"text": "cam-", "group": "group-01"},
        "what one person works on": {"assigned_to": "anna", "state": "InProgress"},
        "what nobody works on": {"assigned_to": "", "state": "Active"},
        "seen last": {"sort": "-last_seen_at"},
        "seen last in a group": {"sort": "-last_seen_at", "group": "group-05"},
        "the oldest": {"sort": "started_at"},
        "the oldest active": {"sort": "started_at", "state": "Active"},
        "the most severe": {"sort": "-severity"},
        "the most severe active": {"sort": "-severity", "state": "Active"},
    }


SUMMARIES: dict[str, Query] = {
    **{f"by {by}": {"by": by} for by in get_args(SummaryBy)},
    **{f"active by {by}": {"by": by, "state": "Active"} for by in get_args(SummaryBy)},
}


# asking


class Asker:
    """One connection over which requests go, one after the other."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader = reader
        self._writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, target: Target) -> AsyncIterator[Self]:
        reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.context())
        try:
            yield cls(target, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def ask(self, delays: Delays, path: str, method: str = "GET", body: Any = None) -> bytes:
        """Send a request and return what is answered; the clock runs until all of it is there."""
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._target.host}\r\n"
            f"Authorization: Bearer {self._target.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        began = time.perf_counter()
        self._writer.write(head.encode() + content)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        lower = answer.lower()
        at = lower.index(b"content-length:") + len(b"content-length:")
        read = await self._reader.readexactly(int(lower[at : lower.index(b"\r\n", at)]))
        delays.seconds.append(time.perf_counter() - began)
        status = int(answer[9:12])
        delays.statuses[status] = delays.statuses.get(status, 0) + 1
        return read


async def asked(target: Target, queries: dict[str, Query], seconds: float) -> dict[str, Delays]:
    """Ask all questions round by round, each with the pages behind its first, for so long."""
    found = {name: Delays() for name in queries}
    began = time.perf_counter()
    async with Asker.connected(target) as asker:
        while time.perf_counter() - began < seconds:
            for name, query in queries.items():
                await _pages(asker, found[name], query)
    return found


async def _pages(asker: Asker, delays: Delays, query: Query) -> None:
    after = None
    for _ in range(PAGES):
        page = json.loads(await asker.ask(delays, _path("/v1/alerts", {**query, "after": after})))
        if "items" not in page:
            raise SystemExit(f"{query} was answered with {page}")
        if (after := page["next"]) is None:
            return


async def others(target: Target, fleet: Fleet, ids: Sequence[str], ended: asyncio.Event) -> dict[str, Delays]:
    """Send other requests until it is over, so many a second."""
    found = {kind: Delays() for kind in ("messages", "alert", "group", "change of state")}
    began, sent = time.perf_counter(), 0

    async def some() -> None:
        nonlocal sent
        async with Asker.connected(target) as asker:
            while not ended.is_set():
                number, sent = sent, sent + 1
                await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
                await _other(asker, found, fleet, ids, number)

    await asyncio.gather(*(some() for _ in range(OTHERS)))
    return found


async def _other(
    asker: Asker, found: dict[str, Delays], fleet: Fleet, ids: Sequence[str], number: int
) -> None:
    alert_id = ids[number // 4 % len(ids)]
    match number % 4:
        case 0:
            device_id = fleet.device_ids[number * 7919 % len(fleet.device_ids)]
            await asker.ask(found["messages"], f"/v1/devices/{device_id}/messages", "POST", _message(number))
        case 1:
            await asker.ask(found["alert"], f"/v1/alerts/{alert_id}")
        case 2:
            await asker.ask(found["group"], f"/v1/groups/group-{number // 4 % 30:02}")
        case _:
            action = "start" if number // 4 // len(ids) % 2 == 0 else "activate"
            await asker.ask(found["change of state"], f"/v1/alerts/{alert_id}/{action}", "POST", {})


def _message(number: int) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    payload = [{"Executable": f"/opt/strange-{number}", "CommandLine": "x", "UserId": "0", "ProcessId": 1}]
    event = {
        "EventType": "Security",
        "Category": "Triggered",
        "Name": "ProcessCreate",
        "IsEmpty": False,
        "PayloadSchemaVersion": "1.0",
        "Id": f"api-{number}",
        "TimestampLocal": at,
        "TimestampUTC": at,
        "Payload": payload,
    }
    return {"AgentVersion": "0.0.5", "AgentId": "bench", "MessageSchemaVersion": "1.0", "Events": [event]}


def _path(path: str, query: Query) -> str:
    said = {key: value for key, value in query.items() if value is not None}
    texts = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in said.items()}
    return f"{path}?{urlencode(texts, doseq=True, quote_via=quote)}" if texts else path


# floors


def direct(store: ControlStore, queries: dict[str, Query]) -> dict[str, Delays]:
    """Ask the store the same, with nothing between."""
    found = {name: Delays() for name in queries}
    for _ in range(3):
        for name, query in queries.items():
            wanted, sort, after = _filter(query), query.get("sort", "-started_at"), None
            for _ in range(PAGES):
                began = time.perf_counter()
                page = store.alerts(wanted, sort=sort, after=after)
                found[name].seconds.append(time.perf_counter() - began)
                if (after := page.after) is None:
                    break
    return found


def _filter(query: Query) -> AlertFilter:
    several = {"state": "states", "severity": "severities"}
    said: dict[str, Any] = {}
    for name, value in query.items():
        if name in several:
            said[several[name]] = frozenset([value] if isinstance(value, str) else value)
        elif name not in {"sort", "by"}:
            said[name] = value
    return AlertFilter(**said)


async def health(target: Target, number: int) -> Delays:
    """Return how long the least takes that the service answers."""
    delays = Delays()
    async with Asker.connected(target) as asker:
        for _ in range(number):
            await asker.ask(delays, "/healthz")
    return delays


# the whole


async def under_load(service: Service, fleet: Fleet, arguments: argparse.Namespace) -> dict[str, Any]:
    """Ask all there is to ask while others ask, too."""
    target, now = service.target, datetime.now(UTC)
    sample = service.get("/v1/alerts?limit=1000")["items"]
    ids = [one["alert_id"] for one in sample if one["state"] == "Active"][:200]
    queries = questions(fleet, sample, now)
    viewer = viewer_of_two_groups(service)
    ended = asyncio.Event()
    traffic = asyncio.create_task(others(target, fleet, ids, ended))
    found = await asked(target, queries, arguments.seconds)
    theirs = await asked(viewer, {"what a viewer of two groups sees": {}}, arguments.seconds / 10)
    sums = await summed(target)
    ended.set()
    other = await traffic
    failed = {
        kind: one.statuses for kind, one in other.items() if any(status >= 400 for status in one.statuses)
    }
    if failed:
        raise SystemExit(f"other requests were not taken: {failed}")
    lists = {**found, **theirs}
    every = Delays([second for one in lists.values() for second in one.seconds])
    floor = await health(target, 2000)
    with ControlStore.open(file_of(Path(arguments.data)), read_only=True) as store:
        asked_directly = direct(store, queries)
    return {
        "lists": every.report(),
        "slowest": dict(
            sorted(
                ((name, one.report()) for name, one in lists.items()),
                key=lambda item: -item[1]["p99_ms"],
            )
        ),
        "summaries": {name: one.report() for name, one in sums.items()},
        "other": {kind: one.report() for kind, one in other.items()},
        "healthz": floor.report(),
        "store": Delays([second for one in asked_directly.values() for second in one.seconds]).report(),
    }


async def summed(target: Target) -> dict[str, Delays]:
    found = {name: Delays() for name in SUMMARIES}
    async with Asker.connected(target) as asker:
        for _ in range(3):
            for name, query in SUMMARIES.items():
                await asker.ask(found[name], _path("/v1/alerts/summary", query))
    return found


def viewer_of_two_groups(service: Service) -> Target:
    """Return the service as somebody sees it who may see a small group and a middling one."""
    grants = [{"role": "viewer", "group": name} for name in (SMALL, "group-17")]
    made = json.loads(
        service.call("POST", "/v1/tokens", {"name": "bench", "grants": grants, "expires_at": None})
    )
    return Target(service.target.url, service.target.ca_file, made["token"])


def put_groups(service: Service, fleet: Fleet) -> None:
    ids: dict[str, list[str]] = {}
    for device_id, name in zip(fleet.device_ids, fleet.group_of, strict=True):
        ids.setdefault(name, []).append(device_id)
    rules = [{"type": "ProcessNotAllowed", "allow": ["/usr/bin/*"]}]
    for name, members in sorted(ids.items()):
        service.call("PUT", f"/v1/groups/{name}", {"members": {"ids": members}, "rules": rules})


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    arguments.data = folder / "data"
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "alerts": arguments.alerts,
    }
    began = time.perf_counter()
    with serving(arguments.data, {}) as service:
        put_groups(service, drawn())
    say(arguments, f"storing {arguments.alerts:,} alerts")
    fleet = fill(file_of(arguments.data), arguments.alerts, datetime.now(UTC))
    report["seconds_to_fill"] = round(time.perf_counter() - began)
    report["store_mb"] = round((arguments.data / "control.db").stat().st_size / 1e6)
    say(arguments, "asking")
    with serving(arguments.data, {}) as service:
        report.update(uvloop.run(under_load(service, fleet, arguments)))
        report["resident_mb"] = round(service.resident())
    return report


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--alerts", type=int, default=1_000_000, help="alerts that are stored")
    parser.add_argument("--seconds", type=float, default=120, help="so long questions are asked")
    run(parser, measure)


if __name__ == "__main__":
    main()
