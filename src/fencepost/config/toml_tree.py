"""TOML as plain data that remembers in which line its keys stand."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from fencepost.config.yaml_tree import Tree, join
from fencepost.model.errors import OperatorError, Problem

_QUOTED = r'"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*'"
_TOKEN = re.compile(
    r'(?P<long>"""(?:\\.|[^\\])*?"{3,5}|' r"'''.*?'{3,5}" rf")|(?P<quoted>{_QUOTED})|(?P<comment>\#[^\n]*)",
    re.DOTALL,
)
_STEP = re.compile(rf"\s*({_QUOTED}|[A-Za-z0-9_-]+)\s*(\.|=|\]|$)")
_BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def parse_toml(text: str, file: str) -> Tree:
    """
    Return the data of a TOML document; raises OperatorError where it cannot be read.

    The tree knows the lines of tables and keys, but for those within an inline table, and the written texts of
    the values of tables, to be shown in complaints.
    """
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise OperatorError([Problem("", "not TOML: nested too deeply", file)]) from None
    except ValueError as error:  # TOMLDecodeError, and numbers of more digits than Python reads
        raise OperatorError([_syntax_problem(str(error), text, file)]) from None
    return Tree(file=file, data=data, lines=dict(_lines(text)), texts=dict(_texts(data)))


def _syntax_problem(words: str, text: str, file: str) -> Problem:
    place = _PLACE.search(words)
    if place is None:
        return Problem("", f"not TOML: {words}", file)
    line = int(place[1]) if place[1] else text.count("\n") + 1
    return Problem("", f"not TOML: {words[: place.start()]}", file, line)


def _texts(data: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the scalars of the tables, to the second level."""
    for key, value in data.items():
        below = join(path, key)
        if isinstance(value, dict) and not path:
            yield from _texts(value, below)
        elif not isinstance(value, dict | list):
            yield below, json.dumps(value) if isinstance(value, bool) else str(value)


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """Yield each key and table with its line, in a text that is known to be TOML."""
    table, depth = "", 0
    for number, line in enumerate(_TOKEN.sub(_blanked, text).split("\n"), 1):
        bare = line.strip()
        if not depth and bare.startswith("["):
            table = _path(bare.lstrip("["))
            yield table, number
        elif not depth and bare:
            path = _path(bare, table)
            yield path, number
        depth += sum(_BRACKETS.get(character, 0) for character in re.sub(_QUOTED, "", line))


def _blanked(token: re.Match[str]) -> str:
    """Return a token as it can stand in one line; what spans several leaves its line ends behind."""
    match token.lastgroup:
        case "quoted":
            return token[0]
        case "comment":
            return ""
    return '""' + "\n" * token[0].count("\n")


def _path(text: str, base: str = "") -> str:
    """Return the path of the dotted key with which a text begins."""
    position, path = 0, base
    while step := _STEP.match(text, position):
        key, end = step.groups()
        path = join(path, key if key[0] not in "\"'" else _unquoted(key))
        position = step.end()
        if end != ".":
            break
    return path


def _unquoted(key: str) -> str:
    return str(tomllib.loads(f"key = {key}")["key"])
