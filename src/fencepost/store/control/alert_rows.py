"""An alert as a row: what it is found by, and all of it."""

from hashlib import blake2b
from typing import Any

from fencepost.model.alert import Alert
from fencepost.store.control.columns import encoded, key


def identity_key(device_id: str, rule_type: str, value: str | None) -> str:
    """Return one short text for what makes two findings the same alert (S20)."""
    return blake2b(encoded((device_id, rule_type, value)), digest_size=16).hexdigest()


def group_key(name: str) -> str:
    """Return what a group's name is looked up by: case does not matter (S25)."""
    return key(name.casefold())


def is_hidden(alert: Alert) -> bool:
    """Return whether the alert came to nothing: another took it over, or its missed minimum was repaired (S07)."""
    nothing_left = alert.window is not None and alert.firm is None and not alert.shortfalls
    return alert.merged_into is not None or (alert.state == "Resolved" and nothing_left)


def row_of(alert: Alert, position: int) -> dict[str, Any]:
    """Return the columns of the table `alerts`; `position` is of the entry that changed the alert last."""
    return {
        "alert_id": key(alert.alert_id),
        "identity": identity_key(alert.device_id, alert.rule_type, alert.value),
        "ordinal": alert.ordinal,
        "position": position,
        "device_key": key(alert.device_id),
        "group_key": group_key(alert.group),
        "rule_type": key(alert.rule_type),
        "severity": alert.severity,
        "state": alert.state,
        "hidden": is_hidden(alert),
        "started_at": alert.started_at,
        "last_seen_at": alert.last_seen_at,
        "received_at": alert.received_at,
        "value": alert.value,
        "body": alert,
    }


NEVER_CHANGE = frozenset({"alert_id", "identity", "ordinal", "device_key", "rule_type", "value"})
"""Columns that are of the alert's identity: an alert that changes keeps them, and their indices rest."""
