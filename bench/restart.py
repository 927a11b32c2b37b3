"""
How long a restart takes: from the start of the process to the first `/readyz` that says yes.

Run from a checkout: `python bench/restart.py`, `python bench/restart.py --devices 10000 --messages 50000 --json`.

A data folder is made with so many devices and journalled messages; the last snapshot is `--behind` entries
old, as it is at worst when the service was killed. The service is then started, several times, each time
from the same files.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that it runs as a file as well as a module

from bench.ingest import serving
from bench.workload import Workload, generate
from msgspec import structs

from fencepost.engine.detector import Detector
from fencepost.model.entry import DeviceAssigned, Entry, GroupPut, Received
from fencepost.model.record import Changes
from fencepost.service.patience import Patience
from fencepost.service.processor import Processor
from fencepost.service.recovery import batches_of, mark_of
from fencepost.store.control import ControlStore
from fencepost.store.journal.journal import Journal
from fencepost.store.snapshots import Snapshot, Snapshots

FRAME = 50


def entries_of(workload: Workload, now: datetime) -> Iterator[Entry]:
    """Yield groups, devices with their tags, and the stream."""
    for group in workload.groups:
        yield GroupPut(structs.replace(group, allowed_lateness=timedelta(hours=2)), now, "bench")
    for device_id in workload.device_ids:
        yield DeviceAssigned(device_id, workload.group_of[device_id], now, "bench")
    for device_id, body, received_at in workload.messages:
        yield Received(device_id, received_at, body)


def prepare(folder: Path, devices: int, messages: int, behind: int) -> dict[str, float]:
    """Make the data folder of a service that was killed `behind` entries after its last snapshot."""
    now = datetime.now(UTC) - timedelta(minutes=40)
    workload = generate(2 * behind, devices=devices, start=now)
    said = list(entries_of(workload, now))
    filler = [one for one in said if isinstance(one, Received)]
    journal = Journal.open(folder / "journal", clock=lambda: datetime.now(UTC))
    skipped = max(0, messages - len(filler))
    for first in range(0, skipped, FRAME):
        journal.append(
            [filler[(first + index) % len(filler)] for index in range(min(FRAME, skipped - first))]
        )
    for first in range(0, len(said), FRAME):
        journal.append(said[first : first + FRAME])
    with ControlStore.open(f"sqlite:///{folder / 'control.db'}") as store:
        store.commit(Changes(after=0, position=skipped))
        patience = Patience(Event())
        processor = Processor(Detector(), store, position=skipped, patience=patience)
        numbered = list(enumerate(said, skipped + 1))
        cut = len(numbered) - behind
        for first, batch in batches_of(numbered[:cut]):
            processor.process(first, batch)
        snapshot = Snapshot(processor.position, mark_of(processor.latest), processor.detector.snapshot())
        Snapshots(folder / "snapshots").write(snapshot)
        for first, batch in batches_of(numbered[cut:]):
            processor.process(first, batch)
    return {"position": journal.last_position, "snapshot_position": snapshot.position}


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    made = folder / "made"
    with serving(made, {}):
        pass  # makes the data folder
    shutil.rmtree(made / "journal")
    for path in (*made.glob("control.db*"), *(made / "snapshots").iterdir()):
        path.unlink()
    report: dict[str, object] = {"devices": arguments.devices, "behind": arguments.behind}
    report |= prepare(made, arguments.devices, arguments.messages, arguments.behind)
    report["journal_mb"] = round(sum(f.stat().st_size for f in (made / "journal").iterdir()) / 1e6)
    seconds, resident = [], []
    for number in range(arguments.rounds):
        copy = folder / f"copy-{number}"
        shutil.copytree(made, copy)
        began = time.perf_counter()
        with serving(copy, {}) as service:
            assert service.get("/readyz")["ready"]
            seconds.append(round(time.perf_counter() - began, 2))
            resident.append(round(service.resident()))
        shutil.rmtree(copy)
    report["ready_seconds"] = seconds
    report["resident_mb"] = resident
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=1_000_000, help="messages in the journal")
    parser.add_argument("--behind", type=int, default=100_000, help="of these behind the last snapshot")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fencepost-bench-", ignore_cleanup_errors=True) as folder:
        report = measure(arguments, Path(folder))
    print(json.dumps(report, indent=None if arguments.json else 2))


if __name__ == "__main__":
    main()
