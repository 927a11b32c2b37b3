"""Everything that the engine concludes: what is not an alert is an outcome too, and nothing is lost silently."""

from datetime import datetime

from msgspec import Struct

from fencepost.model.alert import Certainty, Evidence, Facts, Flag
from fencepost.model.event import Source
from fencepost.model.layer import Layers
from fencepost.model.rule import Rule, SecurityGroup


class Finding(Struct, frozen=True, kw_only=True, tag=True):
    """
    One violation of one rule.

    For a list: `value` is the offending value, `count` the number of occurrences that the event stands
    for, `subject` what a list is asked about. For a range: `count` is the number in the window that ends
    at `last_at`; `below` says that it is under the minimum.
    """

    device_id: str
    group: SecurityGroup
    rule: Rule
    source: Source
    value: str | None = None
    count: int
    first_at: datetime
    last_at: datetime
    received_at: datetime
    certainty: Certainty = "certain"
    below: bool = False
    flags: tuple[Flag, ...] = ()
    evidence: Evidence | None = None
    subject: Facts | None = None
    nearest_entry: str | None = None
    allowing_entry: str | None = None


class Recovered(Struct, frozen=True, kw_only=True, tag=True):
    """A whole window, ending at `at`, is back in the range of the rule (S21)."""

    device_id: str
    rule_type: str
    at: datetime


class Cleared(Struct, frozen=True, kw_only=True, tag=True):
    """Late data repaired the minimum that was missed at `at` (S07)."""

    device_id: str
    rule_type: str
    at: datetime


class Possible(Struct, frozen=True, kw_only=True, tag=True):
    """The window ending at `at` may hold more than the maximum, but that is not certain (S11)."""

    device_id: str
    rule_type: str
    at: datetime
    certain: int
    possible: int


class Late(Struct, frozen=True, kw_only=True, tag=True):
    """An event came later than such data may; `judged` is False beyond the horizon (S07)."""

    device_id: str
    event_id: str
    event_name: str
    occurred_at: datetime
    received_at: datetime
    judged: bool


class Skewed(Struct, frozen=True, kw_only=True, tag=True):
    """An event's clock cannot be right; it was judged at `judged_at` (S08)."""

    device_id: str
    event_id: str
    event_name: str
    occurred_at: datetime
    judged_at: datetime
    received_at: datetime


class Duplicate(Struct, frozen=True, kw_only=True, tag=True):
    """A message (`event_id` is None) or an event that had been seen before (S09)."""

    device_id: str
    received_at: datetime
    event_id: str | None = None


class Incomplete(Struct, frozen=True, kw_only=True, tag=True):
    """The device says that it lost events up to `at`: minimums hold (S18)."""

    device_id: str
    event_name: str
    at: datetime
    reason: str


class NotMeasurable(Struct, frozen=True, kw_only=True, tag=True):
    """The device cannot feed this rule: neither clean nor violated (S18)."""

    device_id: str
    rule_type: str


class Unassigned(Struct, frozen=True, kw_only=True, tag=True):
    """The device's tag names a group that does not exist; its id decides (S25)."""

    device_id: str
    tag: str


class Reassigned(Struct, frozen=True, kw_only=True, tag=True):
    """The device belongs to `group` from `at` on: windows of the old group have ended (S25)."""

    device_id: str
    group: SecurityGroup
    at: datetime
    layers: Layers = Layers()


class GroupReplaced(Struct, frozen=True, kw_only=True, tag=True):
    """The group was edited: open alerts of its devices are to be judged again (S24)."""

    group: SecurityGroup
    at: datetime
    layers: Layers = Layers()


class LayerReplaced(Struct, frozen=True, kw_only=True, tag=True):
    """
    What is expected of a device beyond its group was edited: its open alerts are to be judged again (S24).

    An edit of the fleet's is a GroupReplaced for each group.
    """

    device_id: str
    group: SecurityGroup
    at: datetime
    layers: Layers


Outcome = (
    Finding
    | Recovered
    | Cleared
    | Possible
    | Late
    | Skewed
    | Duplicate
    | Incomplete
    | NotMeasurable
    | Unassigned
    | Reassigned
    | GroupReplaced
    | LayerReplaced
)
