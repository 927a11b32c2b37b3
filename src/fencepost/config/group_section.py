"""The `groups:` of a groups file, read into `SecurityGroup` values."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import msgspec

from fencepost.config.place import Place
from fencepost.model.catalog import CATALOG, Severity
from fencepost.model.instant import EPOCH
from fencepost.model.rule import (
    FAMILIES,
    MAXIMUM_BOUND,
    AllowlistRule,
    DenylistRule,
    EntryNote,
    ImplicitEntry,
    Members,
    Rule,
    SecurityGroup,
    problems_of,
    problems_of_group,
)

GROUP_KEYS = ("description", "members", "allowed_lateness", "implicit_entries", "rules")
MEMBER_KEYS = ("ids", "globs")
LONGEST_GLOB = 256
LISTS = ("allow", "deny")
RULE_FIELDS = {family: msgspec.structs.fields(rule) for family, rule in FAMILIES.items()}
RULE_KEYS = {
    family: tuple(field.name for field in fields if field.name != "notes")
    for family, fields in RULE_FIELDS.items()
}
REQUIRED_RULE_KEYS = {
    family: tuple(field.name for field in fields if field.required or field.name in LISTS)
    for family, fields in RULE_FIELDS.items()
}
"""What a file must say; a list rule without its list would be a slip, not an empty list."""
ENTRY_KEYS = tuple(field.name for field in msgspec.structs.fields(EntryNote))
UNSAID = EPOCH
"""When an entry was put on a list, where the file does not say: `by` is then empty, and who applies it is meant."""
_ALL_RULE_KEYS = tuple(dict.fromkeys(key for keys in RULE_KEYS.values() for key in keys))
_COUNTS = next(field.type for field in RULE_FIELDS["timeWindow"] if field.name == "count")
_ALERT_ON = next(field.type for field in RULE_FIELDS["timeWindow"] if field.name == "alert_on")


def read_groups(place: Place, server_addresses: tuple[str, ...]) -> tuple[SecurityGroup, ...]:
    """Return the groups in file order; what is wrong stands in the place's problems."""
    members = place.members()
    if not members and isinstance(place.value, dict):
        place.fault("there are no groups: name at least one, such as cameras")
    groups = tuple(_group(name, below, server_addresses) for name, below in members.items())
    _note_equal_names(members)
    _note_shared_ids(members, groups)
    return groups


def _note_equal_names(members: dict[str, Place]) -> None:
    seen: dict[str, str] = {}
    for name, place in members.items():
        first = seen.setdefault(name.strip().casefold(), name)
        if first is not name:
            place.fault(
                f"the group {name!r} has the name of the group {first!r}: names are compared without case"
            )


def _note_shared_ids(members: dict[str, Place], groups: tuple[SecurityGroup, ...]) -> None:
    owners: dict[str, str] = {}
    for group, place in zip(groups, members.values(), strict=True):
        for device_id in dict.fromkeys(group.members.ids):
            owner = owners.setdefault(device_id, group.name)
            if owner != group.name:
                _ids_of(place).fault(
                    f"the id {device_id!r} stands in the group {owner!r} too: a device has one group"
                )


def _ids_of(place: Place) -> Place:
    return place.members()["members"].members()["ids"]


def _group(name: str, place: Place, server_addresses: tuple[str, ...]) -> SecurityGroup:
    fields = {} if place.value is None else place.fields(GROUP_KEYS)
    read = {key: _GROUP_READERS[key](below) for key, below in fields.items()}
    stated = {key: value for key, value in read.items() if value is not None}
    group = SecurityGroup(name=name, server_addresses=server_addresses, **stated)
    bare = msgspec.structs.replace(group, rules=(), server_addresses=())
    place.faults(problems_of_group(bare, place.path))
    return group


def _members(place: Place) -> Members:
    fields = place.fields(MEMBER_KEYS)
    read = {key: below.texts() for key, below in fields.items()}
    for key, entries in read.items():
        if not all(entry.strip() for entry in entries):
            fields[key].fault("an entry is not empty")
    if any(len(glob) > LONGEST_GLOB for glob in read.get("globs", ())):
        fields["globs"].fault(f"a glob has at most {LONGEST_GLOB} characters")
    return Members(**read)


