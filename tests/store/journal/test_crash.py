"""Processes that die in the middle of an append: everything that they had acknowledged is there (S30)."""

import random
import subprocess
import sys
import time
from pathlib import Path

from tests.store.journal.material import belonging, opened, read

from fencepost.store.journal.segment import segments_in

APPENDER = """
import sys
from pathlib import Path
from tests.store.journal.material import messages, opened

journal = opened(Path(sys.argv[1]), seal_bytes=2_000)
for number in range(1_000_000):
    journal.append(messages(journal.last_position + 1, 1 + number % 7, 200))
    print(journal.last_position, flush=True)
"""
ROUNDS = 6


def test_S30_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(30)  # noqa: S311 - when to kill
    there = 0
    for _ in range(ROUNDS):
        running = subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert running.stdout is not None
        first = int(running.stdout.readline())
        time.sleep(chance.uniform(0, 0.1))
        running.kill()
        acknowledged = [first, *map(int, running.stdout.read().split())]
        running.stdout.close()
        running.wait()
        assert first == there + 1
        found = read(tmp_path)
        assert found == belonging(range(1, len(found) + 1), 200)
        assert len(found) >= acknowledged[-1]
        there = len(found)
    assert len(segments_in(tmp_path)) >= ROUNDS
    journal = opened(tmp_path)
    assert (journal.damages, journal.gaps, journal.last_position) == ((), (), there)
    journal.close()
