"""
The sections of a twin: what may stand in one, and how a patch changes it.

The bounds are those of Microsoft's "Understand and use device twins in IoT Hub": names are at most 1 KB of
UTF-8 without control characters, `.`, `$` and blanks; texts at most 4 KB; integers have 53 bits; objects are
nested at most ten deep, and lists count as these.
"""

import math
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from fencepost.model.errors import Problem
from fencepost.model.identity import Section

PROPERTIES_BYTES = 32 << 10
TAGS_BYTES = 8 << 10
"""The greatest size of a section, as compact JSON."""
DEEPEST = 10
MOST_PROBLEMS = 20
"""Problems of one section that are told."""

_LONGEST_NAME = 1 << 10
_LONGEST_TEXT = 4 << 10
_LEAST, _GREATEST = -(2**52), 2**52 - 1
_SERVICE_OWN = frozenset({"$metadata", "$version"})
_FORBIDDEN = re.compile(r"[.$ \x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 64


def cleaned(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section without the members that the service itself writes: clients send back what they read."""
    return {name: value for name, value in section.items() if name not in _SERVICE_OWN}


def problems_of(section: Mapping[str, Any], path: str) -> list[Problem]:
    """Return what is wrong with a section or a patch of one, at most twenty things."""
    return [*islice(_of_object(section, path, 0), MOST_PROBLEMS)]


def size_of(section: Mapping[str, Any]) -> int:
    """Return the bytes of a section as compact JSON."""
    return len(msgspec.json.encode(section))


def merged(section: Section, patch: Mapping[str, Any], at: str) -> Section:
    """Return a section after a patch, of which null takes a member away; `at` is the moment, in ISO 8601."""
    stamp = _stamp(section.version + 1, at)
    values, updated = _merge(section.values, section.updated, patch, stamp)
    return Section(values, updated, section.version + 1)


def replaced(section: Section, values: Mapping[str, Any], at: str) -> Section:
    """Return a section with other values, all of them new."""
    return merged(Section({}, {}, section.version), values, at)


def first(values: Mapping[str, Any], at: str) -> Section:
    """Return the first version of a section."""
    return replaced(Section({}, {}, 0), values, at)


def patched(values: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values after a patch, such as tags, of which nobody asks when they were changed."""
    return _merge(values, {}, patch, {})[0]


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that makes one of the other, with all that is there after it."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        known = before.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            patch[name] = difference(known, value)
        else:
            patch[name] = value
    return patch


def _stamp(version: int, at: str) -> dict[str, Any]:
    return {"$lastUpdated": at, "$lastUpdatedVersion": version}


def _merge(
    values: Mapping[str, Any], updated: Mapping[str, Any], patch: Mapping[str, Any], stamp: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`problems_of` has seen to it that the patch is not too deep."""
    values, updated = dict(values), {**updated, **stamp}
    for name, value in patch.items():
        if value is None:
            values.pop(name, None)
            updated.pop(name, None)
        elif isinstance(value, dict):
            known = values.get(name)
            base, base_updated = (known, updated.get(name, {})) if isinstance(known, dict) else ({}, {})
            values[name], updated[name] = _merge(base, base_updated, value, stamp)
        else:
            values[name], updated[name] = value, dict(stamp)
    return values, updated


def _of_object(members: Mapping[str, Any], path: str, depth: int) -> Iterator[Problem]:
    for name, value in members.items():
        inner = f"{path}.{_shown(name)}"
        if reason := _objection_to_name(name):
            yield Problem(inner, reason)
        yield from _of_value(value, inner, depth)


def _of_value(value: Any, path: str, depth: int) -> Iterator[Problem]:
    match value:
        case dict() | list() if depth == DEEPEST:
            yield Problem(path, f"nested deeper than {DEEPEST} levels")
        case dict():
            yield from _of_object(value, path, depth + 1)
        case list():
            for number, one in enumerate(value):
                yield from _of_value(one, f"{path}[{number}]", depth + 1)
        case _ if reason := _objection_to_value(value):
            yield Problem(path, reason)


def _objection_to_name(name: Any) -> str | None:
    if not isinstance(name, str) or not name or _FORBIDDEN.search(name):
        return "a name is text without control characters, '.', '$' and blanks"
    return "a name has at most 1024 bytes" if len(name.encode()) > _LONGEST_NAME else None


def _objection_to_value(value: Any) -> str | None:
    match value:
        case None | bool():
            return None
        case str():
            if _SURROGATE.search(value):
                return "a text is Unicode"
            return "a text has at most 4096 bytes" if len(value.encode()) > _LONGEST_TEXT else None
        case int():
            return None if _LEAST <= value <= _GREATEST else f"an integer is between {_LEAST} and {_GREATEST}"
        case float():
            return None if math.isfinite(value) else "a number is finite"
        case _:
            return "not a value of JSON"


def _shown(name: Any) -> str:
    text = str(name)
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in short)
