"""`fencepost rules`: check a groups file, run its tests, explain what a rule made of a device's events."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import Struct

from fencepost.cli import explain
from fencepost.cli.options import JsonOption
from fencepost.cli.output import complain, plural, printable, progress, say, write_lines
from fencepost.config.groups import GroupsFile, load_groups
from fencepost.config.rule_tests import RuleTest, happenings_of, mismatches
from fencepost.model.duration import iso_duration
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    Rule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)
from fencepost.service.scenario import alerts_of

FAILED = 1
BAD_FILE = 2

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="Groups files.")]


def register(root: typer.Typer) -> None:
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Check, test and explain the rules of a groups file.",
    )
    app.command(short_help="Name everything that is wrong with groups files.")(check)
    app.command("test", short_help="Run the tests that groups files carry.")(run_tests)
    app.command(short_help="Say why each event of a device did or did not count.")(explain.explain)
    root.add_typer(
        app, name="rules", epilog="Example: fencepost rules check groups.yaml", rich_help_panel=None
    )


def check(files: Files, json: JsonOption = False) -> None:
    """
    Name everything that is wrong with groups files, each with its line, its path and what to do.

    Warnings are lawful things that may not be meant. Exits with 2 if a file has a problem.

    \b
    Example:
      fencepost rules check groups.yaml
    """
    reports = []
    for file in files:
        loaded, problems = _load(file)
        reports.append(_report(file, loaded, problems))
        if not json:
            _say_checked(file, loaded)
    if json:
        write_lines(reports)
    if any(report["problems"] for report in reports):
        raise typer.Exit(BAD_FILE)


def _load(file: Path) -> tuple[GroupsFile | None, Sequence[Problem]]:
    """Return what the file says, or its problems after they have been printed."""
    try:
        return load_groups(file), ()
    except OperatorError as error:
        complain(error)
        return None, error.problems


def _report(file: Path, loaded: GroupsFile | None, problems: Sequence[Problem]) -> dict[str, Any]:
    groups = () if loaded is None else loaded.groups
    return {
        "file": str(file),
        "groups": [_group_report(group) for group in groups],
        "fleet": [] if loaded is None else _types_of(loaded.layers.fleet.rules),
        "devices": {}
        if loaded is None
        else {name: _types_of(layer.rules) for name, layer in loaded.layers.devices.items()},
        "problems": problems,
        "warnings": () if loaded is None else loaded.warnings,
    }


def _group_report(group: SecurityGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "description": group.description,
        "members": group.members,
        "rules": _types_of(group.rules),
        "disabled": [rule.type for rule in group.rules if not rule.enabled],
    }


def _types_of(rules: Sequence[Rule]) -> list[str]:
    return [rule.type for rule in rules if rule.enabled]


def _say_checked(file: Path, loaded: GroupsFile | None) -> None:
    if loaded is None:
        return
    say(f"{file}: {plural(len(loaded.groups), 'group')}, {plural(len(loaded.tests), 'test')}, no problems")
    for group in loaded.groups:
        members = [*group.members.ids, *group.members.globs]
        shown = ", ".join(members[:3]) + (f" and {len(members) - 3:,} more" if len(members) > 3 else "")  # noqa: PLR2004
        say(printable(f"  {group.name}: {shown or _nobody(group)}"))
        _say_rules(group.rules)
        if not group.rules:
            say("    no rules")
    for layer in (loaded.layers.fleet, *loaded.layers.devices.values()):
        if layer.rules:
            whose = "the fleet" if layer.device_id is None else f"the device {layer.device_id}"
            say(printable(f"  added for {whose}:"))
            _say_rules(layer.rules)
    for warning in loaded.warnings:
        say(printable(f"warning: {warning}"), error=True)


def _say_rules(rules: Sequence[Rule]) -> None:
    for rule in rules:
        say(printable(f"    {rule.type}: {_terms(rule)}{'' if rule.enabled else ' (not enabled)'}"))


def _nobody(group: SecurityGroup) -> str:
    return "devices of no other group" if group.name.casefold() == "default" else "by twin tag only"


def _terms(rule: Rule) -> str:
    match rule:
        case TimeWindowRule():
            return f"{rule.min} to {rule.max} in {iso_duration(rule.window)}"
        case ThresholdRule():
            return f"{rule.min} to {rule.max}"
        case AllowlistRule():
            return f"{plural(len(rule.allow), 'entry', 'entries')} allowed"
        case DenylistRule():
            return f"{plural(len(rule.deny), 'entry', 'entries')} denied"


class Verdict(Struct, frozen=True):
    """What came of one test: it passed if there is nothing in `reasons`."""

    file: str
    line: int
    name: str
    passed: bool
    reasons: list[str]


def run_tests(files: Files, json: JsonOption = False) -> None:
    """
    Run the tests that groups files carry, through the engine that watches your devices.

    Exits with 1 if a test fails, with 2 if a file has a problem.

    \b
    Example:
      fencepost rules test groups.yaml
    """
    loaded = [_load(file)[0] for file in files]
    good = [file for file in loaded if file is not None]
    verdicts = _run(good)
    if json:
        write_lines(verdicts)
    else:
        _say_verdicts(good, verdicts)
    if len(good) < len(loaded):
        raise typer.Exit(BAD_FILE)
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(FAILED)


def _run(files: Sequence[GroupsFile]) -> list[Verdict]:
    with progress("testing", sum(len(file.tests) for file in files)) as step:
        return list(_verdicts(files, step))


def _verdicts(files: Sequence[GroupsFile], step: Callable[[int], None]) -> Iterator[Verdict]:
    for file in files:
        for one in file.tests:
            reasons = _reasons(file, one)
            yield Verdict(file.file, one.line, one.name, not reasons, reasons)
            step(1)


def _reasons(file: GroupsFile, one: RuleTest) -> list[str]:
    alerts = alerts_of(file.groups, one.device_id, one.group, happenings_of(one), one.ends_at, file.layers)
    return mismatches(one.expect, alerts)


def _say_verdicts(files: Sequence[GroupsFile], verdicts: Sequence[Verdict]) -> None:
    for file in files:
        own = [verdict for verdict in verdicts if verdict.file == file.file]
        if not own:
            say(f"{file.file}: this file has no tests (docs/groups.md says how to write some)")
        for verdict in own:
            say(printable(f"{'pass' if verdict.passed else 'FAIL'}  {verdict.name}"))
            for reason in verdict.reasons:
                say(printable(f"      {file.file}:{verdict.line}: {reason}"))
    if verdicts:
        passed = sum(verdict.passed for verdict in verdicts)
        say(f"{passed} of {plural(len(verdicts), 'test')} passed")
