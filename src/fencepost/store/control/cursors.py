"""Where a page ends, as a text that people hand back unread to get the next one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

from fencepost.model.errors import OperatorError, Problem
from fencepost.model.page import MOST

LEAST, GREATEST = -(2**63), 2**63 - 1
Number = Annotated[int, Meta(ge=LEAST, le=GREATEST)]
"""What a column of integers can be compared with."""
Name = Annotated[str, Meta(max_length=1000, pattern=r"\A[^\x00]*\Z")]
"""What a column of keys can be compared with."""


class Cursor:
    """The places of one list, by its name and the types of what it is sorted by: `tuple[Number, Name]`."""

    def __init__(self, name: str, shape: Any) -> None:
        self._name = name
        self._decode = msgspec.json.Decoder(tuple[str, shape]).decode

    def write(self, *place: int | str) -> str:
        """Return the text for the place behind an item."""
        return urlsafe_b64encode(msgspec.json.encode((self._name, place))).rstrip(b"=").decode()

    def read(self, cursor: str) -> tuple[Any, ...]:
        """Return the place; raises OperatorError for what `write` did not make."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            name, place = self._decode(urlsafe_b64decode(padded))
        except (ValueError, msgspec.MsgspecError):
            name, place = "", ()
        if name != self._name:
            reason = "is no place in this list: take it from the page before, as it is, or leave it out"
            raise OperatorError([Problem("after", reason)])
        return cast("tuple[Any, ...]", place)


def bounded(number: int) -> int:
    """Return the nearest number that a column of integers can be compared with."""
    return min(max(number, LEAST), GREATEST)


def check_limit(limit: int) -> None:
    """Raise OperatorError for a page that is empty or too long."""
    if not 1 <= limit <= MOST:
        raise OperatorError([Problem("limit", f"is between 1 and {MOST}")])
