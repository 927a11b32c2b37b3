"""The users, as administrators and they themselves change them; each change with its record in the audit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from fencepost.model.access import AccessChange, AccessToken, Grant, Principal, User
from fencepost.model.record import AuditRecord
from fencepost.service.access.directory import Directory
from fencepost.service.access.drafts import (
    NewUser,
    problems_of_grants,
    problems_of_password,
    problems_of_user,
    refuse,
)
from fencepost.service.access.passwords import Passwords
from fencepost.service.commands import Conflict, Missing, Outdated

MOST_USERS = 10_000


class Users:
    """Those who may sign in."""

    def __init__(self, directory: Directory, passwords: Passwords) -> None:
        self._directory = directory
        self._passwords = passwords

    def all(self) -> list[User]:
        """Return all users by their names, without case."""
        return self._directory.users()

    def named(self, name: str) -> User:
        """Return a user by their name, without case; raises Missing."""
        user = self._directory.user(name)
        if user is None:
            raise Missing(f"there is no user {name!r}")
        return user

    async def add(self, draft: NewUser, actor: str) -> User:
        """Make a user; raises OperatorError with all problems, and Conflict where the name is taken."""
        refuse(problems_of_user(draft))
        password = await self._passwords.hashed(draft.password) if draft.password is not None else None
        made = self.made(draft, password, actor)

        def making() -> AccessChange:
            self.refuse_taken(made.name)
            return AccessChange(users_put=[made], audit=[self._record("create", actor, None, made)])

        await self._directory.change(making)
        return made

    def made(self, draft: NewUser, password: str | None, actor: str) -> User:
        """Return a user as a draft wants it."""
        return User(
            name=draft.name,
            grants=draft.grants,
            password=password,
            created_at=self._directory.clock(),
            created_by=actor,
        )

    def refuse_taken(self, name: str) -> None:
        """Raise Conflict where there is such a user, or no room for another."""
        if self._directory.user(name) is not None:
            raise Conflict(f"there is a user {name!r} already")
        if len(self._directory.users()) >= MOST_USERS:
            raise Conflict(f"there are {MOST_USERS} users already: no more can be made")

    async def change(
        self, name: str, grants: Sequence[Grant], actor: str, *, disabled: bool, version: int | None = None
    ) -> User:
        """
        Say what a user may, and whether they may come in at all; a disabled one is out at once.

        Raises OperatorError, Missing, Outdated, and Conflict for the last administrator of everything.
        """
        refuse(problems_of_grants(grants))

        def wanted(known: User) -> User:
            return structs.replace(known, grants=tuple(grants), disabled=disabled, version=known.version + 1)

        return await self._replace(name, wanted, "update", actor, version)

    async def _replace(
        self, name: str, wanted: Callable[[User], User], action: str, actor: str, version: int | None
    ) -> User:
        done: list[User] = []

        def making() -> AccessChange:
            known = self._seen(name, version)
            after = wanted(known)
            if structs.replace(after, version=known.version) == known:
                done.append(known)
                return AccessChange()
            self._refuse_without_administrator({known.name: after})
            done.append(after)
            gone = self._directory.sessions_of(known.name) if after.disabled else []
            return AccessChange(
                users_put=[after],
                tokens_deleted=gone,
                audit=[self._record(action, actor, known, after, _effect(sessions=gone))],
            )

        await self._directory.change(making)
        return done[0]

    async def delete(self, name: str, actor: str, *, version: int | None = None) -> None:
        """
        Take a user away: their sessions end, their tokens are revoked.

        Raises Missing, Outdated, and Conflict for the last administrator of everything.
        """

        def making() -> AccessChange:
            known = self._seen(name, version)
            self._refuse_without_administrator({known.name: None})
            sessions = self._directory.sessions_of(known.name)
            tokens = [self._revoked(token) for token in self._directory.tokens_of(known.name)]
            effect = _effect(sessions=sessions, tokens=tokens)
            return AccessChange(
                users_deleted=[known.name],
                tokens_put=tokens,
                tokens_deleted=sessions,
                audit=[self._record("delete", actor, known, None, effect)],
            )

        await self._directory.change(making)

    async def set_password(self, name: str, password: str, actor: str, *, keep: str | None = None) -> None:
        """
        Give a user another password; their sessions end, but the one with the id `keep`.

        Raises OperatorError, and Missing.
        """
        refuse(problems_of_password(password, self.named(name).name))
        hashed = await self._passwords.hashed(password)

        def making() -> AccessChange:
            known = self.named(name)
            gone = self._directory.sessions_of(known.name, keep)
            after = structs.replace(known, password=hashed, version=known.version + 1)
            record = self._record("set password", actor, known, after, _effect(sessions=gone))
            return AccessChange(users_put=[after], tokens_deleted=gone, audit=[record])

        await self._directory.change(making)

    def _seen(self, name: str, version: int | None) -> User:
        known = self.named(name)
        if version is not None and version != known.version:
            raise Outdated(f"the user {known.name} has been changed meanwhile: read them again")
        return known

    def _refuse_without_administrator(self, changed: Mapping[str, User | None]) -> None:
        before = self._directory.users()
        after = [changed.get(user.name, user) for user in before]
        if any(map(_administers, before)) and not any(
            _administers(user) for user in after if user is not None
        ):
            raise Conflict("this is the last administrator for everything: make another one first")

    def _revoked(self, token: AccessToken) -> AccessToken:
        return structs.replace(token, revoked_at=self._directory.clock(), version=token.version + 1)

    def _record(
        self, action: str, actor: str, before: User | None, after: User | None, effect: str = ""
    ) -> AuditRecord:
        return record_of_user(self._directory, action, actor, before=before, after=after, effect=effect)


def record_of_user(
    directory: Directory,
    action: str,
    actor: str,
    *,
    before: User | None,
    after: User | None,
    effect: str = "",
) -> AuditRecord:
    """Return the record of a change of one user, of whom it shows no hash."""
    names = [user.name for user in (after, before) if user is not None]
    states = {"before": _shown(before), "after": _shown(after)}
    return directory.record(action, f"user/{names[0]}", actor, **states, effect=effect)


def _shown(user: User | None) -> dict[str, Any] | None:
    if user is None:
        return None
    return {
        "grants": msgspec.to_builtins(user.grants),
        "disabled": user.disabled,
        "has_password": user.password is not None,
        "subject": user.subject,
    }


def _administers(user: User) -> bool:
    may = Principal(actor="", grants=user.grants).may("administrator")
    return may and not user.disabled and (user.password is not None or user.subject is not None)


def _effect(*, sessions: Iterable[str], tokens: Iterable[AccessToken] = ()) -> str:
    said = []
    if number := len([*sessions]):
        said.append(f"{number} sessions ended" if number > 1 else "1 session ended")
    if number := len([*tokens]):
        said.append(f"{number} tokens were revoked" if number > 1 else "1 token was revoked")
    return ", ".join(said)
