"""The clock that never goes back."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fencepost.service.clock import RunningClock

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Times:
    """A wall clock that can be set, and a stop-watch that cannot."""

    def __init__(self) -> None:
        self.wall = START
        self.elapsed = 0.0
        self.clock = RunningClock(lambda: self.wall, lambda: self.elapsed)

    def pass_(self, seconds: float) -> datetime:
        self.wall += timedelta(seconds=seconds)
        self.elapsed += seconds
        return self.clock.now()


def test_it_is_the_wall_clock_while_that_goes_forward() -> None:
    times = Times()
    assert times.pass_(10) == START + timedelta(seconds=10)
    times.wall += timedelta(hours=1)
    assert times.pass_(1) == START + timedelta(hours=1, seconds=11)
    assert times.clock.set_back() is None


def test_a_clock_set_back_by_a_day_is_not_followed_and_is_told_of() -> None:
    times = Times()
    times.pass_(10)
    times.wall -= timedelta(days=1)
    assert times.pass_(60) == START + timedelta(seconds=70)
    assert times.clock.set_back() == timedelta(days=1)
    times.wall += timedelta(days=1)
    assert times.pass_(5) == START + timedelta(seconds=75)
    assert times.clock.set_back() is None


def test_a_clock_that_is_steered_back_a_little_is_waited_for() -> None:
    times = Times()
    before = times.pass_(10)
    times.wall -= timedelta(seconds=2)
    assert times.pass_(1) == before
    assert times.pass_(2) == before + timedelta(seconds=1)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(-1e5, 1e5)), max_size=30))
def test_it_never_goes_back(steps: list[tuple[float, float]]) -> None:
    times = Times()
    latest = times.clock.now()
    for passed, shift in steps:
        times.wall += timedelta(seconds=shift)
        time = times.pass_(passed)
        assert time >= latest
        latest = time
