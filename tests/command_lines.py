"""The command lines that documents and deployments state, held against the command line as it is."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import typer.main

from fencepost.cli import app

PROGRAM = "fencepost"
_ENDS = {"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", ")", "(", "..."}
_ROOT: Any = typer.main.get_command(app)


def command_lines_in(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each `fencepost COMMAND ...` in lines of a shell, in whatever it is wrapped."""
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in joined.splitlines():
        words = _words(line)
        for place, word in enumerate(words[:-1]):
            if PurePath(word).name == PROGRAM and words[place + 1] in _ROOT.commands:
                yield list(_until_end(words[place + 1 :]))


def problems_of(arguments: Sequence[str]) -> list[str]:
    """Return what of a command line does not exist: a command, or an option of it."""
    command, rest = _ROOT, list(arguments)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return [f"{' '.join(arguments)}: there is no such command"]
        command = command.commands[rest.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    stated = [word.partition("=")[0] for word in rest if re.fullmatch(r"--?[a-z].*", word)]
    return [f"{' '.join(arguments)}: there is no option {option}" for option in stated if option not in known]


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # a quotation over several lines
        return line.split()


def _until_end(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word in _ENDS:
            return
        yield word
