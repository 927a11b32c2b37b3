"""Grants as people write them on the command line: analyst:floor-2, or viewer for everything."""

from collections.abc import Iterable
from typing import Annotated

import typer

from fencepost.model.access import ROLES, Grant
from fencepost.model.errors import OperatorError, Problem

GrantOption = Annotated[
    list[str] | None,
    typer.Option(
        "--grant",
        metavar="ROLE[:GROUP]",
        help="A role, viewer, analyst or administrator, for a group or for everything; may stand several times.",
    ),
]


def grants_of(texts: Iterable[str], option: str = "--grant") -> tuple[Grant, ...]:
    """Return grants, each once; raises OperatorError with all problems, which name the option."""
    found: list[Grant] = []
    problems: list[Problem] = []
    for text in texts:
        name, colon, group = text.partition(":")
        role = next((one for one in ROLES if one == name.strip().casefold()), None)
        if role is None:
            problems.append(
                Problem(option, f"{name!r} is no role: write {', '.join(ROLES)}, as in analyst:floor-2")
            )
        elif colon and not group.strip():
            problems.append(
                Problem(option, f"{text!r} names no group: write {role}:GROUP, or {role} for everything")
            )
        else:
            found.append(Grant(role, group.strip() or None))
    if problems:
        raise OperatorError(problems)
    return tuple(dict.fromkeys(found))


def shown_grants(grants: Iterable[Grant]) -> str:
    """Return grants as they are written here."""
    return ", ".join(one.role if one.group is None else f"{one.role}:{one.group}" for one in grants) or "none"
