"""The entries that would mend a list from an alert: the value itself, and wider forms, each in words."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Literal

from msgspec import Struct, structs

from fencepost.engine.rejudge import judge_again
from fencepost.model.address import MAPPED, MAPPED_LAST, parse_entry
from fencepost.model.alert import Alert, Facts
from fencepost.model.catalog import CATALOG
from fencepost.model.layer import Scope
from fencepost.model.rule import AllowlistRule, SecurityGroup

Form = Literal["exact", "endpoint", "network", "site", "base_name", "wildcard", "hash", "uid", "removal"]
"""
What an entry is made of: the value, an address with port and protocol, its /24 or /64, its /16 or /48, a program's or
user's name without what stands before it, a program's folder, its hash, a user's number, or an entry that is taken away.
"""

WIDEST = {4: 1 << 24, 6: 1 << 96}
"""Addresses of an entry that are not yet remarkable: those of a /8, and of a /32 in IPv6."""
_HASHES = {40: "sha1", 64: "sha256"}
_IPV4 = 4


class Choice(Struct, frozen=True, kw_only=True):
    """
    One way to mend the list; `covers` says in words what the entry means.

    `scope` is where an entry stands that would be taken off a deny-list, None where the scope is free.
    """

    form: Form
    entry: str
    covers: str
    scope: Scope | None = None


def opened(alert: Alert) -> Alert:
    """Return the alert as if it were open, so that it can be judged."""
    return structs.replace(alert, state="Active", merged_into=None)


def is_held(alert: Alert, entries: Sequence[str], at: datetime) -> bool:
    """Return whether entries, and nothing else, hold all that an alert is about."""
    rule = AllowlistRule(type=_allowing(alert.rule_type), allow=tuple(entries))
    alone = SecurityGroup(name="", implicit_entries=(), rules=(rule,))
    judged = structs.replace(opened(alert), rule_type=rule.type)
    return judge_again(judged, alone, at) is not None


def holds_some(alert: Alert, entries: Sequence[str], at: datetime) -> bool:
    """Return whether entries hold something of what an alert is about."""
    return any(is_held(structs.replace(alert, subjects=(one,)), entries, at) for one in alert.subjects)


def holding(alert: Alert, entries: Sequence[str], at: datetime) -> list[str]:
    """Return those entries that hold something of what an alert is about, however many there are."""
    if not entries or not holds_some(alert, entries, at):
        return []
    if len(entries) == 1:
        return [*entries]
    middle = len(entries) // 2
    return [*holding(alert, entries[:middle], at), *holding(alert, entries[middle:], at)]


def _allowing(rule_type: str) -> str:
    """Return the allow-list whose entries mean the same as those of a list."""
    return rule_type.removesuffix("Denied") + "NotAllowed" if rule_type.endswith("Denied") else rule_type


def choices_of(alert: Alert, at: datetime) -> tuple[Choice, ...]:
    """Return the entries for the allow-list that an alert is of, the narrowest first; each holds all of it."""
    match CATALOG[alert.rule_type].subject:
        case "connection":
            found = _of_address(alert)
        case "sign-in":
            found = _of_user(alert)
        case _:
            found = _of_process(alert)
    by_entry: dict[str, Choice] = {}
    for choice in found:
        if is_held(alert, (choice.entry,), at):
            by_entry.setdefault(choice.entry, choice)
    return tuple(by_entry.values())


def _of_address(alert: Alert) -> Iterator[Choice]:
    address = ip_address(alert.value or "")
    port, protocol = _common(alert, "RemotePort"), _common(alert, "Protocol")
    host = str(address) if address.version == _IPV4 else f"[{address}]"
    if port and protocol:
        words = f"{address}, port {port} by {protocol.upper()} only"
        yield Choice(form="endpoint", entry=f"{host}:{port}/{protocol.lower()}", covers=words)
    if port:
        yield Choice(form="endpoint", entry=f"{host}:{port}", covers=f"{address}, port {port} only")
    yield Choice(form="exact", entry=str(address), covers=f"{address}, every port")
    lengths = (24, 16) if address.version == _IPV4 else (64, 48)
    for form, length in zip(_NETWORKS, lengths, strict=True):
        network = ip_network((address, length), strict=False)
        last = network.broadcast_address
        number = f"the {network.num_addresses:,} addresses" if address.version == _IPV4 else "all addresses"
        words = f"{number} from {network.network_address} to {last}, every port"
        yield Choice(form=form, entry=str(network), covers=words)


_NETWORKS: tuple[Form, Form] = ("network", "site")


def _of_process(alert: Alert) -> Iterator[Choice]:
    path = alert.value or ""
    digest = _common(alert, "Hash")
    if digest and len(digest) in _HASHES:
        algorithm = _HASHES[len(digest)]
        words = f"exactly this file, by its {algorithm.upper()}, wherever it lies"
        yield Choice(form="hash", entry=f"{algorithm}:{digest.lower()}", covers=words)
    yield Choice(form="exact", entry=path, covers=f"the program {path}")
    separator = "\\" if "\\" in path else "/"
    folder, found, base = path.rpartition(separator)
    if found and folder.strip("/\\?*:") and base:
        words = f"every program in {folder} and in the folders below it"
        yield Choice(form="wildcard", entry=f"{folder}{separator}*", covers=words)
    if found and base:
        yield Choice(form="base_name", entry=base, covers=f"every program named {base}, in whatever folder")


def _of_user(alert: Alert) -> Iterator[Choice]:
    name, uid = _common(alert, "UserName"), _common(alert, "UserId")
    if name:
        yield Choice(form="exact", entry=name, covers=f"the user {name}")
        domain, found, user = name.rpartition("\\")
        if found and user:
            words = f"the user {user}, of {domain} and of every other domain"
            yield Choice(form="base_name", entry=user, covers=words)
    if uid:
        form: Form = "uid" if name else "exact"
        yield Choice(form=form, entry=uid, covers=f"whoever has the user id {uid}")


def _common(alert: Alert, name: str) -> str | None:
    """Return what all that an alert is about has in common, as a text; None where it differs or is not known."""
    known = {_text(subject, name) for subject in alert.subjects}
    return known.pop() if len(known) == 1 else None


def _text(subject: Facts, name: str) -> str | None:
    value = subject.get(name)
    return None if value is None or value == "" else str(value)


def width_of(rule_type: str, entry: str) -> str | None:
    """Say how much an entry allows, where that is remarkably much."""
    row = CATALOG[rule_type]
    if row.subject == "connection":
        return _width_of_addresses(entry)
    if row.subject == "process" and not entry.strip("*?/\\"):
        return f"{entry} allows every process"
    return None


def _width_of_addresses(entry: str) -> str | None:
    try:
        parsed = parse_entry(entry)
    except ValueError:
        return None
    version = _IPV4 if MAPPED <= parsed.first <= parsed.last <= MAPPED_LAST else 6
    number = parsed.last - parsed.first + 1
    where = f" on port {parsed.port}" if parsed.port is not None else ""
    if number >= 1 << (32 if version == _IPV4 else 128):
        return f"{entry} allows every IPv{version} address{where}"
    if number > WIDEST[version]:
        return (
            f"{entry} allows {number:,} addresses{where}"
            if version == _IPV4
            else f"{entry} is wider than a /32"
        )
    return None


def removal(entry: str, scope: Scope) -> Choice:
    """Return the choice to take an entry off a deny-list."""
    of = {"group": "the group", "fleet": "the fleet", "device": "the device"}[scope]
    words = f"takes {entry} off the deny-list of {of}: nothing that it means is denied there any longer"
    return Choice(form="removal", entry=entry, covers=words, scope=scope)
