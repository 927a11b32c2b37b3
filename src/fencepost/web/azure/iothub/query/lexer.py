"""The words of a query: keywords, names, literals and signs, each with its place."""

import math
import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from fencepost.model.errors import FencepostError

LONGEST = 8 << 10
"""Characters of a query."""
LONGEST_NUMBER = 40
KEYWORDS = frozenset(
    [
        "and",
        "as",
        "count",
        "false",
        "from",
        "group",
        "in",
        "nin",
        "not",
        "null",
        "or",
        "order",
        "select",
        "top",
        "true",
        "where",
    ]
)

Kind = Literal["keyword", "name", "text", "number", "sign", "end"]

_TOKEN = re.compile(
    r"(?P<blank>[ \t\r\n]+)"
    r"|(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)"
    r"|(?P<number>-?[0-9][0-9]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<sign><=|>=|<>|!=|[=<>(),.*\[\]])",
    re.ASCII,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


class QueryError(FencepostError):
    """A query that cannot be understood; `place` counts its characters from 1."""

    def __init__(self, reason: str, place: int) -> None:
        super().__init__(f"{reason}, at character {place}")
        self.reason = reason
        self.place = place


class Token(Struct, frozen=True):
    """One word as it is written; texts and numbers by their value."""

    kind: Kind
    value: str | float
    place: int

    def is_one(self, *values: str) -> bool:
        """Whether this is one of these keywords, in any case, or signs."""
        return self.kind in ("keyword", "sign") and str(self.value).lower() in values

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.value)


def tokens(text: str) -> list[Token]:
    """Return the words of a query, with one for its end; raises QueryError."""
    if len(text) > LONGEST:
        raise QueryError(f"a query has at most {LONGEST} characters", LONGEST)
    return [*_tokens(text), Token("end", "", len(text) + 1)]


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        if text[at] in "'\"":
            value, end = _quoted(text, at)
            yield Token("text", value, at + 1)
        else:
            found = _TOKEN.match(text, at)
            if found is None:
                raise QueryError(f"{text[at]!r} has no meaning here", at + 1)
            end = found.end()
            if found.lastgroup != "blank":
                yield _token(found)
        at = end


def _token(found: re.Match[str]) -> Token:
    word, place = found.group(), found.start() + 1
    match found.lastgroup:
        case "number":
            return Token("number", _number(word, place), place)
        case "name" if word.lower() in KEYWORDS:
            return Token("keyword", word, place)
        case "name":
            return Token("name", word, place)
        case _:
            return Token("sign", word, place)


def _number(word: str, place: int) -> float:
    """Return a number, whole ones as such."""
    value = float(word) if len(word) <= LONGEST_NUMBER else math.inf
    if math.isinf(value):
        raise QueryError("the number is too large", place)
    return int(word) if word.lstrip("-").isdigit() else value


def _quoted(text: str, start: int) -> tuple[str, int]:
    """Return a text in quotes and where it ends; `\\` escapes as in JSON, and a quote twice is one."""
    quote, at, parts = text[start], start + 1, []
    while at < len(text):
        sign = text[at]
        if sign == "\\":
            part, at = _escaped(text, at)
            parts.append(part)
        elif sign != quote:
            parts.append(sign)
            at += 1
        elif text[at + 1 : at + 2] == quote:
            parts.append(quote)
            at += 2
        else:
            return "".join(parts), at + 1
    raise QueryError("a text is not closed", start + 1)


def _escaped(text: str, at: int) -> tuple[str, int]:
    sign = text[at + 1 : at + 2]
    digits = text[at + 2 : at + 6]
    if sign == "u" and len(digits) == 4 and _HEXADECIMAL.issuperset(digits):  # noqa: PLR2004 - as in JSON
        return chr(int(digits, 16)), at + 6
    if not sign or (sign.isalnum() and sign not in _ESCAPES):
        raise QueryError(f"{text[at : at + 2]!r} is no escape; write \\\\ for a backslash", at + 1)
    return _ESCAPES.get(sign, sign), at + 2
