"""How the tests of the command line run it."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from fencepost.cli import app


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    """Run a command; whatever it raises besides an exit is a failure of the test."""
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], input=stdin, env={"COLUMNS": "160"}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def lines_of(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]
