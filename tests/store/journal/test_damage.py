"""A damage says in one line where it is, what is missing for it, and what was done."""

import pytest

from fencepost.store.journal.damage import Damage, Gap


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (None, None, "no entry is missing"),
        (5, 5, "entry 5 is missing"),
        (5, 9, "entries 5 to 9 are missing"),
        (5, None, "entries from position 5 on may be missing"),
    ],
)
def test_a_damage_names_segment_bytes_reason_entries_and_what_was_done(
    first: int | None, last: int | None, words: str
) -> None:
    damage = Damage(
        segment="1.seg", offset=4000, size=96, reason="it is bad", first_missing=first, last_missing=last
    )
    assert str(damage) == f"1.seg, byte 4,000 to 4,096: it is bad, {words} (passed over)"


def test_a_gap_names_the_segment_at_which_it_was_seen() -> None:
    assert str(Gap(segment="9.seg", first_missing=5, last_missing=8)) == (
        "9.seg: entries 5 to 8 are missing: no file holds them"
    )
