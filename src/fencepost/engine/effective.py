"""Lists as they count for a device: the entries of several layers, some of which count until a moment (S27, S28)."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from fencepost.engine.addresses import AddressList
from fencepost.engine.names import ProcessList, UserList
from fencepost.model.catalog import RuleType
from fencepost.model.instant import micros
from fencepost.model.layer import Layer, ListRule
from fencepost.model.rule import AllowlistRule, SecurityGroup

S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)


class EntryList(Protocol[S_contra]):
    """Entries, compiled; a subject is what a list is asked about: a connection, a user or a program."""

    @property
    def entries(self) -> Sequence[Any]: ...

    def holds(self, subject: S_contra, /) -> bool:
        """Return whether an entry means the subject."""

    def matching(self, subject: S_contra, /) -> str | None:
        """Return the first entry, as written, that means the subject."""

    def closest(self, subject: S_contra, /) -> tuple[tuple[int, int], str] | None:
        """Return the nearest entry behind how near it is: of two lists the greater is nearer."""


AnyList = AddressList | UserList | ProcessList
PLACES = 8
"""Moments at which entries end between which lists are kept compiled: data that comes late goes to and fro."""

_Key = tuple[str, tuple[str, ...], tuple[str, ...]]

_compiled: WeakValueDictionary[_Key, Any] = WeakValueDictionary()
"""The lists in use, by what is on them: whoever needs one that another has shares it (S24)."""


def compiled(row: RuleType, entries: tuple[str, ...], implicit: tuple[str, ...] = ()) -> AnyList:
    """Return the list of a rule type with these entries; one that is in use anywhere is not made again."""
    key = (row.subject, entries, implicit)
    known: AnyList | None = _compiled.get(key)
    if known is None:
        known = _compiled[key] = _made(row, entries, implicit)
    return known


def _made(row: RuleType, entries: tuple[str, ...], implicit: tuple[str, ...]) -> AnyList:
    match row.subject:
        case "connection":
            return AddressList(entries, implicit)
        case "sign-in":
            return UserList(entries)
        case _:
            return ProcessList(entries)


class EffectiveList(Generic[S]):
    """
    A list of several rules of one type, those of the group, the fleet and a device, as it counts at a moment.

    Some entries count only for what happened before their end. Moments are microseconds since 1970. `implicit` are
    the entries that nobody wrote.
    """

    def __init__(self, rules: Sequence[ListRule], implicit: tuple[str, ...] = ()) -> None:
        self._rules = rules
        self._implicit = implicit
        dated = sorted((end, entry) for rule in rules for entry, end in _ends_of(rule).items())
        self._ends = [end for end, _ in dated]
        self._dated = tuple(entry for _, entry in dated)
        self._later: dict[int, EntryList[S]] = {0: self._compile(self._dated)} if dated else {}

    @cached_property
    def firm(self) -> Any:
        """The entries that always count, the implicit ones too, compiled."""
        return self._compile(_joined(map(_firm_entries, self._rules)), self._implicit)

    @cached_property
    def every(self) -> Any:
        """All entries, those that count no more too, compiled."""
        if not self._ends:
            return self.firm
        return self._compile(_joined(rule.entries for rule in self._rules), self._implicit)

    def holds(self, subject: S, at: int) -> bool:
        """Return whether the list has the subject for what happens at a moment."""
        return bool(self.firm.holds(subject)) or self.holds_until(subject, at)

    def holds_until(self, subject: S, at: int) -> bool:
        """Return whether an entry that counts until a later moment holds the subject."""
        return any(one.holds(subject) for one in self._dated_at(at))

    def has_ended(self, subject: S, at: int) -> bool:
        """Return whether only entries that count no more hold the subject, one at least."""
        return bool(self._ends) and self._later[0].holds(subject) and not self.holds(subject, at)

    def ended(self, subject: S, at: int) -> tuple[str, int] | None:
        """Return the entry that held the subject last, and until when; None where none did, or one still does."""
        if not self.has_ended(subject, at):
            return None
        dated = zip(reversed(self._dated), reversed(self._ends), strict=True)
        return next((one for one in dated if self._compile(one[:1]).holds(subject)), None)

    def matching(self, subject: S, at: int) -> str | None:
        """Return an entry, as written, that holds the subject: one that always counts before others."""
        return next((entry for one in self.at(at) if (entry := one.matching(subject)) is not None), None)

    def closest(self, subject: S, at: int) -> tuple[tuple[int, int], str] | None:
        """Return the nearest entry behind how near it is, see `EntryList`."""
        near = [found for one in self.at(at) if (found := one.closest(subject)) is not None]
        return max(near, key=lambda found: found[0], default=None)

    def at(self, at: int) -> Iterator[Any]:
        """Yield the compiled lists that count at a moment, which together are the list."""
        yield self.firm
        yield from self._dated_at(at)

    def _dated_at(self, at: int) -> Iterator[EntryList[S]]:
        """Yield the entries that count until later than a moment, if there are any, as one list."""
        place = bisect_right(self._ends, at)
        if place == len(self._ends):
            return
        if place not in self._later:
            while len(self._later) > PLACES:
                self._later.pop([*self._later][1], None)
            self._later[place] = self._compile(self._dated[place:])
        yield self._later[place]

    def _compile(self, entries: tuple[str, ...], implicit: tuple[str, ...] = ()) -> Any:
        return compiled(self._rules[0].row, entries, implicit)


def effective_list(rules: Iterable[ListRule], group: SecurityGroup | None = None) -> EffectiveList[Any]:
    """Return the list that rules of one type make together; with a group also what is implicit in it (S16)."""
    together = tuple(rules)
    first = together[0]
    has_implicit = isinstance(first, AllowlistRule) and first.row.value_type == "IpCidr"
    return EffectiveList(together, group.implicit_addresses() if group is not None and has_implicit else ())


def _ends_of(rule: ListRule) -> dict[str, int]:
    """Return until when entries count, of those that do not always."""
    return {note.entry: micros(note.until) for note in rule.notes if note.until is not None}


def _firm_entries(rule: ListRule) -> tuple[str, ...]:
    ends = _ends_of(rule)
    return tuple(entry for entry in rule.entries if entry not in ends) if ends else rule.entries


def _joined(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    filled = [part for part in parts if part]
    return filled[0] if len(filled) == 1 else tuple(chain.from_iterable(filled))


class OwnLists:
    """A device's own additions to its allow-lists, each compiled when something is first asked of it."""

    def __init__(self, layer: Layer) -> None:
        self._rules = {rule.type: rule for rule in layer.rules if isinstance(rule, AllowlistRule)}
        self._compiled: dict[str, EffectiveList[Any]] = {}

    def of(self, rule_type: str) -> EffectiveList[Any] | None:
        """Return what the device adds to a list, None where that is nothing."""
        if rule_type not in self._rules:
            return None
        if rule_type not in self._compiled:
            self._compiled[rule_type] = EffectiveList((self._rules[rule_type],))
        return self._compiled[rule_type]
