"""What people ask of the store, and how a long list is handed out: page by page."""

from datetime import datetime
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from fencepost.model.alert import State
from fencepost.model.catalog import Severity

MOST = 1000
"""The most items of one page."""

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """Some of a list, in its order; `after` is what to ask the next page with, None where this is the last."""

    items: list[T]
    after: str | None = None


class Counts(Struct, frozen=True):
    """How much there is; `alerts` are those that did not come to nothing, by state and severity."""

    alerts: dict[tuple[State, Severity], int]
    devices: int
    quarantined: int


class AlertFilter(Struct, frozen=True, kw_only=True):
    """
    Which alerts are wanted; what is left out asks nothing.

    `group` is compared without case. `since` (inclusively) and `until` bound `last_seen_at`.
    `text` is looked for in the value and in the device's id, without case as far as ASCII has one.
    `groups` are names without case of which the alert's group is one, None for all: what a reader may see.
    `assigned_to` is who works on it, an empty text for nobody.
    `hidden` adds the alerts that came to nothing: those that another took over, and those whose missed
    minimum late data repaired.
    """

    states: frozenset[State] = frozenset()
    severities: frozenset[Severity] = frozenset()
    device_id: str | None = None
    group: str | None = None
    rule_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    assigned_to: str | None = None
    groups: frozenset[str] | None = None
    hidden: bool = False


AlertSort = Literal["-started_at", "started_at", "-last_seen_at", "last_seen_at", "-severity", "severity"]
"""How a list of alerts is sorted; with the sign the latest, or the most severe, comes first."""
