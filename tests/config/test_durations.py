"""ISO 8601 durations as files state them."""

import re
from datetime import timedelta

import pytest

from fencepost.config.durations import PATTERN, parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT5M", timedelta(minutes=5)),
        ("PT05M", timedelta(minutes=5)),
        ("PT0S", timedelta()),
        ("PT1.5S", timedelta(seconds=1.5)),
        ("PT6H15M", timedelta(hours=6, minutes=15)),
        ("P1D", timedelta(days=1)),
        ("P1W", timedelta(weeks=1)),
        ("P1DT1S", timedelta(days=1, seconds=1)),
    ],
)
def test_a_duration_is_read(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5m", "such as PT30S"),
        ("", "such as PT30S"),
        ("P", "such as PT30S"),
        ("PT", "such as PT30S"),
        ("P1DT", "such as PT30S"),
        ("P1M", "such as PT30S"),
        ("PT5M\n", "such as PT30S"),
        ("PT\u0665M", "such as PT30S"),
        ("PT" + "9" * 400 + "S", "such as PT30S"),
        ("P10S", "as in PT10S"),
        ("-PT5M", "not negative"),
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_duration(text)


def test_the_longest_duration_of_the_pattern_does_not_overflow() -> None:
    longest = "P99999W99999DT9999999H9999999M999999999.999999S"
    assert re.match(PATTERN, longest)
    assert parse_duration(longest) > timedelta(days=700_000)
