"""What a query says, once it has been read."""

from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

Comparison = Literal["=", "!=", "<", "<=", ">", ">="]
Function = Literal["is_defined", "is_null", "startswith", "endswith", "contains"]
Collection = Literal["devices", "modules"]


class Constant(Struct, frozen=True):
    value: Any


class Path(Struct, frozen=True):
    """A member of a twin: the names and indices on the way to it."""

    steps: tuple[str | int, ...]

    def __str__(self) -> str:
        return ".".join(map(str, self.steps))


class Compared(Struct, frozen=True):
    sign: Comparison
    left: "Expression"
    right: "Expression"


class Among(Struct, frozen=True):
    """Whether a value is one of a list, or with `negated` none of it."""

    value: "Expression"
    choices: tuple["Expression", ...]
    negated: bool


class Called(Struct, frozen=True):
    function: Function
    arguments: tuple["Expression", ...]


class Both(Struct, frozen=True):
    """AND of all parts."""

    parts: tuple["Expression", ...]


class Either(Struct, frozen=True):
    """OR of all parts."""

    parts: tuple["Expression", ...]


class Negated(Struct, frozen=True):
    part: "Expression"


Expression = Constant | Path | Compared | Among | Called | Both | Either | Negated


class Column(Struct, frozen=True):
    """A member that is shown, under a name."""

    path: Path
    name: str


class Query(Struct, frozen=True, kw_only=True):
    """A query for whole twins, for `columns` of theirs, or for their number, which is then called `counted`."""

    collection: Collection
    columns: tuple[Column, ...] = ()
    counted: str | None = None
    condition: Expression | None = None

    @property
    def is_whole(self) -> bool:
        """Whether whole twins are wanted."""
        return not self.columns and self.counted is None

    def paths(self) -> Iterator[Path]:
        """Yield the members of twins that it names."""
        yield from (column.path for column in self.columns)
        if self.condition is not None:
            yield from _paths(self.condition)


def _paths(expression: Expression) -> Iterator[Path]:
    match expression:
        case Path():
            yield expression
        case Compared(_, left, right):
            yield from _paths_of((left, right))
        case Among(value, choices, _):
            yield from _paths_of((value, *choices))
        case Called(_, parts) | Both(parts) | Either(parts):
            yield from _paths_of(parts)
        case Negated(part):
            yield from _paths(part)
        case Constant():
            return


def _paths_of(parts: tuple[Expression, ...]) -> Iterator[Path]:
    for part in parts:
        yield from _paths(part)
