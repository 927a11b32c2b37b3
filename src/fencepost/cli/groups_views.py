"""Groups as people read them: a table of all, and one with its rules and what is known of each entry."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from shlex import quote
from typing import Any

from rich.table import Table
from rich.text import Text

from fencepost.cli.access import talk, target_of
from fencepost.cli.asking import ask
from fencepost.cli.groups_apply import carried_out, conclude
from fencepost.cli.groups_plan import deletion_of
from fencepost.cli.options import wall_clock
from fencepost.cli.output import bare_table, console, labelled, plural, printable, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.management import Api
from fencepost.client.management_groups import Expectations
from fencepost.model.duration import iso_duration
from fencepost.model.rule import (
    AllowlistRule,
    DenylistRule,
    EntryNote,
    Rule,
    SecurityGroup,
    ThresholdRule,
    TimeWindowRule,
)

COLUMNS = ("Group", "Version", "Rules", "Entries", "Members", "Description")
NUMBERS = frozenset({"Version", "Rules", "Entries"})


def print_list(stated: Stated, *, json: bool) -> None:
    """Print the groups that may be seen; raises OperatorError."""
    groups = talk(target_of(stated).access, lambda requests: Expectations(Api(requests)).groups())
    if json:
        write_lines(map(report_of, groups))
        return
    console().print(table_of(groups))
    say(plural(len(groups), "group"))


def show(stated: Stated, name: str, *, json: bool) -> None:
    """Print a group with its rules; raises OperatorError."""
    group = talk(target_of(stated).access, lambda requests: Expectations(Api(requests)).group(name))
    if json:
        write_lines([report_of(group)])
        return
    width = console().width
    for label, text in lines_of(group, wall_clock()):
        say(labelled(label, text, width))
    say(f"\nTo change it:\n  fencepost groups export {printable(quote(group.name))} --output groups.yaml")


def delete(stated: Stated, names: Sequence[str], *, is_sure: bool, json: bool) -> None:
    """Take groups away, one after the other; asks first unless that `is_sure`. Raises OperatorError."""
    access, now = target_of(stated).access, wall_clock()

    async def find(expectations: Expectations) -> list[SecurityGroup]:
        return [await expectations.group(name) for name in dict.fromkeys(names)]

    groups = talk(access, lambda requests: find(Expectations(Api(requests))))
    steps = [deletion_of(group, now) for group in groups]
    said = ", ".join(printable(group.name) for group in groups)
    ask(
        f"Delete {said}? Their devices go where their tags and ids say without it.",
        is_sure=is_sure,
        otherwise="say --yes to delete",
    )
    conclude(steps, carried_out(access, steps, None, now), json=json)


def report_of(group: SecurityGroup) -> dict[str, Any]:
    """Return a group for programs, in the words of the API."""
    shown = {name: getattr(group, name) for name in group.__struct_fields__}
    lateness = group.allowed_lateness
    shown["allowed_lateness"] = iso_duration(lateness) if lateness is not None else None
    return shown | {"rules": [_rule_report(rule) for rule in group.rules]}


def _rule_report(rule: Rule) -> dict[str, Any]:
    shown = {name: getattr(rule, name) for name in rule.__struct_fields__}
    if isinstance(rule, TimeWindowRule):
        shown["window"] = iso_duration(rule.window)
    return shown


def table_of(groups: Sequence[SecurityGroup]) -> Table:
    """Return groups as a table."""
    table = bare_table()
    for name in COLUMNS:
        table.add_column(name, overflow="fold", justify="right" if name in NUMBERS else "left")
    for group in groups:
        table.add_row(
            Text(printable(group.name), "bold"),
            Text(f"{group.version}"),
            Text(f"{len(group.rules)}"),
            Text(f"{sum(len(_entries_of(rule)) for rule in group.rules):,}"),
            Text(_members(group)),
            Text(printable(group.description)),
        )
    return table


def lines_of(group: SecurityGroup, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield a group for people, each thing with its label."""
    yield "group", f"{group.name} (version {group.version})"
    if group.description:
        yield "description", group.description
    for label, words in (("ids", group.members.ids), ("globs", group.members.globs)):
        if words:
            yield f"members {label}", ", ".join(words)
    if group.allowed_lateness is not None:
        yield "allowed lateness", iso_duration(group.allowed_lateness)
    yield "implicit", ", ".join(group.implicit_entries) or "none"
    if not group.rules:
        yield "rules", "none: nothing alerts"
    for rule in group.rules:
        yield "rule", _headline(rule)
        if rule.description:
            yield "", rule.description
        notes = {note.entry: note for note in getattr(rule, "notes", ())}
        for entry in _entries_of(rule):
            yield "  entry", _entry(entry, notes.get(entry), now)


def _headline(rule: Rule) -> str:
    said = [rule.type]
    match rule:
        case TimeWindowRule():
            said.append(f"{rule.min} to {rule.max} in {iso_duration(rule.window)}")
            said += [rule.count] if rule.count != "attempts" else []
            said += ["alerts on what is possible"] if rule.alert_on == "possible" else []
        case ThresholdRule():
            said.append(f"{rule.min} to {rule.max}")
        case AllowlistRule() | DenylistRule():
            said.append(plural(len(rule.entries), "entry", "entries"))
    said += [rule.severity] if rule.severity is not None else []
    said += ["not enabled"] if not rule.enabled else []
    return ", ".join(said)


def _entries_of(rule: Rule) -> tuple[str, ...]:
    return rule.entries if isinstance(rule, AllowlistRule | DenylistRule) else ()


def _entry(entry: str, note: EntryNote | None, now: datetime) -> str:
    return entry if note is None else f"{entry}  ({terms_of(note, now)})"


def terms_of(note: EntryNote, now: datetime) -> str:
    """Return what is known of an entry: until when it counts, why, by whom and since when."""
    said = [f"by {note.by}, {note.at:%Y-%m-%d %H:%M}"]
    if note.until is not None:
        word = "expired" if note.until <= now else "until"
        said.insert(0, f"{word} {note.until:%Y-%m-%d %H:%M}")
    said += [note.reason] if note.reason else []
    said += [f"alert {note.alert_id}"] if note.alert_id else []
    return "; ".join(said)


def _members(group: SecurityGroup) -> str:
    said = [plural(len(group.members.ids), "id")] if group.members.ids else []
    return printable(", ".join([*said, *group.members.globs]))
