"""Windows: what they keep, in which order, and what merging may and may not lose (S26)."""

from array import array
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.engine.active_connections import ActiveConnections
from fencepost.engine.failed_logins import FailedLoginRecords, FailedLogins
from fencepost.engine.ranges import Range
from fencepost.engine.windows import (
    CAPACITY,
    CHUNK,
    LOGIN,
    OTHER,
    PAM,
    POINT,
    Window,
    attempts,
    certain_attempts,
    distinct,
    records,
    singly,
)
from fencepost.model.instant import SECOND, length
from fencepost.testing import active_connections, failed_logins

Point = tuple[int, int]
WIDTH = length(timedelta(minutes=5))

TIMES = st.integers(0, 1200).map(lambda second: second * SECOND)
OCCURRENCE_KEYS = st.integers(0, 1 << 50)
FLOW_KEYS = st.tuples(st.integers(0, 6), st.integers(0, 1 << 20)).map(lambda k: -(k[0] << 22 | k[1]) - 1)
LOGIN_KEYS = st.tuples(
    st.sampled_from((0, 5, 9)), st.sampled_from((PAM, LOGIN, OTHER)), st.integers(0, 1 << 29)
).map(lambda k: k[0] << 32 | k[1] << 30 | k[2])
CHECKS: dict[str, Range] = {
    "connections": ActiveConnections(active_connections(), 0, 0),
    "attempts": FailedLogins(failed_logins(), 0, 0),
    "records": FailedLoginRecords(failed_logins(count="records"), 0, 0),
}


def points(kind: str) -> st.SearchStrategy[list[Point]]:
    keys = OCCURRENCE_KEYS | FLOW_KEYS if kind == "connections" else LOGIN_KEYS
    return st.lists(st.tuples(TIMES, keys), min_size=1, max_size=60, unique=True)


def filled(entries: list[Point]) -> Window:
    window = Window(0)
    for time, key in entries:
        window.put(time, key)
    return window


def pairs(window: Window) -> list[Point]:
    return list(zip(window[::2], window[1::2], strict=True))


# --------------------------------------------------------------------------------------------- points


@given(points("connections"))
def test_points_are_kept_in_the_order_of_time_and_key_in_whatever_order_they_come(
    entries: list[Point],
) -> None:
    """Equal data gives equal memory."""
    assert pairs(filled(entries)) == sorted(entries)
    assert filled(entries) == filled(entries[::-1])


@given(points("attempts"))
def test_a_point_that_is_there_already_is_not_taken_again(entries: list[Point]) -> None:
    """An event counts once (S09)."""
    window = filled(entries)
    assert not any(window.put(time, key) for time, key in entries)
    assert len(pairs(window)) == len(entries)


@given(points("connections"), TIMES, st.lists(OCCURRENCE_KEYS | FLOW_KEYS, min_size=1, max_size=30))
def test_points_of_one_moment_are_put_together_as_they_are_one_by_one(
    entries: list[Point], moment: int, keys: list[int]
) -> None:
    """Also those that are there already, in the window or twice among the keys."""
    singly_put, together = filled(entries), filled(entries)
    keys += [key for _, key in entries[:3]]
    fresh = [singly_put.put(moment, key) for key in keys]
    assert together.put_all(moment, keys) is any(fresh)
    assert together == singly_put
    assert not together.put_all(moment, keys)


def test_a_span_is_known_by_its_end_and_the_event_that_stated_it() -> None:
    """Another event may state the same interval."""
    window = Window(0)
    assert window.put_span(0, 10, 3, 7)
    assert not window.put_span(0, 10, 3, 7)
    assert window.put_span(0, 10, 3, 8)
    assert window.put_span(0, 11, 3, 7)
    assert [span[2] for span in window.each_span()] == [3, 3, 3]


@given(points("connections"), TIMES)
def test_points_before_a_moment_are_those_earlier(entries: list[Point], moment: int) -> None:
    """The moment itself is not before it."""
    assert filled(entries).points_before(moment) == sum(time < moment for time, _ in entries)


@given(points("connections"), TIMES)
def test_a_moment_is_the_latest_if_nothing_is_later(entries: list[Point], moment: int) -> None:
    """Points and spans alike."""
    window = filled(entries)
    assert window.is_latest(moment) is (max(entries)[0] <= moment)
    window.put_span(0, moment + 1, 1, 0)
    assert not window.is_latest(moment)


# --------------------------------------------------------------------------------------------- counting


def array_of(*entries: Point) -> "array[int]":
    return array("q", [number for point in entries for number in point])


def attempt(process: int, kind: int, identity: int = 0) -> int:
    return process << 32 | kind << 30 | identity


def test_distinct_counts_a_five_tuple_once_and_every_other_occurrence() -> None:
    """A negative key is a tuple with the event's own bits below."""
    flow, again, other = -(5 << 22 | 1) - 1, -(5 << 22 | 2) - 1, -(6 << 22 | 1) - 1
    entries = array_of((1, flow), (2, again), (3, other), (4, 10), (5, 11))
    assert distinct(entries, 0, len(entries)) == 4
    assert distinct(entries, POINT, 3 * POINT) == 2
    assert distinct(entries, 0, 0) == 0


