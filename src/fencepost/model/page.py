"""What people ask of the store, and how a long list is handed out: page by page."""

from datetime import datetime
from typing import Generic, TypeVar

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

    `group` is compared without case. `since` and `until` bound `last_seen_at`, the former inclusively.
    `text` is looked for in the value and in the device's id, without case as far as ASCII has one.
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
    hidden: bool = False
