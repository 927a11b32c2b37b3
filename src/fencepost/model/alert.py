"""What an owner is told: an alert, its evidence, and the table of its life (S20-S22)."""

from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec import Struct

from fencepost.model.catalog import Severity
from fencepost.model.event import Source

State = Literal["Active", "InProgress", "Resolved", "Dismissed"]
Action = Literal["start", "resolve", "dismiss", "activate", "recover", "allow", "reopen", "suppress"]
Certainty = Literal["certain", "possible"]
Flag = Literal["late", "clock_skew", "inferred", "incomplete", "merged"]

TRANSITIONS: dict[tuple[State, Action], State] = {
    # a person decides
    ("Active", "start"): "InProgress",
    ("Active", "resolve"): "Resolved",
    ("Active", "dismiss"): "Dismissed",
    ("InProgress", "resolve"): "Resolved",
    ("InProgress", "dismiss"): "Dismissed",
    ("InProgress", "activate"): "Active",
    ("Resolved", "activate"): "Active",
    ("Dismissed", "activate"): "Active",
    ("Dismissed", "resolve"): "Resolved",
    # the device is back in its range
    ("Active", "recover"): "Resolved",
    ("InProgress", "recover"): "Resolved",
    # an edit of the list or of the range, or of the device's group
    ("Active", "allow"): "Resolved",
    ("InProgress", "allow"): "Resolved",
    ("Dismissed", "allow"): "Resolved",
    # a suppression rule says that the owner knows
    ("Active", "suppress"): "Dismissed",
    # late data shows that a recovery had not been one
    ("Resolved", "reopen"): "Active",
}
"""The whole life of an alert; a pair that is absent is not allowed."""

Facts = dict[str, Any]


class Evidence(Struct, frozen=True, kw_only=True):
    """One event that an alert stands on; `facts` are the payload's members as the agent named them."""

    event_id: str
    event_name: str
    occurred_at: datetime
    received_at: datetime
    facts: Facts


class Extent(Struct, frozen=True):
    """
    One or several violations of a range: the first, the last, and the worst number.

    `over` says that the maximum was passed; otherwise the minimum was missed.
    """

    first_at: datetime
    last_at: datetime
    count: int
    over: bool


class Alert(Struct, frozen=True, kw_only=True):
    """
    One deviation that an owner should know of.

    `alert_id` is derived from (device, rule, value) and `ordinal`, the n-th alert of that identity (S23).
    `count`: for a range rule the number of the worst window; for a list the number of occurrences.
    `started_at`, `last_seen_at`: event time of the first and the latest violation.
    `ended_at`: event time from which the device is back in its range, or when an edit ended the alert; None
    while it is not over. `ended_by`: the action that moved it last.
    `merged_into`: the alert that took this one over when late data joined the two.
    `firm`, `shortfalls`: what the alert of a range stands on; late data may still repair the latter (S07).
    `assigned_to`: who works on it, a text that people choose.
    `flags`: what a reader must know of the evidence; `merged` says that counters were coarsened (S26).
    """

    alert_id: str
    alert_type: str
    rule_type: str
    device_id: str
    group: str
    severity: Severity
    state: State
    title: str
    description: str
    remediation: str
    data_source: Source
    value: str | None
    count: int
    min: int | None = None
    max: int | None = None
    window: timedelta | None = None
    started_at: datetime
    last_seen_at: datetime
    received_at: datetime
    certainty: Certainty
    flags: tuple[Flag, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    group_version: int = 1
    ordinal: int = 1
    previous_id: str | None = None
    merged_into: str | None = None
    nearest_entry: str | None = None
    allowing_entry: str | None = None
    subjects: tuple[Facts, ...] = ()
    firm: Extent | None = None
    shortfalls: tuple[Extent, ...] = ()
    ended_at: datetime | None = None
    ended_by: Action | None = None
    reason: str | None = None
    assigned_to: str | None = None
