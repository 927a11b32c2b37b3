"""
The roll of devices: who has sent how much, counted in memory and written down a part at a time.

Each device is written down together with the position up to which it is counted, so that a restart counts
no message twice and leaves none out.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import structs

from fencepost.model.entry import DeviceAssigned, Received, TurnedAway
from fencepost.model.errors import DeviceError
from fencepost.model.record import DeviceRecord
from fencepost.service.judge import Judged

PART = 500
"""Devices written down with one commit: more would make alerts wait."""


class Roll:
    """
    What is to be added to the devices' records.

    `waiting` is what a snapshot kept of it; `counted` are the positions up to which the control store has
    counted devices beyond that snapshot.
    """

    def __init__(
        self, waiting: Iterable[DeviceRecord] = (), counted: Mapping[str, int] | None = None
    ) -> None:
        self._counted = dict(counted or {})
        self._waiting = {
            one.device_id: one for one in waiting if one.position > self._counted.get(one.device_id, 0)
        }

    def take(self, judged: Judged) -> None:
        """Count an entry for its device, unless the store has counted it."""
        entry = judged.entry
        if not isinstance(entry, Received | TurnedAway | DeviceAssigned):
            return
        if self._counted and judged.position <= self._counted.get(entry.device_id, 0):
            return
        known = self._waiting.pop(entry.device_id, None)
        added = (
            _assigned(judged.position, entry) if isinstance(entry, DeviceAssigned) else _heard(judged, entry)
        )
        self._waiting[entry.device_id] = added if known is None else _sum(known, added)

    def part(self) -> list[DeviceRecord]:
        """Take out the devices that have waited longest to be written down."""
        ids = [device_id for device_id, _ in zip(self._waiting, range(PART), strict=False)]
        return [self._waiting.pop(device_id) for device_id in ids]

    def waiting(self) -> list[DeviceRecord]:
        """Return all that is not written down yet."""
        return list(self._waiting.values())

    def __len__(self) -> int:
        return len(self._waiting)


def _heard(judged: Judged, entry: Received | TurnedAway) -> DeviceRecord:
    at, said = entry.received_at, judged.decoded
    record = DeviceRecord(
        device_id=entry.device_id,
        position=judged.position,
        registered_at=at,
        first_seen_at=at,
        last_seen_at=at,
        messages=1,
    )
    if isinstance(said, DeviceError) or isinstance(entry, TurnedAway):
        return structs.replace(record, rejected=1)
    if said is None:
        return record
    return structs.replace(record, source=said.source, events=len(said.events), rejected=len(said.rejected))


def _assigned(position: int, entry: DeviceAssigned) -> DeviceRecord:
    return DeviceRecord(
        device_id=entry.device_id, position=position, registered_at=entry.at, tag=entry.tag, tagged=True
    )


def _sum(known: DeviceRecord, added: DeviceRecord) -> DeviceRecord:
    return DeviceRecord(
        device_id=known.device_id,
        position=max(known.position, added.position),
        registered_at=min(known.registered_at, added.registered_at),
        first_seen_at=_earliest(known.first_seen_at, added.first_seen_at),
        last_seen_at=_latest(known.last_seen_at, added.last_seen_at),
        source=added.source or known.source,
        messages=known.messages + added.messages,
        events=known.events + added.events,
        rejected=known.rejected + added.rejected,
        tag=added.tag if added.tagged else known.tag,
        tagged=known.tagged or added.tagged,
    )


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)
