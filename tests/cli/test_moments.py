"""Times and lengths of time on the command line."""

from datetime import UTC, datetime, timedelta

import pytest

from fencepost.cli.moments import moment_of, since_of, span_of, until_of
from fencepost.model.errors import OperatorError

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("2w", timedelta(weeks=2)),
        ("P30D", timedelta(days=30)),
        ("PT12H", timedelta(hours=12)),
    ],
)
def test_a_length_of_time_is_short_or_iso_8601(text: str, span: timedelta) -> None:
    assert span_of(text, "--for") == span
    assert since_of(text, "--since", NOW) == NOW - span
    assert until_of(text, "--until", NOW) == NOW + span


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "0d", "P0D", "999999w", "30 days", "٣d"])
def test_what_is_no_length_of_time_is_refused_with_the_option(text: str) -> None:
    with pytest.raises(OperatorError) as raised:
        span_of(text, "--for")
    assert raised.value.problems[0].path == "--for"


def test_a_point_in_time_is_utc_unless_it_says_otherwise() -> None:
    assert moment_of("2026-12-24", "--until") == datetime(2026, 12, 24, tzinfo=UTC)
    assert moment_of("2026-12-24T18:00:00+01:00", "--until") == datetime(2026, 12, 24, 17, tzinfo=UTC)
    assert since_of("2026-12-24", "--since", NOW) == datetime(2026, 12, 24, tzinfo=UTC)
    assert since_of(None, "--since", NOW) is None


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1999-12-31", "3000-01-01", "24.12.2026"])
def test_what_is_no_point_in_time_is_refused_with_the_option(text: str) -> None:
    with pytest.raises(OperatorError) as raised:
        until_of(text, "--until", NOW)
    assert raised.value.problems[0].path == "--until"
