"""
The work on journalled entries: judge, commit, and hand out what changed.

One thread does it, in the order of the journal. It is the same work for what has just come, for what a
restart finds in the journal behind the control store, and for a rebuild of everything.
"""

from collections.abc import Sequence

from msgspec import Struct

from fencepost.engine.detector import Detector
from fencepost.model.alert import Alert
from fencepost.model.entry import Entry
from fencepost.service.expectations import Expectations
from fencepost.service.judge import INTERNAL, Decoded, judge
from fencepost.service.ledger import Ledger, Refusal
from fencepost.service.patience import Patience
from fencepost.service.ports import AlertStore


class Processed(Struct, frozen=True):
    """What came of some entries: changed alerts with their positions, and actions that are not allowed."""

    alerts: list[tuple[Alert, int]]
    refused: dict[int, Refusal]


class Processor:
    """
    A detector and a control store that go forward together.

    `position` is that of the last entry judged and committed, `latest` that entry, if one has been. While
    `is_settled` is False the detector knows more than the store, and no snapshot may be taken. `quarantined`
    counts what could not be decoded, `faults` what a fault of ours kept from being judged, since the start.
    """

    def __init__(self, detector: Detector, store: AlertStore, *, position: int, patience: Patience) -> None:
        self.detector = detector
        self.position = position
        self.latest: Entry | None = None
        self.is_settled = True
        self.quarantined = 0
        self.faults = 0
        self._store = store
        self._ledger = Ledger(store)
        self._patience = patience

    @property
    def trouble(self) -> str | None:
        """Say why the store cannot be reached at the moment, None when it can."""
        return self._patience.trouble

    @property
    def expectations(self) -> Expectations:
        """Return what is in force after the latest commit."""
        return self._ledger.expectations

    def recall(self, position: int, entry: Entry) -> None:
        """Judge an entry once more whose consequences the store has already."""
        judge(self.detector, position, entry)
        self.position, self.latest = position, entry

    def process(self, first: int, entries: Sequence[tuple[Entry, Decoded]]) -> Processed:
        """
        Judge entries whose positions begin at `first`, and commit what follows from them.

        Waits for a control store that is away; raises Stopped when the service ends meanwhile.
        """
        self.is_settled = False
        batch = [
            judge(self.detector, position, entry, decoded)
            for position, (entry, decoded) in enumerate(entries, first)
        ]
        known = self._patience.until_done(lambda: self._ledger.known_to(batch))
        changes, refused = self._ledger.changes(self.position, batch, known)
        self._patience.until_done(lambda: self._store.commit(changes))
        self.position, self.latest, self.is_settled = changes.position, entries[-1][0], True
        self.quarantined += len(changes.quarantined)
        self.faults += sum(one.reason == INTERNAL for one in changes.quarantined)
        return Processed(changes.alerts, refused)
