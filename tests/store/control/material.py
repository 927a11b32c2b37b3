"""Alerts and commits in one line."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fencepost.engine.lifecycle import alert_id
from fencepost.model.alert import Alert, Evidence, State
from fencepost.model.record import AlertChange, Changes
from fencepost.model.rule import SecurityGroup
from fencepost.store.control import ControlStore
from fencepost.testing import at

HOSTILE = (
    "",
    "plain",
    "nul \0 inside",
    "\0",
    "lone \ud800 surrogate",
    "\udc80\udfff",
    "a pair that is none: \ud83d\ude00",
    "the mark \U0010fffd, and the mark \U0010fffd0000",
    "\U0010fffd#0123456789abcdef",
    "emoji \U0001f600, combining e\u0301, right to left \u202e",
    "\uffff\ufffe\ufeff",
    "%_/\\'\";--",
    "x" * 4000,
    "\U0001f600" * 4000,
    "\0" * 4000,
)
"""Texts that devices may send."""


def alert(
    device_id: str = "cam-1",
    value: str | None = "198.51.100.7",
    *,
    started: str = "10:00",
    ordinal: int = 1,
    state: State = "Active",
    events: int = 1,
    **members: Any,
) -> Alert:
    """Return an alert of an allow-list; without `last_seen_at` it was seen once."""
    rule_type = members.pop("rule_type", "ConnectionToIpNotAllowed")
    started_at = at(started)
    return Alert(
        **{
            "alert_id": alert_id((device_id, rule_type, value), ordinal),
            "alert_type": f"IoT_{rule_type}",
            "rule_type": rule_type,
            "device_id": device_id,
            "group": "default",
            "severity": "Low",
            "state": state,
            "title": "Outbound connection to an address that is not allowed",
            "description": f"{device_id} connected to {value}",
            "remediation": "Look at the device.",
            "data_source": "legacy",
            "value": value,
            "count": events,
            "started_at": started_at,
            "last_seen_at": started_at,
            "received_at": started_at + timedelta(seconds=1, microseconds=1),
            "certainty": "certain",
            "evidence": tuple(evidence(device_id, number, value) for number in range(events)),
            "ordinal": ordinal,
            **members,
        }
    )


def evidence(device_id: str, number: int, value: str | None) -> Evidence:
    """Return an event of an alert."""
    when = at("10:00") + timedelta(microseconds=number)
    facts = {"RemoteAddress": value, "LocalPort": number, "ExtraDetails": {"UserName": device_id}}
    return Evidence(
        event_id=f"{device_id}-{number}",
        event_name="ConnectionCreate",
        occurred_at=when,
        received_at=when,
        facts=facts,
    )


def opened(one: Alert, position: int) -> AlertChange:
    """Return the first step of an alert's life."""
    return AlertChange(
        alert_id=one.alert_id,
        position=position,
        at=one.received_at,
        actor="fencepost",
        action="open",
        before=None,
        after=one.state,
    )


def commit(
    store: ControlStore, *alerts: Alert, groups_put: Sequence[SecurityGroup] = (), **parts: Any
) -> int:
    """Commit what one more entry led to, and return its position."""
    after = store.position()
    changed = [(one, after + 1) for one in alerts]
    put = [(one, after + 1) for one in groups_put]
    store.commit(Changes(after=after, position=after + 1, alerts=changed, groups_put=put, **parts))
    return after + 1
