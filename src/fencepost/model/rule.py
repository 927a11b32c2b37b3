"""
Expectations as data: a rule is a frozen value, one per rule type and group.

Every constructor accepts what the types say; whether the values make sense is asked once, by
`problems_of`, which names all that is wrong and never raises.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from fencepost.model.address import parse_entry
from fencepost.model.catalog import CATALOG, RuleType, Severity
from fencepost.model.errors import Problem

MAXIMUM_WINDOW = timedelta(days=2)
"""A window longer than the horizon (S07) could not be judged."""
HASHES = {"sha1": 40, "sha256": 64}


class _Rule(Struct, frozen=True, kw_only=True):
    type: str
    enabled: bool = True
    severity: Severity | None = None
    description: str | None = None

    @property
    def row(self) -> RuleType:
        """The catalogue's row; KeyError for a rule type that does not exist."""
        return CATALOG[self.type]


class TimeWindowRule(_Rule, frozen=True, kw_only=True, tag="timeWindow", tag_field="family"):
    """
    The allowed number of occurrences in any sliding window: alert if and only if outside [min, max] (S03).

    `count`: sign-ins are counted as attempts, or as raw records (S12).
    `alert_on`: whether a number that is only possible may alert (S11).
    """

    min: int
    max: int
    window: timedelta
    count: Literal["attempts", "records"] = "attempts"
    alert_on: Literal["certain", "possible"] = "certain"

    @property
    def needs_order(self) -> bool:
        """
        Whether a window after a violation can be outside the range without a violation of its own.

        A maximum of certain numbers alone is back in range a whole window after its last violation.
        """
        return self.min > 0 or self.alert_on == "possible"


class ThresholdRule(_Rule, frozen=True, kw_only=True, tag="threshold", tag_field="family"):
    """The allowed range of a single reported gauge (S17)."""

    min: int
    max: int


class EntryNote(Struct, frozen=True, kw_only=True):
    """
    Who put an entry on a list, when and why, and until when it counts.

    An entry with `until` counts for what happened before that moment, by the device's time. `alert_id` is the
    alert from which the list was mended.
    """

    entry: str
    by: str
    at: datetime
    reason: str = ""
    until: datetime | None = None
    alert_id: str | None = None


class AllowlistRule(_Rule, frozen=True, kw_only=True, tag="allowlist", tag_field="family"):
    """
    Whatever is not on the list alerts; an empty list allows nothing (S16).

    `notes` tell more of some of the entries.
    """

    allow: tuple[str, ...] = ()
    notes: tuple[EntryNote, ...] = ()

    @property
    def entries(self) -> tuple[str, ...]:
        return self.allow


class DenylistRule(_Rule, frozen=True, kw_only=True, tag="denylist", tag_field="family"):
    """
    Whatever is on the list alerts, even if an allow-list has it too (S17).

    `notes` tell more of some of the entries.
    """

    deny: tuple[str, ...] = ()
    notes: tuple[EntryNote, ...] = ()

    @property
    def entries(self) -> tuple[str, ...]:
        return self.deny


Rule = TimeWindowRule | ThresholdRule | AllowlistRule | DenylistRule

FAMILIES: dict[str, type[Rule]] = {
    "timeWindow": TimeWindowRule,
    "threshold": ThresholdRule,
    "allowlist": AllowlistRule,
    "denylist": DenylistRule,
}


def problems_of(rule: Rule, path: str = "") -> Iterator[Problem]:
    """Yield everything about a rule that an operator must mend, each with its path below `path`."""
    row = CATALOG.get(rule.type)
    if row is None:
        yield Problem(f"{path}.type", f"unknown rule type {rule.type!r}")
        return
    if FAMILIES[row.family] is not type(rule):
        yield Problem(f"{path}.type", f"{rule.type} is a {row.family} rule")
        return
    match rule:
        case TimeWindowRule():
            yield from _problems_of_range(rule.min, rule.max, path)
            if not timedelta(seconds=1) <= rule.window <= MAXIMUM_WINDOW:
                yield Problem(f"{path}.window", "the window is between PT1S and P2D")
        case ThresholdRule():
            yield from _problems_of_range(rule.min, rule.max, path)
        case AllowlistRule():
            yield from _problems_of_entries(row, rule.allow, f"{path}.allow")
            yield from _problems_of_notes(rule, path)
        case DenylistRule():
            yield from _problems_of_entries(row, rule.deny, f"{path}.deny")
            yield from _problems_of_notes(rule, path)


