"""
JSON that a client sent, read member by member, so that all that is wrong is said at once.

Members are found without regard to case, as Azure Resource Manager does; `null` is as good as left out,
unless somebody asks.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from fencepost.model.errors import Problem
from fencepost.model.text import fault_of_text
from fencepost.web.azure.arm.errors import ArmError, invalid

LONGEST_TEXT = 4096


class Node:
    """A part of a body, and the path where it stands; what is wrong is noted in `problems`, which all parts share."""

    def __init__(self, value: Any, path: str, problems: list[Problem]) -> None:
        self.value = value
        self.path = path
        self.problems = problems

    def fault(self, reason: str) -> None:
        self.problems.append(Problem(self.path, reason))

    def check(self) -> None:
        """Raise ArmError with all that is wrong, if anything is."""
        if self.problems:
            raise invalid(self.problems)

    # members of an object

    def member(self, name: str, *, required: bool = False) -> "Node":
        """Return a member, one with the value None where there is none."""
        if self.value is None:
            found = None
        elif not isinstance(self.value, dict):
            self.fault("this is an object")
            self.value = found = None
            required = False
        else:
            found = _found(self.value, name)
        node = Node(found, f"{self.path}.{name}" if self.path else name, self.problems)
        if required and found is None:
            node.fault("this is required")
        return node

    def is_null(self, name: str) -> bool:
        """Whether a member is there and says `null`."""
        members = self.value.items() if isinstance(self.value, dict) else ()
        return any(key.lower() == name.lower() and value is None for key, value in members)

    def text(self, name: str, *, required: bool = False, longest: int = LONGEST_TEXT) -> str | None:
        node = self.member(name, required=required)
        if node.value is None:
            return None
        if not isinstance(node.value, str):
            node.fault("this is a text")
        elif len(node.value) > longest:
            node.fault(f"this has at most {longest} characters")
        elif required and not node.value.strip():
            node.fault("this is not empty")
        elif fault := fault_of_text(node.value, lines=True):
            node.fault(fault)
        else:
            text: str = node.value
            return text
        return None

    def flag(self, name: str, *, required: bool = False) -> bool | None:
        node = self.member(name, required=required)
        if node.value is not None and not isinstance(node.value, bool):
            node.fault("this is true or false")
            return None
        return node.value

    def number(self, name: str, most: int) -> int | None:
        """Return a required whole number of at most so much."""
        node = self.member(name, required=True)
        if node.value is None:
            return None
        if not isinstance(node.value, int) or isinstance(node.value, bool):
            node.fault("this is a whole number")
        elif not -most <= node.value <= most:
            node.fault(f"this is at most {most}")
        else:
            return node.value
        return None

    def choice(self, name: str, allowed: tuple[str, ...], *, required: bool = False) -> str | None:
        node = self.member(name, required=required)
        if node.value is not None and node.value not in allowed:
            node.fault(f"this is one of {', '.join(allowed)}")
            return None
        chosen: str | None = node.value
        return chosen

    def moment(self, name: str) -> datetime | None:
        """Return a time; one that does not say its zone is UTC, as Microsoft's clients mean it."""
        node = self.member(name)
        if node.value is None:
            return None
        try:
            found = datetime.fromisoformat(node.value)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            node.fault("a time is written as 2026-11-24T05:00:00Z")
            return None

    # lists

    def items(self, most: int) -> "Iterator[Node]":
        """Yield the parts of a list that need not be there."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            self.fault("this is a list")
        elif len(self.value) > most:
            self.fault(f"a list has at most {most} items")
        else:
            for index, one in enumerate(self.value):
                yield Node(one, f"{self.path}[{index}]", self.problems)

    def texts(self, most: int, longest: int = LONGEST_TEXT) -> tuple[str, ...]:
        """Return a list of texts; an empty one where there is none, or something is wrong with it."""
        found = []
        for node in self.items(most):
            if not isinstance(node.value, str):
                node.fault("this is a text")
            elif len(node.value) > longest:
                node.fault(f"this has at most {longest} characters")
            else:
                found.append(node.value)
        return tuple(found)


def read(body: bytes) -> Node:
    """Return a body; raises ArmError for what is not JSON, or no object."""
    try:
        value = msgspec.json.decode(body or b"null")
    except (ValueError, RecursionError) as error:  # a text that is not UTF-8 among them
        raise ArmError(400, "InvalidRequestContent", f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ArmError(400, "InvalidRequestContent", "The body is an object of JSON.")
    return Node(value, "", [])


def _found(members: dict[str, Any], name: str) -> Any:
    if name in members:
        return members[name]
    wanted = name.lower()
    return next((value for key, value in members.items() if key.lower() == wanted), None)
