"""A service is left alone for as long as it asks, or for a while that grows."""

from datetime import UTC, datetime

import pytest

from fencepost.client.retry import LONGEST, SHORTEST, pause, retry_after

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("99999999999999", 9_999_999_999.0),
        ("Tue, 24 Nov 2026 03:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 02:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("٣", None),
    ],
)
def test_what_a_service_asks_for_is_read(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, NOW) == seconds


def test_a_service_that_says_nothing_asks_for_nothing() -> None:
    assert retry_after({}, NOW) is None


def test_pauses_grow_and_are_bounded_and_no_two_clients_keep_step() -> None:
    longest = [pause(attempt, lambda: 1.0) for attempt in range(12)]
    assert longest == sorted(longest)
    assert (longest[0], longest[-1]) == (SHORTEST, LONGEST)
    assert pause(3, lambda: 0.0) == pause(3, lambda: 1.0) / 2
