"""An alert as rows: what it is found by, and all of it."""

from functools import lru_cache
from hashlib import blake2b
from typing import Any

from fencepost.model.alert import Alert
from fencepost.store.control.columns import encoded, key

LABEL_END = "\n\n"

_FACET_BYTES = 6


def identity_key(device_id: str, rule_type: str, value: str | None) -> str:
    """Return one short text for what makes two findings the same alert (S20)."""
    return _digest((device_id, rule_type, value), 16).hex()


def group_key(name: str) -> str:
    """Return what a group's name is looked up by: case does not matter (S25)."""
    return key(name.casefold())


def is_hidden(alert: Alert) -> bool:
    """Return whether the alert came to nothing: another took it over, or its missed minimum was repaired (S07)."""
    nothing_left = alert.window is not None and alert.firm is None and not alert.shortfalls
    return alert.merged_into is not None or (alert.state == "Resolved" and nothing_left)


def facet_of(alert: Alert) -> dict[str, Any]:
    """Return the row of `alert_facets` that an alert belongs to; its number is made of what it stands for."""
    row = {
        "group_key": group_key(alert.group),
        "rule_type": key(alert.rule_type),
        "severity": alert.severity,
        "state": alert.state,
        "hidden": is_hidden(alert),
        "assigned": bool(alert.assigned_to),
    }
    return {"facet": int.from_bytes(_digest(tuple(row.values()), _FACET_BYTES), "big"), **row}


def row_of(alert: Alert, facet: dict[str, Any], position: int) -> dict[str, Any]:
    """Return the row of `alerts`, given that of its facet; `position` is of the entry that changed the alert last."""
    return {
        "alert_id": key(alert.alert_id),
        "identity": identity_key(alert.device_id, alert.rule_type, alert.value),
        "ordinal": alert.ordinal,
        "position": position,
        "facet": facet["facet"],
        "device_key": key(alert.device_id),
        "started_at": alert.started_at,
        "last_seen_at": alert.last_seen_at,
        "count": alert.count,
        "assigned_key": key(alert.assigned_to) if alert.assigned_to else None,
        "labels": group_label(facet["group_key"]) + rule_label(facet["rule_type"]),
        "moved": False,
        "value": alert.value,
    }


def group_label(name: str) -> str:
    """Return what stands for a group, by its key, among an alert's labels; few have the same."""
    return _label(name, 0xE000)


def rule_label(name: str) -> str:
    """Return what stands for a rule type among an alert's labels."""
    return _label(name, 0xE100)


@lru_cache(maxsize=4096)
def _label(name: str, first: int) -> str:
    """Return three private letters, which hardly a text has, and an end."""
    return "".join(chr(first + byte) for byte in blake2b(name.encode(), digest_size=3).digest()) + LABEL_END


def _digest(value: tuple[Any, ...], size: int) -> bytes:
    return blake2b(encoded(value), digest_size=size).digest()
