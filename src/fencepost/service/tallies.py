"""What is not an alert and must yet be known: counted by device, kind and subject, never silently gone."""

from datetime import datetime
from typing import Any

from msgspec import structs

from fencepost.model.entry import Operated, Received
from fencepost.model.errors import DeviceError
from fencepost.model.event import ARRIVALS
from fencepost.model.identity import Channel, Operation
from fencepost.model.outcome import Duplicate, Incomplete, Late, Outcome, Possible, Skewed, Unassigned
from fencepost.model.record import Quarantined, Tally, TallyKind
from fencepost.service.judge import Judged

TELEMETRY: dict[Operation, Channel] = {operation: channel for channel, operation in ARRIVALS.items()}
"""The operations that are messages not for us, by the channel on which they came: ours are entries of their own."""
KEPT_REFUSALS = 20
"""Refusals of one message that are kept one by one: a hostile message holds thousands."""
LONGEST_TEXT = 300


class Tallies:
    """The tallies of one commit; cases of a kind and subject are counted together."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, TallyKind, str], Tally] = {}

    def all(self) -> list[Tally]:
        return list(self._tallies.values())

    def take(self, outcome: Outcome, at: datetime) -> None:
        """Count an outcome that is neither an alert nor moves one; others are passed over."""
        match outcome:
            case Late():
                kind: TallyKind = "late" if outcome.judged else "beyond_horizon"
                detail = {"event_id": outcome.event_id, "occurred_at": outcome.occurred_at}
                self.add(outcome.device_id, kind, outcome.event_name, outcome.received_at, detail)
            case Skewed():
                detail = {"occurred_at": outcome.occurred_at, "judged_at": outcome.judged_at}
                self.add(outcome.device_id, "skewed", outcome.event_name, outcome.received_at, detail)
            case Duplicate():
                subject = "message" if outcome.event_id is None else "event"
                self.add(outcome.device_id, "duplicate", subject, outcome.received_at, {})
            case Incomplete():
                detail = {"reason": outcome.reason, "until": outcome.at}
                self.add(outcome.device_id, "incomplete", outcome.event_name, at, detail)
            case Possible():
                detail = {"at": outcome.at, "certain": outcome.certain, "possible": outcome.possible}
                self.add(outcome.device_id, "possible", outcome.rule_type, at, detail)
            case Unassigned():
                self.add(outcome.device_id, "unassigned", shortened(outcome.tag), at, {})
            case _:
                pass

    def take_operation(self, entry: Operated) -> None:
        """Count a message that is not for us; other operations are passed over."""
        channel = TELEMETRY.get(entry.operation)
        if channel is not None:
            self.add(entry.device_id, "telemetry", channel, entry.at, {})

    def add(
        self,
        device_id: str,
        kind: TallyKind,
        subject: str,
        at: datetime,
        detail: dict[str, Any],
        count: int = 1,
    ) -> None:
        key = device_id, kind, subject
        known = self._tallies.get(key)
        if known is None:
            tally = Tally(
                device_id=device_id,
                kind=kind,
                subject=subject,
                count=count,
                first_at=at,
                last_at=at,
                detail=detail,
            )
        else:
            tally = structs.replace(
                known, count=known.count + count, last_at=max(known.last_at, at), detail=detail
            )
        self._tallies[key] = tally


def refusals_of(judged: Judged, entry: Received) -> list[Quarantined]:
    """Return what of a message could not be decoded, the first few parts one by one (S31)."""
    said = judged.decoded
    if isinstance(said, DeviceError):
        return [_refusal(judged.position, 0, entry, said.where, said.reason, whole=True)]
    if said is None or not said.rejected:
        return []
    kept = said.rejected[:KEPT_REFUSALS]
    rows = [
        _refusal(judged.position, number, entry, one.where, one.reason, whole=False)
        for number, one in enumerate(kept)
    ]
    rows[-1] = structs.replace(rows[-1], more=len(said.rejected) - len(kept))
    return rows


def _refusal(
    position: int, number: int, entry: Received, where: str, reason: str, *, whole: bool
) -> Quarantined:
    return Quarantined(
        position=position,
        number=number,
        device_id=entry.device_id,
        received_at=entry.received_at,
        size=len(entry.body),
        where=shortened(where),
        reason=shortened(reason),
        whole=whole,
    )


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
