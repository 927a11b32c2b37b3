"""One journal entry and the detector: the same step live, after a restart, and when all is rebuilt (S30)."""

import logging

from msgspec import Struct

from fencepost.engine.detector import Detector
from fencepost.model.entry import (
    AlertActed,
    AlertAssigned,
    AlertCommented,
    DeviceAssigned,
    Entry,
    GatewayOpened,
    GroupDeleted,
    GroupPut,
    LayerPut,
    Operated,
    Received,
    SuppressionDeleted,
    SuppressionPut,
    Ticked,
    TurnedAway,
    TwinServed,
)
from fencepost.model.errors import DeviceError
from fencepost.model.event import ARRIVALS, SecurityMessage
from fencepost.model.outcome import Outcome
from fencepost.wire.message import decode

INTERNAL = "internal fault: the message could not be judged, it is kept and the fault is in the log"

MOST_DUE = 1000
"""Devices of one tick: a fleet that falls silent together must not keep everybody else waiting (S26)."""

_log = logging.getLogger(__name__)

Decoded = SecurityMessage | DeviceError | None
"""What is known of a message's body: what it says, why it cannot be read, or nothing yet."""


class Judged(Struct, frozen=True):
    """An entry, what its message says (or why it cannot be read), and what followed."""

    position: int
    entry: Entry
    outcomes: list[Outcome]
    decoded: Decoded = None


def understand(body: bytes) -> SecurityMessage | DeviceError:
    """Return what a message says, or why nothing of it can be used (S31)."""
    try:
        return decode(body)
    except DeviceError as error:
        return error


def judge(detector: Detector, position: int, entry: Entry, decoded: Decoded = None) -> Judged:
    """Say an entry to the detector; a message is decoded unless it has been already."""
    match entry:
        case Received():
            return _judge_message(detector, position, entry, decoded)
        case GroupPut() | GroupDeleted() | LayerPut() | DeviceAssigned():
            return Judged(position, entry, _edit(detector, entry))
        case Operated():
            return Judged(position, entry, detector.operate(entry.device_id, entry.operation, entry.at))
        case TwinServed():
            detector.serve_twin(entry.device_id, entry.delays)
        case GatewayOpened():
            detector.open_gateway(entry.at)
        case Ticked():
            return Judged(position, entry, detector.tick(entry.at, MOST_DUE))
        case AlertActed() | AlertAssigned() | AlertCommented() | TurnedAway():
            pass
        case SuppressionPut() | SuppressionDeleted():  # what opens is dismissed by the ledger
            pass
    return Judged(position, entry, [])


def _edit(detector: Detector, edit: GroupPut | GroupDeleted | LayerPut | DeviceAssigned) -> list[Outcome]:
    match edit:
        case GroupPut():
            return detector.replace_group(edit.group, edit.at)
        case GroupDeleted():
            return detector.remove_group(edit.name, edit.at)
        case LayerPut():
            return detector.replace_layer(edit.layer, edit.at)
        case DeviceAssigned():
            return detector.assign(edit.device_id, edit.tag, edit.at)


def _judge_message(detector: Detector, position: int, entry: Received, decoded: Decoded) -> Judged:
    """The gateway sees a message arrive before anybody reads it: one more, whatever it says (S19)."""
    said = understand(entry.body) if decoded is None else decoded
    outcomes: list[Outcome] = []
    try:
        if entry.via is not None:
            outcomes += detector.operate(entry.device_id, ARRIVALS[entry.via], entry.received_at)
        if not isinstance(said, DeviceError):
            outcomes += detector.receive(entry.device_id, said, entry.received_at)
    except Exception:  # noqa: BLE001 - whatever it is, it is ours
        # a message that we cannot bear would stop the stream at every restart anew (S31)
        _log.exception("internal fault: the message at position %d could not be judged", position)
        said = DeviceError(INTERNAL)
    return Judged(position, entry, outcomes, said)
