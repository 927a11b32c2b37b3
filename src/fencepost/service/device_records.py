"""Who has sent how much: what one commit adds to the devices' records."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import structs

from fencepost.model.entry import DeviceAssigned, Operated, Received, TurnedAway
from fencepost.model.errors import DeviceError
from fencepost.model.event import CONTACTS
from fencepost.model.record import DeviceRecord
from fencepost.service.judge import Judged


def records_of(batch: Iterable[Judged], position: int) -> list[DeviceRecord]:
    """Return a record for each device that a batch of entries is of; `position` is that of the commit."""
    found: dict[str, DeviceRecord] = {}
    for judged in batch:
        entry = judged.entry
        match entry:
            case DeviceAssigned():
                added = _assigned(position, entry)
            case Received() | TurnedAway():
                added = _heard(position, judged, entry)
            case Operated() if entry.operation in CONTACTS:
                added = _seen(position, entry.device_id, entry.at)
            case _:
                continue
        known = found.get(entry.device_id)
        found[entry.device_id] = added if known is None else _sum(known, added)
    return list(found.values())


def _heard(position: int, judged: Judged, entry: Received | TurnedAway) -> DeviceRecord:
    said = judged.decoded
    record = structs.replace(_seen(position, entry.device_id, entry.received_at), messages=1)
    if isinstance(said, DeviceError) or isinstance(entry, TurnedAway):
        return structs.replace(record, rejected=1)
    if said is None:
        return record
    return structs.replace(record, source=said.source, events=len(said.events), rejected=len(said.rejected))


def _seen(position: int, device_id: str, at: datetime) -> DeviceRecord:
    return DeviceRecord(
        device_id=device_id, position=position, registered_at=at, first_seen_at=at, last_seen_at=at
    )


def _assigned(position: int, entry: DeviceAssigned) -> DeviceRecord:
    return DeviceRecord(
        device_id=entry.device_id, position=position, registered_at=entry.at, tag=entry.tag, tagged=True
    )


def _sum(known: DeviceRecord, added: DeviceRecord) -> DeviceRecord:
    return DeviceRecord(
        device_id=known.device_id,
        position=known.position,
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
