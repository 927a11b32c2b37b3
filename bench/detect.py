"""
How fast the engine judges, beside what no Python program could beat (docs/performance.md).

Run from a checkout: `python bench/detect.py`, `python bench/detect.py --messages 20000 --json`.

In each round the same bytes go through, in turn: the whole way (decode, judge, keep alerts), the typed
decode alone (the floor: msgspec building the very objects that the engine reads), and `orjson.loads`.
Ratios are medians of the rounds' own ratios, so that a machine whose speed drifts does not matter much.
"""

import argparse
import gc
import json
import platform
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec
import orjson

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs as a file as well as a module

from bench.workload import START, Message, Workload, generate

from fencepost.engine.book import AlertBook
from fencepost.engine.detector import Detector
from fencepost.model.event import LegacyEvent
from fencepost.model.outcome import Cleared, Finding, Recovered
from fencepost.wire import message as wire

ALERTING = (Finding, Recovered, Cleared)


class _Floor(msgspec.Struct, gc=False):
    events: list[LegacyEvent] = msgspec.field(name="Events")


_floor = msgspec.json.Decoder(_Floor).decode


def fleet(workload: Workload) -> Detector:
    """Return a detector that knows every device of the workload and its group."""
    detector = Detector.build(workload.groups)
    for device_id in workload.device_ids:
        detector.assign(device_id, workload.group_of[device_id], START)
    return detector


def judge(detector: Detector, messages: list[Message], book: AlertBook) -> dict[str, int]:
    """Send every message through the whole way; returns how many outcomes of each kind there were."""
    kinds: dict[str, int] = {}
    for device_id, body, received_at in messages:
        for outcome in detector.receive(device_id, wire.decode(body), received_at):
            name = type(outcome).__name__
            kinds[name] = kinds.get(name, 0) + 1
            if isinstance(outcome, ALERTING):
                book.apply(outcome)
    return kinds


def decode_only(messages: list[Message]) -> None:
    for _, body, _ in messages:
        _floor(body)


def orjson_only(messages: list[Message]) -> None:
    for _, body, _ in messages:
        orjson.loads(body)


def seconds(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def memory(workload: Workload) -> float:
    """Return the bytes that a detector keeps for each registered device after the whole stream."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    detector = fleet(workload)
    for device_id, body, received_at in workload.messages:
        detector.receive(device_id, wire.decode(body), received_at)
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / len(workload.device_ids)


def measure(workload: Workload, rounds: int, say: Callable[[str], None]) -> dict[str, float | int | str]:
    messages = workload.messages
    records = sum(len(e.payload) for _, body, _ in messages for e in _floor(body).events)
    volume = sum(len(body) for _, body, _ in messages)
    times: dict[str, list[float]] = {"engine": [], "floor": [], "orjson": []}
    kinds: dict[str, int] = {}
    for number in range(rounds):
        detector, book = fleet(workload), AlertBook()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)  # as a service would: nothing here goes in circles
        times["engine"].append(seconds(lambda d=detector, b=book: kinds.update(judge(d, messages, b))))  # type: ignore[misc]
        gc.unfreeze()
        gc.set_threshold(700, 10, 10)
        times["floor"].append(seconds(lambda: decode_only(messages)))
        times["orjson"].append(seconds(lambda: orjson_only(messages)))
        say(f"round {number + 1} of {rounds}: {records / times['engine'][-1]:,.0f} records/s")
    snapshot = detector.snapshot()
    save = statistics.median(seconds(detector.snapshot) for _ in range(3))
    build = statistics.median(seconds(lambda: Detector.build(workload.groups, snapshot)) for _ in range(3))
    del detector  # another one would share its compiled lists
    say("measuring memory (a slow run under tracemalloc) ...")
    median = statistics.median(times["engine"])
    return {
        "records_per_second": round(records / median),
        "mb_per_second": round(volume / median / 1e6, 1),
        "floor_ratio": _ratio(times["floor"], times["engine"]),
        "orjson_ratio": _ratio(times["orjson"], times["engine"]),
        "bytes_per_device": round(memory(workload)),
        "snapshot_bytes": len(snapshot),
        "snapshot_seconds": round(save, 3),
        "build_seconds": round(build, 3),
        "messages": len(messages),
        "records": records,
        "devices": len(workload.device_ids),
        "alerts": len(book.alerts()),
        "findings": kinds.get("Finding", 0),
        "late": kinds.get("Late", 0),
        "rounds": rounds,
        "python": platform.python_version(),
    }


def _ratio(floor: list[float], engine: list[float]) -> float:
    return round(statistics.median(f / e for f, e in zip(floor, engine, strict=True)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--messages", type=int, default=100_000, help="messages in the stream (default 100000)"
    )
    parser.add_argument("--devices", type=int, default=100_000, help="registered devices (default 100000)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    say(f"making {options.messages:,} messages of {options.devices:,} devices ...")
    workload = generate(options.messages, options.devices)
    result = measure(workload, options.rounds, say)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:20} {value:>14,}" if isinstance(value, int) else f"{name:20} {value:>14}")


if __name__ == "__main__":
    main()
