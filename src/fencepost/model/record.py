"""
What the control store keeps besides groups and alerts, and what one commit of it changes.

Positions are those of journal entries (`model.entry`). All datetimes are aware UTC.
"""

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from fencepost.model.alert import Action, Alert, State
from fencepost.model.entry import Mend
from fencepost.model.event import Source
from fencepost.model.layer import Layer
from fencepost.model.rule import SecurityGroup
from fencepost.model.suppression import SuppressionRule

TallyKind = Literal[
    "late",
    "beyond_horizon",
    "skewed",
    "duplicate",
    "incomplete",
    "possible",
    "rejected",
    "unassigned",
    "telemetry",
    "gap",
]
Step = Action | Literal["open", "merge", "repair", "assign", "comment"]
"""
What befalls an alert: an action of the table of transitions, or what opens it, joins it to another, undoes it.

`assign` and `comment` move nothing: the state before and after is the same.
"""
ENGINE = "fencepost"
"""The actor of what nobody did by hand."""


class AlertChange(Struct, frozen=True, kw_only=True):
    """One step in the life of an alert; `before` is None when it was opened."""

    alert_id: str
    position: int
    at: datetime
    actor: str
    action: Step
    before: State | None
    after: State
    reason: str | None = None
    comment: str | None = None


class Tally(Struct, frozen=True, kw_only=True):
    """
    How often something that is not an alert befell a device, since it was first seen.

    `subject` says of what: an event name, a rule type, a tag, a channel, or empty. `telemetry` are messages
    that are not for us: they are counted and not read. In `Changes` the count is what is to be added;
    `detail` is of the latest case.
    """

    device_id: str
    kind: TallyKind
    subject: str
    count: int
    first_at: datetime
    last_at: datetime
    detail: dict[str, Any]


class Quarantined(Struct, frozen=True, kw_only=True):
    """
    Something of a message that could not be decoded (S31); the body is in the journal at `position`.

    `number` tells the refusals of one message apart, from 0. `whole` says that nothing of the message
    could be used. `more` is the number of further refusals in the message that are not kept one by one.
    """

    position: int
    number: int
    device_id: str
    received_at: datetime
    size: int
    where: str
    reason: str
    whole: bool
    more: int = 0


class AuditRecord(Struct, frozen=True, kw_only=True):
    """
    What somebody changed (S24).

    `subject` is `group/<name>`, `layer/fleet`, `layer/device/<id>`, `suppression/<name>`, `device/<id>` or
    `alert/<id>`. An `action` of `allow` or `undo` mended a list from an alert, or took that back.
    """

    position: int
    at: datetime
    actor: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    effect: str


class DeviceRecord(Struct, frozen=True, kw_only=True):
    """
    A device as the control store knows it; `position` is that of the last commit that it had a part in.

    In `Changes` the counts are what is to be added, and `tag` holds only where `tagged` says so.
    """

    device_id: str
    position: int
    registered_at: datetime
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    source: Source | None = None
    messages: int = 0
    events: int = 0
    rejected: int = 0
    tag: str | None = None
    tagged: bool = False


class Notice(Struct, frozen=True, kw_only=True):
    """What people are to be told, at least once, with the same id whenever it is told again (S23)."""

    alert_id: str
    position: int
    at: datetime
    state: State
    previous: State | None


class MendedEdit(Struct, frozen=True, kw_only=True):
    """
    An edit that mended a list from an alert (`allow`), or undid that.

    `after` is the group or the layer as the edit left it, `before` as it was, None where there was none.
    """

    position: int
    action: Literal["allow", "undo"]
    before: SecurityGroup | Layer | None
    after: SecurityGroup | Layer


class Changes(Struct, kw_only=True):
    """
    One commit: all that the entries after position `after` up to and including `position` led to.

    `alerts` holds each changed alert once, as it is in the end, with the position of the entry that
    changed it last, in the order of these positions; `groups_put` has the position of each edit. Groups are
    deleted before others are put, suppression rules likewise. `layers` has the position of each edit, too; `mends`
    says by position which of the edits mended a list from an alert.
    """

    after: int
    position: int
    alerts: list[tuple[Alert, int]] = []
    history: list[AlertChange] = []
    notices: list[Notice] = []
    tallies: list[Tally] = []
    quarantined: list[Quarantined] = []
    groups_put: list[tuple[SecurityGroup, int]] = []
    groups_deleted: list[str] = []
    layers: list[tuple[Layer, int]] = []
    mends: dict[int, Mend] = {}
    suppressions_put: list[SuppressionRule] = []
    suppressions_deleted: list[str] = []
    audit: list[AuditRecord] = []
    devices: list[DeviceRecord] = []