def _problems_of_range(low: int, high: int, path: str) -> Iterator[Problem]:
    if low < 0:
        yield Problem(f"{path}.min", "min is not negative")
    if high < low:
        yield Problem(f"{path}.max", f"max ({high}) is less than min ({low}): every device would alert")


def _problems_of_entries(row: RuleType, entries: tuple[str, ...], path: str) -> Iterator[Problem]:
    for index, entry in enumerate(entries):
        if reason := _fault_of_entry(row, entry):
            yield Problem(f"{path}[{index}]", reason)


def _problems_of_notes(rule: AllowlistRule | DenylistRule, path: str) -> Iterator[Problem]:
    known = set(rule.entries)
    for index, note in enumerate(rule.notes):
        if note.entry not in known:
            yield Problem(f"{path}.notes[{index}]", f"the list has no entry {note.entry!r}")
        known.discard(note.entry)


def _fault_of_entry(row: RuleType, entry: str) -> str | None:
    if not entry.strip():
        return "an entry is not empty"
    if row.value_type == "IpCidr":
        try:
            parse_entry(entry)
        except ValueError as error:
            return str(error)
    algorithm, colon, digest = entry.partition(":")
    if row.subject == "process" and colon and algorithm.lower() in HASHES:
        length = HASHES[algorithm.lower()]
        if len(digest) != length or not set(digest.lower()) <= set("0123456789abcdef"):
            return f"{entry!r}: a {algorithm.lower()} hash has {length} hexadecimal digits"
    return None


ImplicitEntry = Literal["loopback", "link_local", "server"]
IMPLICIT_ENTRIES: dict[str, tuple[str, ...]] = {
    "loopback": ("127.0.0.0/8", "::1"),
    "link_local": ("169.254.0.0/16", "fe80::/10"),
}
"""What stands on every address allow-list unless a group takes it off (S16); `server` is added by config."""


class Members(Struct, frozen=True, kw_only=True):
    """Devices that belong to a group by their id; the twin tag SecurityGroup goes before both."""

    ids: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()


class SecurityGroup(Struct, frozen=True, kw_only=True):
    """
    What the owner expects of a set of devices.

    `allowed_lateness` replaces what is known of the agents' delays (S06). `version` counts the edits.
    """

    name: str
    description: str = ""
    members: Members = Members()
    allowed_lateness: timedelta | None = None
    implicit_entries: tuple[ImplicitEntry, ...] = ("loopback", "link_local", "server")
    server_addresses: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    version: int = 1

    def implicit_addresses(self) -> tuple[str, ...]:
        """Return the address entries that nobody wrote but that every allow-list of the group holds."""
        known = {**IMPLICIT_ENTRIES, "server": self.server_addresses}
        return tuple(entry for name in self.implicit_entries for entry in known[name])


DEFAULT_GROUP = "default"


def problems_of_group(group: SecurityGroup, path: str = "") -> Iterator[Problem]:
    """Yield everything about a group that an operator must mend, each with its path below `path`."""
    if not group.name.strip():
        yield Problem(path, "a group has a name")
    if group.allowed_lateness is not None and not timedelta() <= group.allowed_lateness <= MAXIMUM_WINDOW:
        yield Problem(f"{path}.allowed_lateness", "allowed_lateness is between PT0S and P2D")
    for index, address in enumerate(group.server_addresses):
        try:
            parse_entry(address)
        except ValueError as error:
            yield Problem(f"{path}.server_addresses[{index}]", str(error))
    seen: set[str] = set()
    for index, rule in enumerate(group.rules):
        yield from problems_of(rule, f"{path}.rules[{index}]")
        if rule.type in seen:
            yield Problem(f"{path}.rules[{index}].type", f"{rule.type} stands twice in this group")
        seen.add(rule.type)
