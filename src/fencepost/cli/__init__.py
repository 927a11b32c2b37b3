"""The command line: `fencepost --help` names the commands, docs/cli.md describes them."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fencepost import __version__
from fencepost.cli import (
    alerts_commands,
    audit,
    decode,
    demo,
    detect,
    devices,
    groups,
    init,
    journal,
    rebuild,
    rules,
    serve,
    simulate,
    tokens,
    users,
)
from fencepost.cli.output import complain, say
from fencepost.model.errors import OperatorError, Problem

USAGE = 2
"""The exit code for what the operator must mend: a wrong option, or a file that cannot be used."""
CLOSED = 141
"""The exit code of a command whose reader went away, as shells count it: 128 + SIGPIPE."""


class Commands(TyperGroup):
    """The root of all commands: here an operator's fault becomes lines on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except OperatorError as error:
            complain(error)
            raise typer.Exit(USAGE) from None
        except OSError as error:
            raise typer.Exit(_unwritable(error)) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        say(f"fencepost {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """
    Fencepost tells the owner of an IoT fleet that a device has left the behaviour its owner expects.

    Exit codes: 0 all is well; 1 findings, where a command's help says so; 2 wrong usage or input.

    \b
    Example:
      fencepost detect --groups groups.yaml messages/
    """


demo.register(app)
init.register(app)
serve.register(app)
devices.register(app)
groups.register(app)
alerts_commands.register(app)
tokens.register(app)
users.register(app)
audit.register(app)
journal.register(app)
rebuild.register(app)
detect.register(app)
decode.register(app)
rules.register(app)
simulate.register(app)


def main() -> None:
    """Run the command that the arguments name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a file's name need not be text in any encoding
    if sys.stdout is None:  # closed by whoever started us
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for good
    try:
        app(prog_name="fencepost")
    finally:
        try:
            sys.stdout.flush()
        except OSError as error:
            sys.exit(_unwritable(error))


def _unwritable(error: OSError) -> int:
    """Return the exit code for output that cannot be written; a reader that went away is no fault."""
    # what is left in the buffer cannot be written either: let the interpreter's last flush succeed
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return CLOSED
    complain(
        OperatorError(
            [Problem("", f"cannot write: {error.strerror or error}", error.filename or "the output")]
        )
    )
    return USAGE
