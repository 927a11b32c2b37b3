"""What must hold after every calamity."""

import subprocess
import sys
from pathlib import Path

from tests.chaos.load import Load

from fencepost.model.entry import Received
from fencepost.store.journal.reading import JournalReader


def assert_all_acknowledged_is_journalled(load: Load, journal: Path) -> None:
    """Every acknowledged body is in the journal, read without the service's help."""
    kept: dict[str, set[bytes]] = {}
    for _, entry in JournalReader(journal).read(0):
        if isinstance(entry, Received):
            kept.setdefault(entry.device_id, set()).add(entry.body)
    for device_id, bodies in load.acknowledged.items():
        assert set(bodies) <= kept.get(device_id, set())


def assert_live_and_rebuilt_agree(folder: Path, into: Path, **environment: str) -> None:
    """`fencepost rebuild` finds no difference."""
    into.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "fencepost", "rebuild", "--data", str(folder), "--into", str(into)],
        capture_output=True,
        text=True,
        check=False,
        env=environment or None,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "live and rebuilt alerts agree" in done.stdout
