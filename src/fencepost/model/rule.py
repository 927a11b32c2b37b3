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
from fencepost.model.text import fault_of_text

MAXIMUM_WINDOW = timedelta(days=2)
"""A window longer than the horizon (S07) could not be judged."""
MAXIMUM_BOUND = 2**31 - 1
"""The greatest `min` or `max`: no window holds more, and it fits into every client's integers."""
MAXIMUM_ENTRIES = 100_000
"""Entries of one list."""
MAXIMUM_WILDCARDS = 5_000
"""Entries of one list that hold `*` or `?`: they are compiled together, and an edit must not take long (S24)."""
LONGEST_ENTRY = 4096
LONGEST_REASON = 1000
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
    if fault := fault_of_text(rule.description or "", lines=True):
        yield Problem(f"{path}.description", fault)
    match rule:
        case TimeWindowRule():
            yield from _problems_of_range(rule.min, rule.max, path)
            if not timedelta(seconds=1) <= rule.window <= MAXIMUM_WINDOW:
                yield Problem(f"{path}.window", "the window is between PT1S and P2D")
        case ThresholdRule():
            yield from _problems_of_range(rule.min, rule.max, path)
        case AllowlistRule():
            yield from _problems_of_entries(row, rule.allow, f"{path}.allow")
            yield from _problems_of_notes(rule, path, "allow")
        case DenylistRule():
            yield from _problems_of_entries(row, rule.deny, f"{path}.deny")
            yield from _problems_of_notes(rule, path, "deny")


def _problems_of_range(low: int, high: int, path: str) -> Iterator[Problem]:
    if low < 0:
        yield Problem(f"{path}.min", "min is not negative")
    for name, bound in (("min", low), ("max", high)):
        if bound > MAXIMUM_BOUND:
            yield Problem(f"{path}.{name}", f"{name} is at most {MAXIMUM_BOUND} (2^31 - 1)")
    if high < low:
        yield Problem(f"{path}.max", f"max ({high}) is less than min ({low}): every device would alert")


def _problems_of_entries(row: RuleType, entries: tuple[str, ...], path: str) -> Iterator[Problem]:
    if len(entries) > MAXIMUM_ENTRIES:
        yield Problem(path, f"a list has at most {MAXIMUM_ENTRIES} entries, not {len(entries)}")
        return
    wild = sum("*" in entry or "?" in entry for entry in entries) if row.subject == "process" else 0
    if wild > MAXIMUM_WILDCARDS:
        yield Problem(path, f"a list has at most {MAXIMUM_WILDCARDS} entries with * or ?, not {wild}")
    for index, entry in enumerate(entries):
        if reason := _fault_of_entry(row, entry):
            yield Problem(f"{path}[{index}]", reason)


def _problems_of_notes(rule: AllowlistRule | DenylistRule, path: str, key: str) -> Iterator[Problem]:
    """Yield what is wrong with notes: of one that belongs to an entry at the entry's place."""
    places: dict[str, int] = {}
    for index, entry in enumerate(rule.entries if rule.notes else ()):
        places.setdefault(entry, index)
    told: set[str] = set()
    for index, note in enumerate(rule.notes):
        if note.entry not in places:
            yield Problem(f"{path}.notes[{index}]", f"the list has no entry {note.entry!r}")
            continue
        place = f"{path}.{key}[{places[note.entry]}]"
        if note.entry in told:
            yield Problem(place, f"two notes of the entry {note.entry!r}: keep one of them")
        told.add(note.entry)
        yield from _problems_of_note(note, place)


def _problems_of_note(note: EntryNote, path: str) -> Iterator[Problem]:
    for name, text in (("reason", note.reason), ("by", note.by), ("alert_id", note.alert_id or "")):
        if len(text) > LONGEST_REASON:
            yield Problem(f"{path}.{name}", f"{name} has at most {LONGEST_REASON} characters")
        elif fault := fault_of_text(text, lines=name == "reason"):
            yield Problem(f"{path}.{name}", fault)
    for name, moment in (("at", note.at), ("until", note.until)):
        if moment is not None and moment.tzinfo is None:
            yield Problem(f"{path}.{name}", f"{name} needs its time zone, such as Z for UTC")


def _fault_of_entry(row: RuleType, entry: str) -> str | None:
    if not entry.strip():
        return "an entry is not empty"
    if len(entry) > LONGEST_ENTRY:
        return f"an entry has at most {LONGEST_ENTRY} characters"
    if fault := fault_of_text(entry):
        return fault
    if row.value_type == "IpCidr":
        return _fault_of_address(entry)
    return _fault_of_hash(entry) if row.subject == "process" else None


def _fault_of_address(entry: str) -> str | None:
    if "%" in entry:
        return f"{entry!r}: leave the zone behind % out, an entry means an address on every interface"
    try:
        parse_entry(entry)
    except ValueError as error:
        return str(error)
    return None


def _fault_of_hash(entry: str) -> str | None:
    algorithm, colon, digest = entry.partition(":")
    length = HASHES.get(algorithm.lower()) if colon else None
    if length is None or (len(digest) == length and set(digest.lower()) <= set("0123456789abcdef")):
        return None
    return f"{entry!r}: a {algorithm.lower()} hash has {length} hexadecimal digits"


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
    yield from _problems_of_texts(group, path)
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


def _problems_of_texts(group: SecurityGroup, path: str) -> Iterator[Problem]:
    if fault := fault_of_text(group.name):
        yield Problem(path or "name", fault)
    if fault := fault_of_text(group.description, lines=True):
        yield Problem(f"{path}.description", fault)
    for kind, names in (("ids", group.members.ids), ("globs", group.members.globs)):
        for index, name in enumerate(names):
            if fault := fault_of_text(name):
                yield Problem(f"{path}.members.{kind}[{index}]", fault)
