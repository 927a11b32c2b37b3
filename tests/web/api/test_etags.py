"""What an editor says that they have seen."""

import pytest

from fencepost.web.api.etags import check_seen, is_for_new_only, seen, seen_version
from fencepost.web.api.problems import Refused


@pytest.mark.parametrize(
    ("if_match", "expected"),
    [
        (None, None),
        ("*", None),
        (" * ", None),
        ('"now"', "now"),
        ("now", "now"),
        ('W/"now"', "now"),
        ('"then"', "then"),
        ('"then", "now"', "now"),
        ('"then", "before"', "then"),
        ("", ""),
        (",", ""),
        ('""', ""),
    ],
)
def test_of_several_tags_the_one_that_is_current_counts(if_match: str | None, expected: str | None) -> None:
    assert seen(if_match, "now") == expected


def test_a_version_is_a_number_of_ours() -> None:
    assert seen_version('"3"', 4) == 3
    assert seen_version('"3", "4"', 4) == 4
    assert seen_version(None, 4) is None
    for wrong in ('"x"', "", '"-1"', '"1e3"', f'"{"9" * 30}"', '"\u0663"'):
        with pytest.raises(Refused) as error:
            seen_version(wrong, 4)
        assert error.value.status == 412


def test_new_only_is_said_by_a_star() -> None:
    assert is_for_new_only("*")
    assert not is_for_new_only(None)
    with pytest.raises(Refused):
        is_for_new_only('"1"')


def test_who_has_not_seen_what_is_there_is_told_of_what() -> None:
    check_seen('"now"', "now", "the alert")
    check_seen("*", "now", "the alert")
    with pytest.raises(Refused, match="the alert has been changed"):
        check_seen('"then"', "now", "the alert")
