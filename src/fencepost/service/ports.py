"""What the service needs of other rooms; they satisfy it by shape and never import it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from fencepost.engine.lifecycle import Identity
from fencepost.model.alert import Alert
from fencepost.model.entry import Entry
from fencepost.model.layer import Layer
from fencepost.model.record import Changes
from fencepost.model.registry import TagState
from fencepost.model.rule import SecurityGroup
from fencepost.model.suppression import SuppressionRule


class EntryLog(Protocol):
    """The journal: the acknowledgement point, and the truth from which all else can be made again (S30)."""

    @property
    def last_position(self) -> int:
        """The position of the last entry, 0 where there is none."""

    def append(self, entries: Sequence[Entry]) -> int:
        """Put entries on disk and return the position of the first; raises OSError, and then none is kept."""

    def read(self, after: int) -> Iterator[tuple[int, Entry]]:
        """Yield every entry behind a position, with its own."""

    def entry(self, position: int) -> Entry | None:
        """Return the entry at a position, None where the journal does not have it."""


class AlertStore(Protocol):
    """The control store, as the pipeline uses it. Errors of the connection are raised as StoreUnavailable."""

    def position(self) -> int:
        """Return the position of the last entry that has been committed."""

    def groups(self) -> tuple[SecurityGroup, ...]:
        """Return the groups in force, in the order in which they were made."""

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers there are or were, the latter without rules."""

    def suppressions(self) -> tuple[SuppressionRule, ...]:
        """Return the rules by which alerts are dismissed as they open."""

    def histories(self, identities: Iterable[Identity]) -> list[Alert]:
        """Return the latest 32 alerts of each identity."""

    def standing(self, *, group: str | None = None, device_id: str | None = None) -> list[Alert]:
        """Return the alerts that are not Resolved, of a group (name without case) or of a device."""

    def alert(self, alert_id: str) -> Alert | None:
        """Return one alert."""

    def tags(self, device_ids: Sequence[str]) -> list[TagState]:
        """Return how the tags of some devices stand, registered or not, in this order."""

    def commit(self, changes: Changes) -> None:
        """
        Make all changes in one durable transaction; once more changes nothing.

        Raises ValueError where the store does not stand at `changes.after`: somebody else writes to it.
        """
