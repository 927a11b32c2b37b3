"""What people ask of the store, and how a long list is handed out: page by page."""

from datetime import datetime
from typing import Generic, Literal, TypeVar

from msgspec import Struct, field

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

SummaryBy = Literal["rule_type", "group", "device_id", "severity", "state", "value", "day"]
"""What alerts are counted together by; `day` is that of `started_at`, in UTC."""


class SummaryRow(Struct, frozen=True, kw_only=True):
    """
    The alerts that have something in common; `key` is it, None for alerts without a value.

    `still_open` (`open` where it is shown) are those neither Resolved nor Dismissed, `occurrences` the sum of their
    counts, `devices` how many devices they are of. A group is called as it is now, without case where there is none
    of the name; a day is written 2026-11-24.
    """

    key: str | None
    alerts: int
    still_open: int = field(name="open")
    occurrences: int
    devices: int
    first_at: datetime
    last_at: datetime
