"""What must not stand in a text that people read."""

import pytest

from fencepost.model.text import fault_of_text


@pytest.mark.parametrize(
    "number",
    [
        0x00,
        0x07,
        0x1B,
        0x7F,
        0x85,
        0x061C,
        0x200E,
        0x200F,
        0x2028,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        0xD800,
    ],
    ids=lambda number: f"U+{number:04X}",
)
def test_what_nobody_sees_is_named(number: int) -> None:
    """Controls, and what turns the direction of writing, also where lines may stand."""
    for lines in (False, True):
        fault = fault_of_text(f"a{chr(number)}b", lines=lines)
        assert fault == f"the invisible character U+{number:04X} does not belong in it"


@pytest.mark.parametrize("character", ["\t", "\n", "\r"], ids=["tab", "line feed", "carriage return"])
def test_lines_stand_where_lines_are_allowed(character: str) -> None:
    assert fault_of_text(f"a{character}b", lines=True) is None
    assert fault_of_text(f"a{character}b") is not None


@pytest.mark.parametrize("text", ["", "cameras", "Kühlhaus 7", "カメラ", "غرفة", "👩‍🔧", "a\u00a0b"])
def test_every_script_is_a_text(text: str) -> None:
    """Hebrew and Arabic have their direction in their letters."""
    assert fault_of_text(text) is None
