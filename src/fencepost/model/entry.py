"""
What the journal holds: everything that was said to the detector, in the order in which it was said.

The same entries in the same order give the same alerts: live, after a restart, and when all is rebuilt (S30).
An entry's position is its number in the journal, counted from 1. All datetimes are aware UTC.
"""

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from fencepost.model.alert import Action
from fencepost.model.identity import Channel, Operation
from fencepost.model.layer import Layer
from fencepost.model.rule import SecurityGroup
from fencepost.model.suppression import SuppressionRule


class Received(Struct, frozen=True, array_like=True, gc=False, tag="message"):
    """
    A device's message as it came; the device is who was authenticated, never what the body says.

    `via` is the gateway's channel on which it came; None where it did not come through the gateway.
    """

    device_id: str
    received_at: datetime
    body: bytes
    via: Channel | None = None


class TurnedAway(Struct, frozen=True, array_like=True, gc=False, tag="turned away"):
    """A device's message that is not kept, for it is larger than any may be: `size` in bytes."""

    device_id: str
    received_at: datetime
    size: int
    reason: str


class Operated(Struct, frozen=True, array_like=True, gc=False, tag="operation"):
    """The gateway saw a device do something, or be asked to, that is not a message for us to judge."""

    device_id: str
    at: datetime
    operation: Operation


class TwinServed(Struct, frozen=True, array_like=True, tag="twin"):
    """A device took its twin, which says how late its events may come, by event name (S06)."""

    device_id: str
    delays: dict[str, timedelta]
    at: datetime


class GatewayOpened(Struct, frozen=True, array_like=True, gc=False, tag="gateway"):
    """The gateway began to listen: whatever devices wanted to do just before, it could not see (S19)."""

    at: datetime


class Ticked(Struct, frozen=True, array_like=True, gc=False, tag="tick"):
    """Time alone had something to judge (S05)."""

    at: datetime


class Mend(Struct, frozen=True, array_like=True):
    """What an edit of a list was: it was mended from an alert, or that was undone."""

    alert_id: str
    action: Literal["allow", "undo"]


class GroupPut(Struct, frozen=True, array_like=True, tag="group"):
    """
    A group was made or edited; its `version` counts the edits (S24).

    `reason` is why, where it was said; `mend` says so where the list was mended from an alert.
    """

    group: SecurityGroup
    at: datetime
    actor: str
    reason: str | None = None
    mend: Mend | None = None


class GroupDeleted(Struct, frozen=True, array_like=True, tag="no group"):
    """A group was taken away; its devices go where their tags and ids say without it (S25)."""

    name: str
    at: datetime
    actor: str


class DeviceAssigned(Struct, frozen=True, array_like=True, tag="device"):
    """A device was registered, or its twin tag `SecurityGroup` was set (S25)."""

    device_id: str
    tag: str | None
    at: datetime
    actor: str


class LayerPut(Struct, frozen=True, array_like=True, tag="layer"):
    """The additions for the fleet or for a device were edited; one without rules is none (S24)."""

    layer: Layer
    at: datetime
    actor: str
    reason: str | None = None
    mend: Mend | None = None


class SuppressionPut(Struct, frozen=True, array_like=True, tag="suppression"):
    """A rule by which alerts are dismissed as they open was made or edited."""

    rule: SuppressionRule
    at: datetime
    actor: str


class SuppressionDeleted(Struct, frozen=True, array_like=True, tag="no suppression"):
    """Such a rule was taken away; its name is compared without case."""

    name: str
    at: datetime
    actor: str


class AlertActed(Struct, frozen=True, array_like=True, tag="action"):
    """A person moved an alert (S21); `seen` is the alert's ETag that they had seen, None for any."""

    alert_id: str
    action: Action
    at: datetime
    actor: str
    comment: str | None = None
    seen: str | None = None


class AlertAssigned(Struct, frozen=True, array_like=True, tag="assigned"):
    """A person gave an alert to somebody, or with None to nobody."""

    alert_id: str
    assigned_to: str | None
    at: datetime
    actor: str
    seen: str | None = None


class AlertCommented(Struct, frozen=True, array_like=True, tag="comment"):
    """A person said something about an alert."""

    alert_id: str
    comment: str
    at: datetime
    actor: str


Entry = (
    Received
    | TurnedAway
    | Operated
    | TwinServed
    | GatewayOpened
    | Ticked
    | GroupPut
    | GroupDeleted
    | DeviceAssigned
    | LayerPut
    | SuppressionPut
    | SuppressionDeleted
    | AlertActed
    | AlertAssigned
    | AlertCommented
)
