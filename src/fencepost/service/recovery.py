"""After a restart: the last snapshot, then the journal behind it, and everything is as it was (S30)."""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import blake2b
from itertools import chain
from typing import Protocol

from msgspec import msgpack

from fencepost.engine.detector import Detector
from fencepost.model.entry import Entry, Received
from fencepost.model.layer import Layer
from fencepost.model.rule import SecurityGroup
from fencepost.service.judge import Decoded
from fencepost.service.patience import Patience
from fencepost.service.ports import AlertStore, EntryLog
from fencepost.service.processor import Processor

BATCH = 2048

_log = logging.getLogger(__name__)


class Snapshot(Protocol):
    """A detector's memory at a position, and the mark of the entry there."""

    position: int
    mark: bytes
    detector: bytes


def recover(
    journal: EntryLog,
    store: AlertStore,
    snapshots: Iterable[Snapshot],
    *,
    now: datetime,
    patience: Patience,
    progress: Callable[[int], None] = lambda _: None,
) -> Processor:
    """
    Return a processor that stands where the journal ends.

    `snapshots` are those that are not ahead of the store, the newest first; one of another history is not
    used. Entries that the store has committed are judged once more for the detector's sake only; the others
    are committed. `progress` hears the positions, `now` is when the service starts. Raises Stopped when the
    service is to end first.
    """
    committed = patience.until_done(store.position)
    detector, begin = _detector(snapshots, journal)
    processor = patience.until_done(lambda: Processor(detector, store, position=begin, patience=patience))

    def reached(position: int) -> None:
        patience.check()
        progress(position)

    entries = iter(journal.read(begin))
    pending = _recall(processor, entries, committed, reached)
    processor.position = committed
    _agree(detector, patience.until_done(store.groups), now)
    _agree_on_layers(detector, patience.until_done(store.layers), now)
    for first, batch in batches_of(chain(pending, entries)):
        processor.process(first, batch)
        reached(processor.position)
    return processor


def mark_of(entry: Entry | None) -> bytes:
    """Return what tells an entry from any other that could stand at its position."""
    said: object = entry
    if isinstance(entry, Received) and entry.via is None:  # as older versions, whose marks hold, wrote it
        said = ("message", entry.device_id, entry.received_at, entry.body)
    return blake2b(msgpack.encode(said), digest_size=16).digest()


def _detector(snapshots: Iterable[Snapshot], journal: EntryLog) -> tuple[Detector, int]:
    for snapshot in snapshots:
        if mark_of(journal.entry(snapshot.position)) != snapshot.mark:
            _log.warning("the snapshot at position %d is not of this journal", snapshot.position)
            continue
        try:
            return Detector.build(None, snapshot.detector), snapshot.position
        except ValueError as error:
            _log.warning("the snapshot at position %d cannot be used: %s", snapshot.position, error)
    return Detector(), 0


def _recall(
    processor: Processor,
    entries: Iterator[tuple[int, Entry]],
    committed: int,
    progress: Callable[[int], None],
) -> list[tuple[int, Entry]]:
    """Judge again what is committed; return the entry behind it that had to be read to know."""
    for position, entry in entries:
        if position > committed:
            return [(position, entry)]
        processor.recall(position, entry)
        progress(position)
    return []


def _agree(detector: Detector, groups: Iterable[SecurityGroup], now: datetime) -> None:
    """Where the journal lost an edit, the store still knows the groups that are in force."""
    known = {group.name.casefold(): group for group in detector.groups()}
    for group in groups:
        if known.pop(group.name.casefold(), None) != group:
            _log.error("the group %s is not as the journal has it: the control store's is taken", group.name)
            detector.replace_group(group, now)
    for name in known:
        detector.remove_group(name, now)


def _agree_on_layers(detector: Detector, layers: Iterable[Layer], now: datetime) -> None:
    known = detector.layers()
    stored = {layer.device_id: layer for layer in layers}
    for device_id in (None, *known.devices):
        stored.setdefault(device_id, Layer(device_id=device_id))
    for layer in stored.values():
        of_detector = known.fleet if layer.device_id is None else known.of(layer.device_id)
        if of_detector.rules != layer.rules:
            subject = "the fleet" if layer.device_id is None else f"the device {layer.device_id}"
            _log.error("the layer of %s is not as the journal has it: the control store's is taken", subject)
            detector.replace_layer(layer, now)


def batches_of(entries: Iterable[tuple[int, Entry]]) -> Iterator[tuple[int, list[tuple[Entry, Decoded]]]]:
    """Yield runs of entries without a gap between their positions, each with its first position."""
    first = 0
    batch: list[tuple[Entry, Decoded]] = []
    for position, entry in entries:
        if batch and (position != first + len(batch) or len(batch) >= BATCH):
            yield first, batch
            batch = []
        if not batch:
            first = position
        batch.append((entry, None))
    if batch:
        yield first, batch
