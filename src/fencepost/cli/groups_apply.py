"""`fencepost groups diff` and `apply`: a groups file against a service, shown, asked for, and put in force."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.text import Text

from fencepost.cli.access import talk, target_of
from fencepost.cli.asking import ask
from fencepost.cli.groups_diff import ENTRY, RULE, Difference
from fencepost.cli.groups_plan import (
    Step,
    Wanted,
    carry_out,
    located,
    read_files,
    standing_of,
    steps_of,
    warnings_of,
)
from fencepost.cli.options import wall_clock
from fencepost.cli.output import console, plural, printable, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.access import Access
from fencepost.client.management import Api
from fencepost.client.management_groups import Expectations
from fencepost.client.requests import Requests
from fencepost.model.errors import OperatorError, Problem

MOST_ENTRIES = 100
"""Entries of one list that are shown to people; programs get all."""
SIGNS = {"create": "+", "update": "~", "delete": "-"}
COLOURS = {"+": "green", "-": "red", "~": "yellow"}
UNCHANGED = "nothing to do: the service has what the files say"


class Outcome(Struct, frozen=True):
    """What became of some steps: those done with what came of each, and why the next one was not."""

    done: list[tuple[Step, str]]
    failure: OperatorError | None = None


def run_diff(stated: Stated, files: Sequence[Path], *, prune: bool, json: bool) -> bool:
    """Print what files would change, and return whether that is nothing; raises OperatorError."""
    wanted, now = read_files(files), wall_clock()
    steps = _compared(target_of(stated).access, wanted, now, prune=prune)
    _show(steps, json=json)
    return not steps


def run_apply(
    stated: Stated, files: Sequence[Path], *, prune: bool, is_sure: bool, dry_run: bool, json: bool
) -> None:
    """
    Put in force what files say, after it was shown and agreed to.

    Raises OperatorError where something was refused; what was done before that is said.
    """
    wanted, now = read_files(files), wall_clock()
    access = target_of(stated).access
    steps = _compared(access, wanted, now, prune=prune)
    if not json or dry_run:
        _show(steps, json=json)
    if not steps or dry_run:
        return
    ask(
        f"Change {_counted(steps)} of {access.url}?",
        is_sure=is_sure,
        otherwise="say --yes to apply this, or --dry-run to look only",
    )
    conclude(steps, carried_out(access, steps, wanted, now), json=json)


def _compared(access: Access, wanted: Wanted, now: datetime, *, prune: bool) -> tuple[Step, ...]:
    async def work(requests: Requests) -> tuple[Step, ...]:
        standing = await standing_of(Expectations(Api(requests)), wanted)
        for warning in warnings_of(wanted, standing, now):
            say(printable(f"warning: {warning}"), error=True)
        return steps_of(wanted, standing, now, prune=prune)

    return talk(access, work)


def carried_out(access: Access, steps: Sequence[Step], wanted: Wanted | None, now: datetime) -> Outcome:
    """Do some steps one after the other, up to the first that is refused."""

    async def work(requests: Requests) -> Outcome:
        expectations, done = Expectations(Api(requests)), list[tuple[Step, str]]()
        for step in steps:
            try:
                done.append((step, await carry_out(expectations, step, now)))
            except OperatorError as error:
                return Outcome(done, located(error, step, wanted) if wanted is not None else error)
        return Outcome(done)

    return talk(access, work)


def conclude(steps: Sequence[Step], outcome: Outcome, *, json: bool) -> None:
    """Say what was done, and what was not; raises OperatorError where something was not."""
    for step, effect in outcome.done:
        if json:
            write_lines([{**_report_of(step), "effect": effect}])
        else:
            say(printable(f"{step.name}: {_DONE[step.what]}{f'; {effect}' if effect else ''}"))
    if outcome.failure is not None:
        left = ", ".join(step.name for step in steps[len(outcome.done) :])
        raise OperatorError([*outcome.failure.problems, Problem("not changed", left)])


_DONE = {"create": "made", "update": "changed", "delete": "deleted"}


def _counted(steps: Sequence[Step]) -> str:
    kinds = ["group" if step.subject.startswith("group/") else "layer" for step in steps]
    counts = ((kind, kinds.count(kind)) for kind in ("group", "layer"))
    return " and ".join(plural(number, kind) for kind, number in counts if number)


def _report_of(step: Step) -> dict[str, Any]:
    return {
        "subject": step.subject,
        "change": step.what,
        "differences": [{"sign": one.sign, **_fields_of(one)} for one in step.differences],
    }


def _fields_of(one: Difference) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def _show(steps: Sequence[Step], *, json: bool) -> None:
    if json:
        write_lines(_report_of(step) for step in steps)
        return
    if not steps:
        say(UNCHANGED)
        return
    out = console()
    for line in lines_of(steps):
        out.print(line, soft_wrap=True)


def lines_of(steps: Iterable[Step]) -> Iterator[Text]:
    """Yield steps for people: each with its differences below it, additions green, what goes red."""
    for step in steps:
        yield _line(SIGNS[step.what], step.name, 0, is_bold=True)
        if step.what == "delete":
            yield _line("-", plural(_rules_in(step), "rule"), 2)
            continue
        rule, entries = None, 0
        for one in step.differences:
            if one.rule is not None and one.rule != rule and one.key != RULE:
                yield _line("~", one.rule, 2)
            entries = entries + 1 if one.key == ENTRY and one.rule == rule else int(one.key == ENTRY)
            rule = one.rule
            if entries <= MOST_ENTRIES:
                yield _difference(one)
            elif entries == MOST_ENTRIES + 1:
                more = sum(other.key == ENTRY and other.rule == rule for other in step.differences)
                yield _line("~", f"and {more - MOST_ENTRIES:,} more entries: --json names all", 4)


def _rules_in(step: Step) -> int:
    return len(step.before.rules) if step.before is not None else 0


def _difference(one: Difference) -> Text:
    if one.key == RULE:
        keys = one.after if one.after is not None else one.before
        said = ", ".join(f"{name} {_shown(value)}" for name, value in keys.items())
        return _line(one.sign, f"{one.rule}{f': {said}' if said else ''}", 2)
    if one.key == ENTRY:
        shown = [_entry(entry) for entry in (one.before, one.after) if entry is not None]
        if one.sign == "~":
            return _line("~", f"{one.after['entry']}: {_terms(one.before)} -> {_terms(one.after)}", 4)
        return _line(one.sign, shown[0], 4)
    depth = 2 if one.rule is None else 4
    if one.sign == "~":
        return _line("~", f"{one.key}: {_shown(one.before)} -> {_shown(one.after)}", depth)
    return _line(one.sign, f"{one.key}: {_shown(one.before if one.after is None else one.after)}", depth)


def _entry(entry: dict[str, Any]) -> str:
    terms = _terms(entry)
    return entry["entry"] if terms == PERMANENT else f"{entry['entry']}  ({terms})"


PERMANENT = "for good"


def _terms(entry: dict[str, Any]) -> str:
    """Return until when an entry counts, and why it is there."""
    until = f"until {entry['until'][:16].replace('T', ' ')}" if "until" in entry else PERMANENT
    return f"{until}: {entry['reason']}" if "reason" in entry else until


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "none" if value is None else str(value)


def _line(sign: str, text: str, depth: int, *, is_bold: bool = False) -> Text:
    style = f"bold {COLOURS[sign]}" if is_bold else COLOURS[sign]
    return Text(f"{' ' * depth}{sign} {printable(text)}", style)
