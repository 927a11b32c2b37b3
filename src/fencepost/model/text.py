"""Texts that people write and others read: what must not stand in them."""

import re

_LINES = "\t\n\r"
_UNWANTED = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
"""Control characters, those that turn the direction of writing, separators of lines, and halves of characters."""


def fault_of_text(text: str, *, lines: bool = False) -> str | None:
    """
    Return what is wrong with a text that others will read, None where nothing is.

    What nobody sees must not make a name look like another one. `lines` allows tabs and line breaks.
    """
    found = (one.group() for one in _UNWANTED.finditer(text))
    wrong = next((character for character in found if not (lines and character in _LINES)), None)
    if wrong is None:
        return None
    return f"the invisible character U+{ord(wrong):04X} does not belong in it"