@pytest.mark.parametrize(
    ("gap", "kind", "process", "number"),
    [
        (5 * SECOND, LOGIN, 9, 1),
        (5 * SECOND + 1, LOGIN, 9, 2),
        (0, LOGIN, 9, 1),
        (1, LOGIN, 8, 2),
        (1, PAM, 9, 2),
        (1, OTHER, 9, 2),
    ],
)
def test_attempts_leaves_out_the_login_record_that_repeats_a_pam_record(
    gap: int, kind: int, process: int, number: int
) -> None:
    """Same process and address, at most five seconds later (S12)."""
    entries = array_of((0, attempt(9, PAM)), (gap, attempt(process, kind, 1)))
    assert attempts(entries, 0, len(entries)) == number
    assert records(entries, 0, len(entries)) == 2


def test_a_login_record_without_a_process_is_an_attempt_of_its_own() -> None:
    """What is not known to be the same is not the same."""
    entries = array_of((0, attempt(0, PAM)), (1, attempt(0, LOGIN, 1)))
    assert attempts(entries, 0, len(entries)) == 2


def test_certain_attempts_looks_back_beyond_the_run() -> None:
    """The PAM record before the run has been counted with those before."""
    others = [(0, attempt(0, OTHER, number)) for number in range(CHUNK - 1)]
    entries = array_of(*others, (0, attempt(9, PAM)), (1, attempt(9, LOGIN, 1)), (2, attempt(0, OTHER)))
    assert attempts(entries, CHUNK * POINT, len(entries)) == 2
    assert certain_attempts(entries, len(entries)) == [CHUNK, 1]
    assert certain_attempts(entries, len(entries) - POINT) == [CHUNK, 0]


# --------------------------------------------------------------------------------------------- merging


@pytest.mark.parametrize("kind", CHECKS)
def test_merging_keeps_the_truth_between_certain_and_possible(kind: str) -> None:
    """However often and however much is merged, for every window that one may ask for."""
    check = CHECKS[kind]

    @given(
        points(kind),
        st.lists(st.integers(1, 30), max_size=4),
        st.integers(0, 300),
        st.booleans(),
        st.integers(0, 1500),
    )
    def holds(entries: list[Point], runs: list[int], seconds: int, halved: bool, second: int) -> None:
        window, whole = filled(entries), filled(entries)
        for run in runs:
            count = min(run, len(window) // POINT)
            window.condense(count, check.tally, check.floor)
            if halved:
                window._merge_spans(seconds * SECOND, WIDTH)
        at = second * SECOND
        true, same = check.count(whole, at)
        assert true == same
        certain, possible = check.count(window, at)
        assert certain <= true <= possible

    holds()


@given(points("connections"), st.integers(0, 60))
def test_condensed_spans_state_at_least_and_at_most_what_they_hold(entries: list[Point], number: int) -> None:
    """Each stands for no more points than a chunk has, they are in order, and nothing is lost."""
    window = filled(entries)
    number = min(number, len(entries))
    window.condense(number, records, singly(records))
    spans = list(window.each_span())
    assert pairs(window) == sorted(entries)[number:]
    assert sum(abs(fewest) for _, _, fewest, _, _ in spans) == sum(most for *_, most, _ in spans) == number
    assert all(first <= last and most <= CHUNK for first, last, _, most, _ in spans)
    assert [span[:2] for span in spans] == sorted(span[:2] for span in spans)
    assert window.merged is bool(number)


def test_condensing_nothing_changes_nothing() -> None:
    """Not even the mark."""
    window = filled([(1, 1), (2, 2)])
    window.condense(0, records, singly(records))
    assert (pairs(window), window.spans, window.merged) == ([(1, 1), (2, 2)], None, False)


@given(st.integers(CAPACITY // POINT, 2 * CAPACITY), st.integers(1, 120))
def test_halving_makes_room_in_a_full_window(number: int, seconds: int) -> None:
    """Each halving makes it smaller, and it holds as many as before."""
    window = Window(0)
    for index in range(number):
        window.put(index * seconds * SECOND, index)
        while window.is_full():
            before = len(window) + len(window.spans or ())
            window.halve(index * seconds * SECOND, WIDTH, records, singly(records))
            assert len(window) + len(window.spans or ()) < before
    held = len(window) // POINT + sum(span[3] for span in window.each_span())
    assert held == number


def test_forgetting_drops_the_spans_that_ended_before_a_moment() -> None:
    """A span that ends at the moment stays."""
    window = Window(0)
    for last in (10, 20, 30):
        window.put_span(0, last, 1, last)
    window.forget(20)
    assert [span[1] for span in window.each_span()] == [20, 30]
    window.forget(31)
    assert window.spans is None
