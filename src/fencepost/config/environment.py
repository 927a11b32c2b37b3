"""Settings as environment variables: FENCEPOST_HTTP_PORT is `port` of `[http]`."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from msgspec.structs import FieldInfo

from fencepost.config.setting import Setting
from fencepost.config.yaml_tree import Json, Tree
from fencepost.model.errors import Problem

PREFIX = "FENCEPOST_"
_OTHERS = frozenset(PREFIX + name for name in ("DATA", "CONFIG", "TOKEN", "URL", "CA", "EXAMPLES"))
"""What commands and tests read themselves."""
_OF_TESTS = f"{PREFIX}TEST_"
_OF_KUBERNETES = re.compile(
    r"FENCEPOST_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)=.*"
    r"|PORT(_[0-9]+_[A-Z]+)?=[a-z]+://.*|PORT_[0-9]+_[A-Z]+_(PROTO|PORT|ADDR)=.*)",
    re.ASCII | re.DOTALL,
)
"""What Kubernetes tells every container beside a service that is named fencepost, or fencepost-something."""

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_TRUTHS = {"true": True, "false": False}
_LONGEST_SUGGESTED = 64


class Environment(Tree, frozen=True):
    """The variables as a tree of sections; its problems name the variable instead of a file and line."""

    def located(self, problem: Problem) -> Problem:
        return Problem(_variable(problem.path), problem.reason)


class Variable(Setting):
    """A value of a variable: always a text, which may say a number, a truth or a list (a,b)."""

    def read(self, field: FieldInfo) -> Any:
        kind, text = get_args(field.type)[0], str(self.value)
        if kind is int and _NUMBER.fullmatch(text):
            self.value = int(text)
        if kind is bool:
            self.value = _TRUTHS.get(text, text)
        if get_origin(kind) is tuple:
            self.value = [part.strip() for part in text.split(",")]
        return super().read(field)


def environment_tree(environ: Mapping[str, str], keys: Mapping[str, Collection[str]]) -> Environment:
    """Return the settings that variables state, given the keys of each section; unknown ones are problems."""
    known = {_variable(f"{section}.{key}"): (section, key) for section in keys for key in keys[section]}
    data: dict[str, Json] = {section: {} for section in keys}
    texts, unknown = {}, []
    for name, text in _own(environ):
        if name in known:
            section, key = known[name]
            table = data[section]
            assert isinstance(table, dict)  # noqa: S101 - made above
            table[key] = texts[f"{section}.{key}"] = text
        else:
            unknown.append(Problem(name, f"there is no such setting{_nearest(name, known)}"))
    return Environment(file="", data=data, lines={}, texts=texts, problems=tuple(unknown))


def _own(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in environ.items():
        is_other = name in _OTHERS or name.startswith(_OF_TESTS)
        if name.startswith(PREFIX) and not is_other and not _OF_KUBERNETES.fullmatch(f"{name}={text}"):
            yield name, text


def _variable(path: str) -> str:
    return PREFIX + path.replace(".", "_").upper()


def _nearest(name: str, known: Collection[str]) -> str:
    words = {one.removeprefix(PREFIX): one for one in known}
    near = get_close_matches(name.removeprefix(PREFIX)[:_LONGEST_SUGGESTED], words, n=1)
    return f": did you mean {words[near[0]]}?" if near else ": remove the variable"
