"""What is lawful in a groups file but may not be what its owner meant."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from itertools import combinations

from fencepost.model.address import AddressEntry, parse_entry
from fencepost.model.errors import Problem
from fencepost.model.layer import Layer
from fencepost.model.rule import AllowlistRule, DenylistRule, Rule, SecurityGroup, TimeWindowRule

MOST_COMPARISONS = 1_000_000
"""How many pairs are compared before a check is left out, and said to be."""

_SIGN_INS = "FailedLocalLoginsNotInAllowedRange"


def advice_on(groups: Sequence[SecurityGroup], paths: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the warnings, given the path of each group by its name."""
    for group in groups:
        path = paths[group.name]
        for index, rule in enumerate(group.rules):
            yield from _on_rule(rule, f"{path}.rules[{index}]")
        for index, device_id in enumerate(group.members.ids):
            if "*" in device_id or "?" in device_id:
                reason = f"{device_id!r} means the device of exactly that id: a pattern belongs under globs"
                yield Problem(f"{path}.members.ids[{index}]", reason)
    yield from _on_globs_and_ids(groups, paths)
    yield from _on_globs(groups, paths)


def advice_on_layers(
    layers: Iterable[tuple[str, Layer]], groups: Sequence[SecurityGroup]
) -> Iterator[Problem]:
    """Yield the warnings on layers, given each behind its path."""
    of_groups = {rule.type for group in groups for rule in group.rules if rule.enabled}
    for path, layer in layers:
        for index, rule in enumerate(layer.rules):
            place = f"{path}.rules[{index}]"
            if isinstance(rule, AllowlistRule | DenylistRule):
                yield from _on_entries(rule, place)
                yield from _on_additions(rule, place, of_groups)
            else:
                yield from _on_rule(rule, place)


def _on_additions(
    rule: AllowlistRule | DenylistRule, path: str, of_groups: Container[str]
) -> Iterator[Problem]:
    if rule.type not in of_groups:
        yield Problem(f"{path}.type", f"no group judges by {rule.type}: entries that are added mean nothing")
    if not rule.enabled or rule.severity is not None or rule.description is not None:
        reason = "enabled, severity and description are those of the group's rule: here they say nothing"
        yield Problem(path, reason)


def _on_rule(rule: Rule, path: str) -> Iterator[Problem]:
    if not rule.row.sources:
        yield Problem(f"{path}.type", f"{rule.type} is never measurable: nobody can feed it (S18)")
    match rule:
        case AllowlistRule() if rule.enabled and not rule.allow:
            reason = "nothing is allowed, so that everything alerts: add entries, or set enabled: false (S16)"
            yield Problem(f"{path}.allow", reason)
        case AllowlistRule() | DenylistRule():
            yield from _on_entries(rule, path)
        case TimeWindowRule():
            yield from _on_range(rule, path)


def _on_range(rule: TimeWindowRule, path: str) -> Iterator[Problem]:
    if rule.type == _SIGN_INS and rule.min > 0:
        reason = "with min above 0 a device alerts when nobody fails to sign in: min: 0 is usual"
        yield Problem(f"{path}.min", reason)
    if rule.type != _SIGN_INS and rule.count != "attempts":
        yield Problem(f"{path}.count", f"count is read by {_SIGN_INS} only: it changes nothing here")


def _on_entries(rule: AllowlistRule | DenylistRule, path: str) -> Iterator[Problem]:
    path = f"{path}.{'allow' if isinstance(rule, AllowlistRule) else 'deny'}"
    entries = rule.entries
    ending = {note.entry for note in rule.notes if note.until is not None}
    if rule.row.value_type == "IpCidr":
        parsed = [parse_entry(entry) for entry in entries]
        covered = covered_addresses(parsed)
        for index, entry in enumerate(parsed):
            if entry.protocol == "udp":
                reason = f"{entry.text!r}: legacy Linux agents report every connection as tcp, so that it never matches theirs"
                yield Problem(f"{path}[{index}]", reason)
    else:
        covered = covered_texts(entries, wild=rule.row.subject == "process")
        if sum(map(_is_wild, entries)) * len(entries) > MOST_COMPARISONS:
            yield Problem(path, "too many entries to look for those that a wildcard covers")
    for index, other in covered.items():
        if entries[other] not in ending:
            yield Problem(
                f"{path}[{index}]", f"{entries[index]!r} adds nothing: {entries[other]!r} covers it"
            )


