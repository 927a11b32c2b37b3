"""Refusals take little memory, however many there are, and none goes uncounted."""

from fencepost.service.refusals import OTHER, PLACES, REASONS, Refusal, Refusals


def test_each_reason_is_counted_and_keeps_its_first_places() -> None:
    refusals = Refusals()
    for number in range(10):
        refusals.add(f"line {number}", "not JSON")
    refusals.add("line 11", "empty")
    assert list(refusals) == [
        Refusal("not JSON", 10, ("line 0", "line 1", "line 2")),
        Refusal("empty", 1, ("line 11",)),
    ]
    assert refusals.total == 11


def test_reasons_beyond_the_bound_are_counted_together_with_their_own_words() -> None:
    refusals = Refusals()
    for number in range(REASONS + 100):
        refusals.add(f"line {number}", f"unknown event name 'N{number}'")
    found = list(refusals)
    assert len(found) == REASONS + 1
    assert found[0] == Refusal(
        OTHER,
        100,
        tuple(f"line {n}: unknown event name 'N{n}'" for n in range(REASONS, REASONS + PLACES)),
    )
