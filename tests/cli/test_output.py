"""What every command prints by: durations, JSON, text."""

from datetime import timedelta

import pytest

from fencepost.cli.output import encoded, labelled, printable
from fencepost.config.durations import parse_duration
from fencepost.model.duration import iso_duration


@pytest.mark.parametrize(
    "text", ["PT0S", "PT1S", "PT5M", "PT1H30M", "P1D", "P2D", "P1DT1S", "PT0.5S", "PT1M0.000001S"]
)
def test_a_duration_is_written_as_people_write_it(text: str) -> None:
    assert iso_duration(parse_duration(text)) == text


def test_whole_units_are_used() -> None:
    assert iso_duration(timedelta(seconds=300)) == "PT5M"
    assert iso_duration(timedelta(hours=48)) == "P2D"


def test_what_json_has_no_form_for_is_written_nevertheless() -> None:
    assert encoded({"a": 10**30}) == b'{"a":1000000000000000000000000000000}'
    assert encoded({"a": "\udce9"}) == b'{"a":"?"}'
    assert encoded({"a": "\u00e9"}) == '{"a":"\u00e9"}'.encode()


def test_only_printable_text_reaches_a_terminal() -> None:
    assert printable("caf\u00e9 x") == "caf\u00e9 x"
    assert printable("\x1b[2J\r\n\u202e") == "\ufffd[2J\ufffd\ufffd\ufffd"


def test_a_long_text_is_wrapped_behind_its_label() -> None:
    text = labelled("what to do", "look here " * 8, 40)
    assert text.splitlines()[0].startswith("what to do       look here")
    assert all(line.startswith(" " * 17) for line in text.splitlines()[1:])
    assert max(map(len, text.splitlines())) <= 40