def covered_addresses(entries: Sequence[AddressEntry]) -> dict[int, int]:
    """Return, for each entry that another one covers, which; of two equal ones the later is covered."""
    spans = [
        (low, -high, entry.port is not None, entry.protocol is not None, index)
        for index, entry in enumerate(entries)
        for low, high in entry.ranges()
    ]
    farthest: dict[tuple[int | None, str | None], tuple[int, int]] = {}
    covers: dict[int, list[int | None]] = {}
    for _, negative, *_, index in sorted(spans):  # a span that covers another one stands before it
        high, own = -negative, (entries[index].port, entries[index].protocol)
        wider = (farthest.get(key) for key in ((None, None), (own[0], None), own))
        cover = next((known[1] for known in wider if known and known[0] >= high), None)
        covers.setdefault(index, []).append(cover)
        farthest[own] = max(farthest.get(own, (-1, -1)), (high, index))
    return {index: by[0] for index, by in sorted(covers.items()) if by[0] is not None and None not in by}


def covered_texts(entries: Sequence[str], *, wild: bool) -> dict[int, int]:
    """Return, for each user or process entry that another one covers, which; wildcards only if `wild`."""
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        first.setdefault(entry, index)
    patterns = [
        (index, _has_folder(entry), _pattern(entry))
        for entry, index in first.items()
        if wild and _is_wild(entry)
    ]
    if len(patterns) * len(first) > MOST_COMPARISONS:
        patterns = []
    covered = {}
    for index, entry in enumerate(entries):
        name = entry.replace("\\", "/").rpartition("/")[2] if wild else entry
        if first[entry] != index:
            covered[index] = first[entry]
        elif name != entry and name in first:
            covered[index] = first[name]
        elif not _is_wild(entry):
            hits = (i for i, whole, pattern in patterns if pattern.fullmatch(entry if whole else name))
            if (hit := next(hits, None)) is not None:
                covered[index] = hit
    return covered


def _is_wild(text: str) -> bool:
    return "*" in text or "?" in text


def _has_folder(text: str) -> bool:
    return "/" in text or "\\" in text


def _pattern(entry: str) -> re.Pattern[str]:
    return re.compile(translate(entry.replace("[", "[[]")))  # in an entry only * and ? are wildcards (S14)


def _on_globs_and_ids(groups: Sequence[SecurityGroup], paths: Mapping[str, str]) -> Iterator[Problem]:
    owners = {device_id: group.name for group in groups for device_id in group.members.ids}
    globs = [(group, index, glob) for group in groups for index, glob in enumerate(group.members.globs)]
    if len(owners) * len(globs) > MOST_COMPARISONS:
        yield Problem("groups", "too many ids and globs to look for ids that a glob of another group matches")
        return
    for group, index, glob in globs:
        match = re.compile(translate(glob)).match
        others = [i for i, owner in owners.items() if owner != group.name and match(i)]
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            reason = (
                f"{glob!r} also matches {others[0]!r}{more}, listed under ids of the group "
                f"{owners[others[0]]!r}: ids go before globs"
            )
            yield Problem(f"{paths[group.name]}.members.globs[{index}]", reason)


def _on_globs(groups: Sequence[SecurityGroup], paths: Mapping[str, str]) -> Iterator[Problem]:
    globs = [(group, index, glob) for group in groups for index, glob in enumerate(group.members.globs)]
    if (
        sum(len(glob) for *_, glob in globs) ** 2 > 16 * MOST_COMPARISONS
    ):  # its cost is the product of lengths
        yield Problem("groups", "too many globs to look for devices that two groups match")
        return
    for (first, _, mine), (second, index, yours) in combinations(globs, 2):
        if first.name != second.name and may_overlap(mine, yours):
            reason = (
                f"{yours!r} can match the same devices as {mine!r} of the group {first.name!r}, "
                "which stands first in the file and gets them"
            )
            yield Problem(f"{paths[second.name]}.members.globs[{index}]", reason)


def may_overlap(mine: str, yours: str) -> bool:
    """Whether some text matches both globs; a `[...]` counts as any one character."""
    left, right = (re.sub(r"\[!?\]?[^]]*\]", "?", glob) for glob in (mine, yours))
    if not _is_wild(left[:1] + right[:1]) and left[:1] != right[:1]:
        return False  # nearly all pairs of a fleet end here
    reach = [not right[:column].strip("*") for column in range(len(right) + 1)]
    for one in left:
        above, reach = reach, [reach[0] and one == "*"]
        for column, other in enumerate(right):
            if one == "*" or other == "*":  # a star stands for nothing, or for one more character
                reach.append(above[column + 1] or reach[column])
            else:
                reach.append(above[column] and (one == other or "?" in (one, other)))
    return reach[-1]
