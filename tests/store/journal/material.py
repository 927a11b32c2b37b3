"""What the tests of the journal build from: a clock to set, entries that say their number, settings."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import shake_128
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

from fencepost.model.entry import Entry, Received
from fencepost.store.journal.journal import Journal
from fencepost.store.journal.reading import JournalReader
from fencepost.store.journal.segment import segments_in

START = datetime(2026, 3, 1, 12, tzinfo=UTC)

property_settings = settings(
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def noise(number: int, size: int) -> bytes:
    """Return bytes of which nothing can be compressed, the same for the same number."""
    return shake_128(number.to_bytes(8)).digest(size)


def message(number: int, size: int = 20) -> Received:
    """Return the message that belongs at a position."""
    return Received(f"cam-{number:06}", START + timedelta(milliseconds=number), noise(number, size))


def messages(first: int, number: int, size: int = 20) -> list[Entry]:
    return [message(position, size) for position in range(first, first + number)]


def opened(folder: Path, **options: Any) -> Journal:
    return Journal.open(folder, **{"clock": Clock(), **options})


def filled(folder: Path, *commits: int, **options: Any) -> None:
    """Write commits of so many messages each, each of them the one that belongs at its position."""
    journal = opened(folder, **options)
    for number in commits:
        journal.append(messages(journal.last_position + 1, number))
    journal.close()


def read(folder: Path, after: int = 0) -> dict[int, Entry]:
    """Return what another process reads, by position; the reader must find nothing wrong."""
    reader = JournalReader(folder)
    found = dict(reader.read(after))
    assert (reader.damages, reader.gaps) == ((), ())
    return found


def belonging(positions: Iterable[int], size: int = 20) -> dict[int, Entry]:
    return {position: message(position, size) for position in positions}


def last_segment(folder: Path) -> Path:
    return segments_in(folder)[-1].path
