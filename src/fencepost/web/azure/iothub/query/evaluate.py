"""
What a query means for one twin: three-valued, as in the service.

What is not there is undefined, and so is whatever is computed of it; only what is true holds. Values of
different types are not equal, and neither of them is the smaller one.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, assert_never

from fencepost.web.azure.iothub.query.tree import (
    Among,
    Both,
    Called,
    Compared,
    Comparison,
    Constant,
    Either,
    Expression,
    Function,
    Negated,
    Path,
    Query,
)


class _Undefined:
    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = _Undefined()
"""The value of what is not there."""

Document = Mapping[str, Any]

_COMPARE: dict[Comparison, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_ON_TEXTS: dict[Function, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": str.__contains__,
}
_ORDERED = ("number", "text", "boolean")


def holds(query: Query, document: Document) -> bool:
    """Return whether a twin is asked for; `document` is the twin as the service shows it."""
    return query.condition is None or value_of(query.condition, document) is True


def projected(query: Query, document: Document) -> dict[str, Any]:
    """Return what a query wants to see of a twin; what is not there is left out."""
    if query.is_whole:
        return dict(document)
    seen = {column.name: found(column.path, document) for column in query.columns}
    return {name: value for name, value in seen.items() if value is not UNDEFINED}


def found(path: Path, document: Document) -> Any:
    """Return a member of a twin, or UNDEFINED; the twin's own members are without case."""
    first, *rest = path.steps
    return reduce(_step, rest, _top(str(first), document))


def _top(name: str, document: Document) -> Any:
    if name in document:
        return document[name]
    lower = name.lower()
    return next((value for key, value in document.items() if key.lower() == lower), UNDEFINED)


def _step(value: Any, step: str | int) -> Any:
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step, UNDEFINED)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return UNDEFINED


def value_of(expression: Expression, document: Document) -> Any:  # noqa: PLR0911 - one for each kind
    """Return the value of an expression, or UNDEFINED."""
    match expression:
        case Constant(value):
            return value
        case Path():
            return found(expression, document)
        case Compared(sign, left, right):
            return _compared(sign, value_of(left, document), value_of(right, document))
        case Among():
            return _among(expression, document)
        case Called(function, arguments):
            return _called(function, [value_of(one, document) for one in arguments])
        case Both(parts):
            return _first_of(False, parts, document)
        case Either(parts):
            return _first_of(True, parts, document)
        case Negated(part):
            value = value_of(part, document)
            return not value if isinstance(value, bool) else UNDEFINED
        case _:
            assert_never(expression)


def _first_of(decisive: bool, parts: tuple[Expression, ...], document: Document) -> Any:
    """Return the value that decides if a part has it; else the opposite, where all parts have that."""
    outcome: Any = not decisive
    for part in parts:
        value = value_of(part, document)
        if value is decisive:
            return decisive
        if value is not outcome:
            outcome = UNDEFINED
    return outcome


def _compared(sign: Comparison, left: Any, right: Any) -> Any:
    if left is UNDEFINED or right is UNDEFINED:
        return UNDEFINED
    if sign in ("=", "!="):
        return equal(left, right) is (sign == "=")
    kind = _kind(left)
    if kind != _kind(right) or kind not in _ORDERED:
        return UNDEFINED
    return _COMPARE[sign](left, right)


def equal(left: Any, right: Any) -> bool:
    """Return whether two values are the same, member by member; true is not 1."""
    kind = _kind(left)
    if kind != _kind(right):
        return False
    if kind == "list":
        return len(left) == len(right) and all(map(equal, left, right))
    if kind == "object":
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return bool(left == right)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case _:
            return "object"


def _among(expression: Among, document: Document) -> Any:
    value = value_of(expression.value, document)
    if value is UNDEFINED:
        return UNDEFINED
    choices = (value_of(choice, document) for choice in expression.choices)
    is_one = any(choice is not UNDEFINED and equal(value, choice) for choice in choices)
    return is_one is not expression.negated


def _called(function: Function, arguments: list[Any]) -> Any:
    first = arguments[0]
    if function == "is_defined":
        return first is not UNDEFINED
    if function == "is_null":
        return first is None
    second = arguments[1]
    if not (isinstance(first, str) and isinstance(second, str)):
        return UNDEFINED
    return _ON_TEXTS[function](first, second)
