"""How commands ask before they change something: a person on a terminal, and nobody else."""

import sys
from typing import Annotated

import typer

from fencepost.model.errors import OperatorError, Problem

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def ask(question: str, *, is_sure: bool, otherwise: str) -> None:
    """
    Return when a person agrees, or where they said beforehand that they do.

    Without a terminal nobody can be asked: that is an OperatorError, which says `otherwise`.
    """
    if is_sure:
        return
    if not is_attended():
        raise OperatorError([Problem("", f"there is nobody to ask: {otherwise}")])
    typer.confirm(question, abort=True, err=True)


def is_attended() -> bool:
    """Return whether there is a person on a terminal."""
    return sys.stdin.isatty()
