"""
YAML as plain data that remembers where it stood and how it was written.

Laws of this module: no YAML text, however made, takes time or memory out of proportion to its size
(limits on size, depth and what aliases expand to); nothing is constructed from tags; a key is always the
text that was written; and the written text of every scalar is kept, so that `on`, `0123` and `22:30` can
be read as the words they are.
"""

import json
import math
import re
from collections.abc import Iterator

import yaml
from msgspec import Struct, structs

from fencepost.config.text_file import MAXIMUM_BYTES
from fencepost.model.errors import OperatorError, Problem

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

MAXIMUM_DEPTH = 32
MAXIMUM_NODES = 200_000

_TAG = "tag:yaml.org,2002:"
_SCALARS = {_TAG + name for name in ("null", "bool", "int", "float", "str", "timestamp", "value", "merge")}
_COLLECTIONS = {_TAG + "map", _TAG + "seq"}
_MERGE = _TAG + "merge"
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9_]{0,17})", re.ASCII)
_PLAIN_KEY = re.compile(r"[\w-]+")


class Tree(Struct, frozen=True, kw_only=True):
    """
    A file's data, with the line and the written text of each path.

    `problems` are faults that did not keep the rest from being read.
    """

    file: str
    data: Json
    lines: dict[str, int]
    texts: dict[str, str]
    problems: tuple[Problem, ...] = ()

    def line_of(self, path: str) -> int:
        """Return the line of a path, or of the nearest thing around it that the file has."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)

    def located(self, problem: Problem) -> Problem:
        """Return the problem with its file and line."""
        return structs.replace(problem, file=self.file, line=self.line_of(problem.path))


def join(path: str, step: str | int) -> str:
    """Return the path of a member or item below `path`; a key with odd characters stands in quotes."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    key = step if _PLAIN_KEY.fullmatch(step) else json.dumps(step, ensure_ascii=False)
    return f"{path}.{key}" if path else key


def parse_tree(text: str, file: str) -> Tree:
    """Return the data of one YAML document; raises OperatorError where it cannot be read at all."""
    if len(text) > MAXIMUM_BYTES:
        raise OperatorError([Problem("", f"the file is larger than {MAXIMUM_BYTES} bytes", file)])
    try:
        root = _Composer(text).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        reason = f"the character U+{int(error.character):04X} does not belong in a text file"
        raise OperatorError([Problem("", reason, file, line)]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise OperatorError([Problem("", _words(error), file, line)]) from error
    walk = _Walk(file)
    data = None if root is None else walk.value(root, "")
    return Tree(file=file, data=data, lines=walk.lines, texts=walk.texts, problems=tuple(walk.problems))


def _words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "cannot be read"
    if "\\t" in problem:
        return "a tab cannot stand here: indent with blanks"
    if "another document" in problem:
        return "a second document begins here (---): a file has one"
    return f"not YAML: {problem}" + (f" ({error.context})" if error.context and error.problem else "")


class _Composer(yaml.SafeLoader):
    """PyYAML's composer, which recurses, with a floor under it."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAXIMUM_DEPTH:
            reason = f"nested deeper than {MAXIMUM_DEPTH} levels"
            raise yaml.composer.ComposerError(None, None, reason, self.get_mark())
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Walk:
    """One pass over the nodes; a node that aliases name twice is visited twice, and counted twice."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[str, int] = {}
        self.texts: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._visited = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: str) -> Json:
        self.lines.setdefault(path, _line(node))
        self._count(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in _COLLECTIONS:
            self._fault(node, path, f"the tag {_shown(node.tag)} is not read here: leave it out")
        if id(node) in self._open:
            self._give_up(node, "an anchor holds an alias to itself")
        if len(self._open) >= MAXIMUM_DEPTH:
            self._give_up(node, f"nested deeper than {MAXIMUM_DEPTH} levels")
        self._open.add(id(node))
        data = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        self._open.discard(id(node))
        return data

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Json:
        if node.tag not in _SCALARS:
            self._fault(node, path, f"the tag {_shown(node.tag)} is not read here: leave it out")
        self.texts[path] = node.value
        return _resolved(node)

    def _list(self, node: yaml.Node, path: str) -> Json:
        return [self.value(item, join(path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: str) -> Json:
        data: dict[str, Json] = {}
        for key, value in self._own_entries(node, path):
            below = join(path, key.value)
            if key.value in data:
                first = self.lines[below]
                self._fault(key, below, f"the key {key.value!r} stands twice, first in line {first}")
                continue
            self.lines[below] = _line(key)
            data[key.value] = self.value(value, below)
        for key, value in self._merged_entries(node, path):
            self._count(key)
            if key.value not in data:
                data[key.value] = self.value(value, join(path, key.value))
        return data

    def _own_entries(self, node: yaml.MappingNode, path: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(key, path, "a key is a word, not a list or a mapping")
            elif not key.value:
                self._fault(key, path, "a key is missing in front of the colon")
            elif key.tag != _MERGE:
                yield key, value

    def _merged_entries(
        self, node: yaml.MappingNode, path: str
    ) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """Yield what `<<: *anchor` brings in; the first mapping that has a key gives it."""
        for key, value in node.value:
            if key.tag != _MERGE:
                continue
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(source, yaml.MappingNode):
                    self._fault(source, path, "<< takes a mapping or a list of mappings")
                    continue
                if any(key.tag == _MERGE for key, _ in source.value):
                    self._fault(source, path, "a mapping that << brings in cannot hold a << itself")
                yield from self._own_entries(source, path)

    def _count(self, node: yaml.Node) -> None:
        self._visited += 1
        if self._visited > MAXIMUM_NODES:
            self._give_up(node, f"the file expands to more than {MAXIMUM_NODES} values")

    def _fault(self, node: yaml.Node, path: str, reason: str) -> None:
        self.problems.append(Problem(path, reason, self.file, _line(node)))

    def _give_up(self, node: yaml.Node, reason: str) -> None:
        raise OperatorError([*self.problems, Problem("", reason, self.file, _line(node))])


def _resolved(node: yaml.ScalarNode) -> Json:
    text: str = node.value
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() in ("true", "yes", "on")
        case "int" if _DECIMAL.fullmatch(text):
            return int(text.replace("_", ""))
        case "float":
            return _float(text)
    return text


def _float(text: str) -> Json:
    try:
        number = float(text)
    except ValueError:  # YAML 1.1 has 22:30.5 and .inf, which are words here
        return text
    return number if math.isfinite(number) else text


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _shown(tag: str) -> str:
    return tag.replace(_TAG, "!!")
