"""
A query as a tree, by recursive descent.

    query      := SELECT selection FROM devices [. modules] [WHERE either]
    selection  := '*' | COUNT '(' ['*'] ')' [[AS] name] | column (',' column)*
    column     := path [[AS] name]
    either     := both (OR both)*
    both       := negated (AND negated)*
    negated    := NOT negated | predicate
    predicate  := value [sign value | [NOT] IN list | NIN list]
    value      := constant | path | function '(' [value (',' value)*] ')' | '(' either ')'
    list       := '[' [value (',' value)*] ']' | '(' value (',' value)* ')'
    path       := name ('.' name | '[' text ']' | '[' number ']' | ['.'] '[[' name ']]')*
"""

from typing import NoReturn, cast

from fencepost.web.azure.iothub.query.lexer import QueryError, Token, tokens
from fencepost.web.azure.iothub.query.tree import (
    Among,
    Both,
    Called,
    Collection,
    Column,
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

DEEPEST = 50
"""How deep parentheses and NOT may be nested."""
FUNCTIONS: dict[str, tuple[Function, int]] = {
    "is_defined": ("is_defined", 1),
    "is_null": ("is_null", 1),
    "startswith": ("startswith", 2),
    "starts_with": ("startswith", 2),
    "endswith": ("endswith", 2),
    "ends_with": ("endswith", 2),
    "contains": ("contains", 2),
}
"""The functions and the number of their arguments."""
SIGNS: dict[str, Comparison] = {
    "=": "=",
    "!=": "!=",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
CONSTANTS = {"true": True, "false": False, "null": None}
ABSENT = {
    "group": "GROUP BY is not supported: ask for the rows, or for COUNT() with WHERE",
    "order": "ORDER BY is not supported: twins come by their ids",
    "top": "TOP is not supported: send the header x-ms-max-item-count",
}


def parse(text: str) -> Query:
    """Return what a query says; raises QueryError."""
    return _Parser(tokens(text)).query()


class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._at = 0
        self._depth = 0

    # words

    @property
    def _next(self) -> Token:
        return self._words[self._at]

    def _take(self) -> Token:
        word = self._next
        self._at += word.kind != "end"
        return word

    def _took(self, *values: str) -> bool:
        """Take the next word if it is one of these."""
        found = self._next.is_one(*values)
        if found:
            self._take()
        return found

    def _expect(self, value: str) -> None:
        if not self._took(value):
            self._fail(value.upper() if value.isalpha() else repr(value))

    def _fail(self, expected: str) -> NoReturn:
        word = self._next
        absent = ABSENT.get(str(word.value).lower()) if word.kind == "keyword" else None
        raise QueryError(absent or f"{expected} is expected, not {word}", word.place)

    # the query

    def query(self) -> Query:
        self._expect("select")
        counted, columns = self._selection()
        self._expect("from")
        collection = self._collection()
        condition = self._either() if self._took("where") else None
        if self._next.kind != "end":
            self._fail("the end")
        return Query(collection=collection, columns=columns, counted=counted, condition=condition)

    def _selection(self) -> tuple[str | None, tuple[Column, ...]]:
        if self._took("*"):
            return None, ()
        if self._took("count"):
            self._expect("(")
            self._took("*")
            self._expect(")")
            return self._alias() or "$1", ()
        columns = [self._column()]
        while self._took(","):
            columns.append(self._column())
        return None, tuple(columns)

    def _column(self) -> Column:
        place = self._next.place
        path = self._path()
        name = self._alias() or path.steps[-1]
        if not isinstance(name, str):
            raise QueryError("an element of a list needs a name: AS x", place)
        return Column(path, name)

    def _alias(self) -> str | None:
        is_named = self._took("as")
        if not is_named and self._next.kind != "name":
            return None
        return self._name()

    def _collection(self) -> Collection:
        start = self._next
        said = self._name().lower()
        if said == "devices" and self._took("."):
            said = f"devices.{self._name().lower()}"
        if said not in ("devices", "devices.modules"):
            raise QueryError("there are the collections devices and devices.modules", start.place)
        return "modules" if said == "devices.modules" else "devices"

    def _name(self) -> str:
        if self._next.kind != "name":
            self._fail("a name")
        return str(self._take().value)

    # conditions

    def _either(self) -> Expression:
        parts = [self._both()]
        while self._took("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Expression:
        parts = [self._negated()]
        while self._took("and"):
            parts.append(self._negated())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _negated(self) -> Expression:
        if self._took("not"):
            self._descend()
            negated = Negated(self._negated())
            self._depth -= 1
            return negated
        return self._predicate()

    def _predicate(self) -> Expression:
        left = self._value()
        sign = SIGNS.get(str(self._next.value)) if self._next.kind == "sign" else None
        if sign is not None:
            self._take()
            return Compared(sign, left, self._value())
        if self._took("nin"):
            return Among(left, self._list(), negated=True)
        if self._next.is_one("in", "not"):
            is_negated = self._took("not")
            self._expect("in")
            return Among(left, self._list(), is_negated)
        return left

    def _value(self) -> Expression:
        word = self._next
        if word.kind in ("text", "number"):
            return Constant(self._take().value)
        if word.is_one(*CONSTANTS):
            return Constant(CONSTANTS[str(self._take().value).lower()])
        if self._took("("):
            self._descend()
            inner = self._either()
            self._expect(")")
            self._depth -= 1
            return inner
        if word.kind == "name" and self._words[self._at + 1].is_one("("):
            return self._call()
        return self._path()

    def _call(self) -> Called:
        word = self._take()
        name = str(word.value).lower()
        if name not in FUNCTIONS:
            raise QueryError(
                f"there is no function {word.value}; there are {', '.join(FUNCTIONS)}", word.place
            )
        function, number = FUNCTIONS[name]
        self._expect("(")
        self._descend()
        arguments = () if self._next.is_one(")") else self._values()
        self._depth -= 1
        self._expect(")")
        if len(arguments) != number:
            raise QueryError(f"{name} takes {number} argument{'s' if number > 1 else ''}", word.place)
        return Called(function, arguments)

    def _list(self) -> tuple[Expression, ...]:
        end = ")" if self._took("(") else "]"
        if end == "]":
            self._expect("[")
        self._descend()
        values = () if self._next.is_one("]") else self._values()
        self._depth -= 1
        self._expect(end)
        return values

    def _values(self) -> tuple[Expression, ...]:
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        return tuple(values)

    def _path(self) -> Path:
        if self._next.kind != "name":
            self._fail("a name or a value")
        steps: list[str | int] = [self._name()]
        while True:
            if self._took("."):
                steps.append(self._in_brackets() if self._took("[") else self._member())
            elif self._took("["):
                steps.append(self._in_brackets())
            else:
                return Path(tuple(steps))

    def _member(self) -> str:
        """Take a member's name: behind a dot, that of a keyword is one, too."""
        if self._next.kind not in ("name", "keyword"):
            self._fail("a name")
        return str(self._take().value)

    def _in_brackets(self) -> str | int:
        if self._took("["):
            name = self._member()
            self._expect("]")
            self._expect("]")
            return name
        word = self._take()
        if word.kind != "text" and not (isinstance(word.value, int) and word.value >= 0):
            raise QueryError("a member's name in quotes or a number is expected in brackets", word.place)
        self._expect("]")
        return cast("str | int", word.value)

    def _descend(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise QueryError(f"this is nested more than {DEEPEST} deep", self._next.place)
