"""Instants as numbers, exactly."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.model.instant import EPOCH, HOUR, MINUTE, SECOND, length, micros, moment

MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(MOMENTS)
def test_moment_is_the_inverse_of_micros(when: datetime) -> None:
    """From the year 1 to 9999, to the microsecond."""
    assert moment(micros(when)) == when


@given(MOMENTS, MOMENTS)
def test_numbers_compare_as_moments_do(one: datetime, other: datetime) -> None:
    """So that the engine needs no datetimes."""
    assert (micros(one) < micros(other)) is (one < other)


def test_a_zone_does_not_matter_and_a_naive_time_is_refused() -> None:
    """An instant is an instant."""
    east = timezone(timedelta(hours=5, minutes=30))
    assert micros(EPOCH.astimezone(east)) == 0
    with pytest.raises(TypeError):
        micros(datetime(2026, 1, 1))


@given(st.timedeltas())
def test_a_length_is_whole_microseconds(span: timedelta) -> None:
    """The finest that a timedelta has."""
    assert timedelta(microseconds=length(span)) == span


def test_the_units_are_those_of_the_clock() -> None:
    """Named once."""
    assert tuple(
        length(span) for span in (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1))
    ) == (SECOND, MINUTE, HOUR)
