"""An alert as programs read it: one line of `detect --json`, and what the API answers."""

from datetime import datetime
from hashlib import blake2b

from msgspec import Struct, json

from fencepost.model.alert import Alert, Certainty, Evidence, Flag, State
from fencepost.model.catalog import Severity
from fencepost.model.duration import iso_duration
from fencepost.model.event import Source


class AlertView(Struct, frozen=True, kw_only=True):
    """
    What is public of an alert (see `model.alert.Alert`); `window` is an ISO 8601 duration.

    `nearest_entry` is the entry of the list that came nearest, `allowing_entry` one that would allow the
    value; `previous_id` the alert before this one of the same device, rule and value.
    """

    alert_id: str
    alert_type: str
    rule_type: str
    device_id: str
    group: str
    group_version: int
    severity: Severity
    state: State
    title: str
    description: str
    remediation: str
    data_source: Source
    value: str | None
    count: int
    min: int | None
    max: int | None
    window: str | None
    started_at: datetime
    last_seen_at: datetime
    received_at: datetime
    ended_at: datetime | None
    reason: str | None
    assigned_to: str | None
    certainty: Certainty
    flags: tuple[Flag, ...]
    nearest_entry: str | None
    allowing_entry: str | None
    previous_id: str | None
    evidence: tuple[Evidence, ...]


_COPIED = tuple(name for name in AlertView.__struct_fields__ if name != "window")


def view_of(alert: Alert) -> AlertView:
    """Return what is public of an alert."""
    window = iso_duration(alert.window) if alert.window is not None else None
    return AlertView(window=window, **{name: getattr(alert, name) for name in _COPIED})


def etag_of(alert: Alert) -> str:
    """
    Return what changes whenever a person, or a rule on their behalf, could have changed their mind.

    More of the same from the device does not change it.
    """
    told = (alert.state, alert.ended_by, alert.reason, alert.assigned_to, alert.group_version)
    return blake2b(json.encode(told), digest_size=8).hexdigest()
