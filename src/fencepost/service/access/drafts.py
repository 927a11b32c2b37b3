"""What may be made: names of users and tokens, passwords, grants; all that is wrong is said at once."""

import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from fencepost.model.access import Grant
from fencepost.model.errors import OperatorError, Problem

LONGEST_NAME = 128
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
"""Bytes of UTF-8."""
MOST_GRANTS = 100
RESERVED = frozenset({"administrator", "ingest", "metrics"})
"""Names of tokens that the audit would take for those of the installation."""


class NewUser(Struct, frozen=True, kw_only=True):
    """A user to be made; without a password they cannot sign in yet. `repr` shows no password."""

    name: str
    grants: tuple[Grant, ...]
    password: str | None = None

    def __repr__(self) -> str:
        return f"NewUser({self.name!r}, ...)"


class NewToken(Struct, frozen=True, kw_only=True):
    """An API token to be made."""

    name: str
    grants: tuple[Grant, ...]
    expires_at: datetime | None = None


def refuse(problems: Iterator[Problem]) -> None:
    """Raise OperatorError with all problems, if there are any."""
    if found := [*problems]:
        raise OperatorError(found)


def problems_of_user(draft: NewUser) -> Iterator[Problem]:
    yield from problems_of_name(draft.name)
    yield from problems_of_grants(draft.grants)
    if draft.password is not None:
        yield from problems_of_password(draft.password, draft.name)


def problems_of_token(draft: NewToken, now: datetime) -> Iterator[Problem]:
    yield from problems_of_name(draft.name)
    if draft.name.casefold() in RESERVED:
        yield Problem("name", f"the name {draft.name!r} is that of a token of the installation")
    yield from problems_of_grants(draft.grants)
    if not draft.grants:
        yield Problem("grants", "a token without a grant allows nothing: name at least one")
    if draft.expires_at is not None and draft.expires_at <= now:
        yield Problem("expires_at", "this is over already")


def problems_of_name(name: str, path: str = "name") -> Iterator[Problem]:
    """Yield what is wrong with a name: two that look alike must not be two, as far as Unicode can tell."""
    if not name or len(name) > LONGEST_NAME:
        yield Problem(path, f"a name has 1 to {LONGEST_NAME} characters")
    elif not name.isprintable() or name != name.strip() or "/" in name:
        yield Problem(path, "a name is printable, without a slash and without blanks around it")
    elif not name.strip("."):
        yield Problem(path, "a name is not of dots alone: in an address they lead elsewhere")
    elif unicodedata.normalize("NFKC", name) != name:
        yield Problem(path, "a name is written in its plain form: Unicode's NFKC")


def problems_of_password(password: str, name: str, path: str = "password") -> Iterator[Problem]:
    """Yield what is wrong with a password; its characters are its owner's choice."""
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        yield Problem(path, "a password is made of whole characters: this one holds half of a pair")
        return
    if len(password) < SHORTEST_PASSWORD:
        yield Problem(path, f"a password has at least {SHORTEST_PASSWORD} characters")
    if size > LONGEST_PASSWORD:
        yield Problem(path, f"a password has at most {LONGEST_PASSWORD} bytes")
    if name and password.casefold() == name.casefold():
        yield Problem(path, "a password is not the name")


def problems_of_grants(grants: Sequence[Grant]) -> Iterator[Problem]:
    if len(grants) > MOST_GRANTS:
        yield Problem("grants", f"at most {MOST_GRANTS} grants are taken")
        return
    for index, grant in enumerate(grants):
        if grant.group is not None:
            yield from problems_of_name(grant.group, f"grants[{index}].group")
        if grant in grants[:index]:
            yield Problem(f"grants[{index}]", "this grant stands there already")
