"""What the audit keeps of an edit: who, what, before and after, and what became of the alerts (S24)."""

from typing import Any

import msgspec

from fencepost.model.alert import Alert
from fencepost.model.entry import (
    AlertActed,
    AlertAssigned,
    AlertCommented,
    DeviceAssigned,
    GroupDeleted,
    GroupPut,
    LayerPut,
    SuppressionDeleted,
    SuppressionPut,
)
from fencepost.model.record import AuditRecord
from fencepost.service.expectations import Edit, Expected

SHOWN = 100
"""Entries of a list that the audit shows."""

AlertEntry = AlertActed | AlertAssigned | AlertCommented
Plain = dict[str, Any] | None


def of_edit(
    position: int, edit: Edit, before: Expected | None, after: Expected | None, moved: int
) -> AuditRecord:
    """Return the record of an edit of what is expected; `moved` alerts have changed their state by it."""
    return AuditRecord(
        position=position,
        at=edit.at,
        actor=edit.actor,
        action=_action_of(edit),
        subject=_subject_of(edit),
        before=_plain(before),
        after=_plain(after),
        effect=_effect_of(edit, moved),
    )


def of_device(position: int, edit: DeviceAssigned, before: Plain, moved: int) -> AuditRecord:
    """Return the record of a device that was registered, or whose tag was set."""
    return AuditRecord(
        position=position,
        at=edit.at,
        actor=edit.actor,
        action="put",
        subject=f"device/{edit.device_id}",
        before=before,
        after={"SecurityGroup": edit.tag},
        effect=_moved(moved),
    )


def of_alert(position: int, entry: AlertEntry, before: Alert, after: Alert) -> AuditRecord:
    """Return the record of what a person did about an alert."""
    action, member, effect = _told_of(entry)
    return AuditRecord(
        position=position,
        at=entry.at,
        actor=entry.actor,
        action=action,
        subject=f"alert/{entry.alert_id}",
        before={member: getattr(before, member)},
        after={member: getattr(after, member)},
        effect=effect,
    )


def _told_of(entry: AlertEntry) -> tuple[str, str, str]:
    """Return what was done, which member of the alert it concerns, and what was said."""
    match entry:
        case AlertActed():
            return entry.action, "state", entry.comment or ""
        case AlertAssigned():
            return "assign", "assigned_to", ""
        case AlertCommented():
            return "comment", "state", entry.comment


def _action_of(edit: Edit) -> str:
    match edit:
        case GroupDeleted() | SuppressionDeleted():
            return "delete"
        case SuppressionPut():
            return "put"
        case GroupPut() | LayerPut():
            return edit.mend.action if edit.mend is not None else "put"


def _subject_of(edit: Edit) -> str:
    match edit:
        case GroupPut():
            return f"group/{edit.group.name}"
        case GroupDeleted():
            return f"group/{edit.name}"
        case LayerPut():
            device_id = edit.layer.device_id
            return "layer/fleet" if device_id is None else f"layer/device/{device_id}"
        case SuppressionPut():
            return f"suppression/{edit.rule.name}"
        case SuppressionDeleted():
            return f"suppression/{edit.name}"


def _effect_of(edit: Edit, moved: int) -> str:
    match edit:
        case SuppressionPut() | SuppressionDeleted():
            return ""
        case GroupDeleted():
            return _moved(moved)
        case GroupPut() | LayerPut():
            of_alert = f" (alert {edit.mend.alert_id})" if edit.mend is not None else ""
            reason = f": {edit.reason}" if edit.reason else ""
            return f"{_moved(moved)}{of_alert}{reason}"


def _moved(number: int) -> str:
    return f"{number} alerts changed their state" if number != 1 else "1 alert changed its state"


def _plain(expected: Expected | None) -> Plain:
    """Return what is expected as the audit keeps it: of a very long list the beginning, the rest is in its version."""
    plain: Plain = msgspec.to_builtins(expected)
    for rule in plain.get("rules", ()) if plain is not None else ():
        for name in ("allow", "deny", "notes"):
            if len(rule.get(name, ())) > SHOWN:
                rule[name] = [*rule[name][:SHOWN], f"... {len(rule[name]) - SHOWN} more"]
    return plain