def _implicit_entries(place: Place) -> tuple[Any, ...]:
    known = get_args(ImplicitEntry)
    read: list[str] = []
    for item in place.items():
        entry = item.text()
        if entry is not None and entry not in known:
            item.unknown("implicit entry", entry, known)
        elif entry is not None:
            read.append(entry)
    return tuple(dict.fromkeys(read))


def read_rules(place: Place, *, lists_only: bool = False) -> tuple[Rule, ...]:
    """Return the rules of a group or, with or without ranges, of a layer."""
    rules: list[Rule] = []
    seen: set[str] = set()
    for item in place.items():
        name = item.value.get("type") if isinstance(item.value, dict) else None
        if isinstance(name, str) and name in CATALOG:
            if name in seen:
                item.fault(f"{name} stands twice here: keep one of them")
            seen.add(name)
        rule = read_rule(item)
        if rule is not None:
            rules.append(rule)
            if lists_only and not isinstance(rule, AllowlistRule | DenylistRule):
                item.fault(f"{name} has no list: a range is set for a group or a device")
    return tuple(rules)


_GROUP_READERS: dict[str, Callable[[Place], Any]] = {
    "description": Place.text,
    "members": _members,
    "allowed_lateness": Place.duration,
    "implicit_entries": _implicit_entries,
    "rules": read_rules,
}


def read_rule(place: Place) -> Rule | None:
    """
    Return the rule, or None where its type is not known.

    What it lacks is a fault, and has a stand-in here so that the rest is judged all the same.
    """
    family = _family(place)
    if family is None:
        return None
    known, required = RULE_KEYS[family], REQUIRED_RULE_KEYS[family]
    fields = place.fields(known, required)
    read = {key: _RULE_READERS[key](below) for key, below in fields.items() if key not in LISTS}
    for key in LISTS:
        if key in fields:
            read[key], read["notes"] = _entries(fields[key])
    stated = {key: value for key, value in read.items() if value is not None}
    stand_ins: dict[str, Any] = {key: _STAND_INS.get(key) for key in required}
    rule = FAMILIES[family](**stand_ins | stated)
    place.faults(problems_of(rule, place.path))
    return rule


def _entries(place: Place) -> tuple[tuple[str, ...], tuple[EntryNote, ...]]:
    """Return the entries of a list, each a text or a mapping, and the notes of those that say more."""
    entries: list[str] = []
    notes: list[EntryNote] = []
    for item in place.items():
        fields = item.fields(ENTRY_KEYS, ("entry",)) if isinstance(item.value, dict) else {"entry": item}
        read = {key: _ENTRY_READERS[key](below) for key, below in fields.items()}
        stated = {key: value for key, value in read.items() if value is not None}
        if "entry" not in stated:
            entries.append(_MISSING)  # so that the others keep their places
            continue
        entries.append(stated["entry"])
        if len(stated) > 1:
            said: dict[str, Any] = {"by": "", "at": UNSAID} | stated
            notes.append(EntryNote(**said))
    return tuple(entries), tuple(notes)


def _family(place: Place) -> str | None:
    if not isinstance(place.value, dict) or "type" not in place.value:
        place.fields(_ALL_RULE_KEYS, ("type",))
        return None
    below = place.members()["type"]
    name = below.text()
    if name is not None and name not in CATALOG:
        below.unknown("rule type", name, tuple(CATALOG))
        place.fields(_ALL_RULE_KEYS)
        return None
    return None if name is None else CATALOG[name].family


_MISSING = "0.0.0.0"  # noqa: S104 - in order in every list
_STAND_INS = {"min": 0, "max": MAXIMUM_BOUND, "window": timedelta(minutes=5), "allow": (), "deny": ()}

_RULE_READERS: dict[str, Callable[[Place], Any]] = {
    "type": Place.text,
    "enabled": Place.flag,
    "severity": lambda place: place.choice(get_args(Severity)),
    "description": Place.text,
    "min": lambda place: place.whole(low=-(2**62), high=2**62),
    "max": lambda place: place.whole(low=-(2**62), high=2**62),
    "window": Place.duration,
    "count": lambda place: place.choice(get_args(_COUNTS)),
    "alert_on": lambda place: place.choice(get_args(_ALERT_ON)),
}

_ENTRY_READERS: dict[str, Callable[[Place], Any]] = {
    "entry": Place.text,
    "by": Place.text,
    "at": Place.moment,
    "reason": Place.text,
    "until": Place.moment,
    "alert_id": Place.text,
}
