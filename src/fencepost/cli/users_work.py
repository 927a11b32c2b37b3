"""What `fencepost users` does."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from getpass import getpass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from fencepost.cli.access import talk, target_of
from fencepost.cli.asking import ask, is_attended
from fencepost.cli.grants import shown_grants
from fencepost.cli.groups_plan import STANDARD
from fencepost.cli.output import UTC_TIMES, bare_table, console, labelled, plural, printable, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.management import Api
from fencepost.client.management_access import People, UserShape
from fencepost.config.text_file import read_text
from fencepost.model.access import Grant
from fencepost.model.errors import OperatorError, Problem


def print_list(stated: Stated, *, json: bool) -> None:
    """Print the users as a table, or as JSON lines; raises OperatorError."""
    found = talk(target_of(stated).access, lambda requests: People(Api(requests)).all())
    if json:
        write_lines(found)
        return
    if found:
        console().print(table_of(found))
    say(plural(len(found), "user"))


def add(
    stated: Stated,
    name: str,
    grants: Sequence[Grant],
    password_file: Path | None,
    *,
    has_password: bool,
    json: bool,
) -> None:
    """Make a user; raises OperatorError."""
    if not has_password and password_file is not None:
        raise OperatorError([Problem("--no-password, --password-file", "name one of them")])
    access = target_of(stated).access
    password = password_of(password_file, name) if has_password else None
    made = talk(access, lambda requests: People(Api(requests)).add(name, password, grants))
    if json:
        write_lines([made])
        return
    say(printable(f"{made.name} may sign in; roles: {shown_grants(made.grants)}"))
    if not made.grants:
        say(
            printable(
                f"warning: without a role they see nothing: fencepost users grant {name} --grant viewer"
            ),
            error=True,
        )


def show(stated: Stated, name: str, *, json: bool) -> None:
    """Print a user; raises OperatorError."""
    found = talk(target_of(stated).access, lambda requests: People(Api(requests)).get(name))
    if json:
        write_lines([found])
        return
    width = console().width
    for label, text in lines_of(found):
        say(labelled(label, text, width))


def grant(stated: Stated, name: str, given: Sequence[Grant], taken: Sequence[Grant], *, json: bool) -> None:
    """Give a user grants and take others away; raises OperatorError."""
    if not given and not taken:
        raise OperatorError(
            [Problem("--grant, --revoke", "say what to give or to take away, such as viewer")]
        )

    async def work(people: People) -> UserShape:
        known = await people.get(name)
        missing = [one for one in taken if not any(_is_same(one, other) for other in known.grants)]
        if missing:
            has = shown_grants(known.grants)
            raise OperatorError(
                Problem("--revoke", f"{known.name} has no grant {shown_grants([one])}: they have {has}")
                for one in missing
            )
        kept = [one for one in known.grants if not any(_is_same(one, other) for other in taken)]
        new = [one for one in given if not any(_is_same(one, other) for other in kept)]
        return await people.put(known, [*kept, *new], disabled=known.disabled)

    put = talk(target_of(stated).access, lambda requests: work(People(Api(requests))))
    if json:
        write_lines([put])
    else:
        say(printable(f"{put.name} has the roles: {shown_grants(put.grants)}"))


def _is_same(one: Grant, other: Grant) -> bool:
    """Return whether two grants are the same: names of groups are compared without case."""
    return one.role == other.role and (one.group or "").casefold() == (other.group or "").casefold()


def set_disabled(stated: Stated, names: Sequence[str], *, disabled: bool, json: bool) -> None:
    """Disable or enable users, one after the other; raises OperatorError."""

    async def work(people: People) -> None:
        for name in names:
            known = await people.get(name)
            put = await people.put(known, known.grants, disabled=disabled)
            if json:
                write_lines([put])
            else:
                say(printable(f"{put.name} {'is disabled' if disabled else 'may sign in'}"))

    talk(target_of(stated).access, lambda requests: work(People(Api(requests))))


def delete(stated: Stated, names: Sequence[str], *, is_sure: bool, json: bool) -> None:
    """Take users away, one after the other; asks first unless that `is_sure`. Raises OperatorError."""
    access = target_of(stated).access

    async def find(people: People) -> list[UserShape]:
        return [await people.get(name) for name in dict.fromkeys(names)]

    async def work(people: People) -> None:
        for known in found:
            await people.delete(known)
            if json:
                write_lines([{"name": known.name, "deleted": True}])
            else:
                say(printable(f"{known.name} is deleted"))

    found = talk(access, lambda requests: find(People(Api(requests))))
    said = ", ".join(printable(one.name) for one in found)
    ask(f"Delete {said}?", is_sure=is_sure, otherwise="say --yes to delete")
    talk(access, lambda requests: work(People(Api(requests))))


def set_password(stated: Stated, name: str, password_file: Path | None, *, json: bool) -> None:
    """Give a user another password; raises OperatorError."""
    access = target_of(stated).access
    password = password_of(password_file, name)
    talk(access, lambda requests: People(Api(requests)).set_password(name, password))
    if json:
        write_lines([{"name": name, "password": "changed"}])
    else:
        say(printable(f"{name} has another password"))


def password_of(file: Path | None, name: str) -> str:
    """Return a password from a file, or from a person who types it twice unseen; raises OperatorError."""
    if file is not None:
        text = sys.stdin.read() if file == STANDARD else read_text(file)
        password = text.split("\n", 1)[0].removesuffix("\r")
        if not password:
            raise OperatorError([Problem("--password-file", "its first line is empty")])
        return password
    if not is_attended():
        reason = (
            "there is nobody to ask for the password: name a file that holds it, or - for the standard input"
        )
        raise OperatorError([Problem("--password-file", reason)])
    password = getpass(f"Password of {printable(name)}: ")
    if getpass("Once more: ") != password:
        raise OperatorError([Problem("", "the two passwords are not the same: nothing is changed")])
    return password


def table_of(found: Sequence[UserShape]) -> Table:
    """Return users as a table."""
    table = bare_table(UTC_TIMES)
    for name in ("User", "Status", "Roles", "Signs in with", "Last sign-in"):
        table.add_column(name, overflow="fold")
    for one in found:
        table.add_row(
            Text(printable(one.name), "bold"),
            Text(_status(one), "red" if one.disabled else ""),
            Text(printable(shown_grants(one.grants))),
            Text(_way(one)),
            Text(_time(one.last_sign_in_at)),
        )
    return table


def lines_of(one: UserShape) -> Iterator[tuple[str, str]]:
    """Yield a user for people, each thing with its label."""
    yield "user", one.name
    yield "status", _status(one)
    yield "roles", shown_grants(one.grants)
    yield "signs in with", _way(one)
    if one.subject is not None:
        yield "subject", one.subject
    yield "last sign-in", _time(one.last_sign_in_at)
    yield "made", f"{_time(one.created_at)} UTC by {one.created_by}"


def _status(one: UserShape) -> str:
    return "disabled" if one.disabled else "enabled"


def _way(one: UserShape) -> str:
    ways = ["a password"] if one.has_password else []
    ways += ["OpenID Connect"] if one.subject is not None else []
    return ", ".join(ways) or "nothing yet"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else "never"
