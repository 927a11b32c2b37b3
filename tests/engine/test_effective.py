"""Lists of which some entries end: asked at any moment, to and fro, they are what they say (S28)."""

import gc
import weakref
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from fencepost.engine.effective import PLACES, OwnLists, compiled, effective_list
from fencepost.engine.names import User
from fencepost.model.catalog import CATALOG
from fencepost.model.instant import SECOND, micros
from fencepost.model.layer import counts_at
from fencepost.model.rule import AllowlistRule, EntryNote
from fencepost.testing import DAY, allowing, at, device_layer, group, until

USERS = "LocalUserNotAllowed"
NAMES = [f"user-{number}" for number in range(30)]


def moment(second: int) -> int:
    return micros(DAY) + second * SECOND


def rules(random: Random) -> list[AllowlistRule]:
    """Return a group's and a fleet's list, of whose entries two in three end at one of 20 moments."""
    made = []
    for _ in range(2):
        names = random.sample(NAMES, 15)
        notes = [
            note
            for name in names
            if random.random() < 2 / 3
            for note in until(f"00:00:{random.randrange(20):02}", name)
        ]
        made.append(allowing(USERS, *names, notes=tuple(notes)))
    return made


def counting(parts: list[AllowlistRule], second: int) -> set[str]:
    found = set()
    for rule in parts:
        notes = {note.entry: note for note in rule.notes}
        found |= {entry for entry in rule.entries if counts_at(notes.get(entry), at(f"00:00:{second:02}"))}
    return found


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_S28_a_list_holds_at_each_moment_what_counts_then(random: Random) -> None:
    """In whatever order the moments are asked, and however many ends lie between them."""
    parts = rules(random)
    every = {entry for rule in parts for entry in rule.entries}
    listed = effective_list(parts)
    for second in random.sample(range(25), 25) * 2:
        now = counting(parts, second)
        for name in NAMES:
            user = User(name, None)
            assert listed.holds(user, moment(second)) is (name in now)
            assert listed.matching(user, moment(second)) == (name if name in now else None)
            assert listed.has_ended(user, moment(second)) is (name in every - now)
            ended = listed.ended(user, moment(second))
            assert (ended is not None and ended[0] == name) is (name in every - now)
    assert len(listed._later) <= PLACES + 1


def test_S28_the_end_that_is_named_is_the_latest_one() -> None:
    parts = [allowing(USERS, "ann", notes=until(f"00:00:{second:02}", "ann")) for second in (5, 9, 7)]
    assert effective_list(parts).ended(User("ann", None), moment(20)) == ("ann", moment(9))


def test_S16_what_is_implicit_never_ends() -> None:
    """It belongs to address allow-lists only."""
    to = "ConnectionToIpNotAllowed"
    listed = effective_list([allowing(to, "::1", notes=until("00:00", "::1"))], group())
    assert len(listed.firm.entries) == len(group().implicit_addresses())
    assert effective_list([allowing(USERS)], group()).firm.entries == ()


def test_S27_a_devices_own_lists_are_those_of_its_allow_lists() -> None:
    """Compiled once, when first asked of."""
    own = OwnLists(device_layer("cam", allowing(USERS, "ann"), allowing("ProcessNotAllowed")))
    assert own.of("ConnectionToIpNotAllowed") is None
    listed = own.of(USERS)
    assert listed is not None
    assert own.of(USERS) is listed
    assert listed.holds(User("ann", None), moment(0))


def test_S24_a_list_that_nobody_uses_is_not_kept() -> None:
    row, entries = CATALOG[USERS], tuple(NAMES)
    first = compiled(row, entries)
    assert compiled(row, entries) is first
    assert compiled(row, entries[1:]) is not first
    ref = weakref.ref(first)
    del first
    gc.collect()
    assert ref() is None


def test_S28_a_note_of_no_end_is_none() -> None:
    note = EntryNote(entry="ann", by="user/anna", at=DAY)
    listed = effective_list([allowing(USERS, "ann", notes=(note,))])
    assert listed.every is listed.firm
    assert listed.holds(User("ann", None), moment(10**6))
