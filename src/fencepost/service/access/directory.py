"""Users and tokens, whole in memory: read there, changed in the store first and then here."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, structs

from fencepost.model.access import ROLES, AccessChange, AccessToken, Grant, Principal, User
from fencepost.model.record import AuditRecord
from fencepost.service.access.ports import AccessStore
from fencepost.service.access.secrets import proves, read_secret

KEPT = timedelta(days=30)
"""How long an API token is shown after its end."""
MOST_AT_ONCE = 1000


class Lifetimes(Struct, frozen=True, kw_only=True):
    """How long a session lasts, unused and at most, and a token of the OAuth 2 endpoint."""

    idle: timedelta = timedelta(hours=8)
    session: timedelta = timedelta(days=7)
    oauth: timedelta = timedelta(hours=1)


class Directory:
    """
    All users and tokens.

    Changes are made one after the other, and to their end even if who asked for one is gone. `clock` gives
    aware UTC.
    """

    def __init__(self, store: AccessStore, clock: Callable[[], datetime], lifetimes: Lifetimes) -> None:
        self.clock = clock
        self.lifetimes = lifetimes
        self._store = store
        self._users = {user.name.casefold(): user for user in store.users()}
        self._tokens = {token.token_id: token for token in store.access_tokens()}
        self._used: dict[str, datetime] = {}
        self._turn = asyncio.Lock()
        self._changing: set[asyncio.Task[None]] = set()

    # reading

    def users(self) -> list[User]:
        """Return all users by their names, without case."""
        return [self._users[name] for name in sorted(self._users)]

    def user(self, name: str) -> User | None:
        return self._users.get(name.casefold())

    def user_of_subject(self, subject: str) -> User | None:
        return next((user for user in self._users.values() if user.subject == subject), None)

    def tokens(self) -> Iterator[AccessToken]:
        """Yield all tokens with their latest use."""
        return map(self._with_use, self._tokens.values())

    def token(self, token_id: str) -> AccessToken | None:
        token = self._tokens.get(token_id)
        return self._with_use(token) if token is not None else None

    def proven(self, text: str) -> AccessToken | None:
        """Return the token of a secret, if it is one and still stands for somebody."""
        shown = read_secret(text)
        token = self._tokens.get(shown.token_id) if shown is not None else None
        is_proven = proves(shown.secret if shown is not None else text, token.digest if token else None)
        if shown is None or token is None or not is_proven or token.kind != shown.kind:
            return None
        return token if self.stands(token) else None

    def principal_of(self, text: str, *, in_use: bool = True) -> Principal | None:
        """Return whom a secret stands for now; `in_use` takes down that it was used."""
        token = self.proven(text)
        if token is None:
            return None
        if in_use:
            self.use(token)
        return Principal(actor=self.actor_of(token), grants=self.grants_of(token))

    def use(self, token: AccessToken) -> None:
        """Take down that a token was used now, and with it the one that it was handed out for."""
        now = self.clock()
        self._used[token.token_id] = now
        if token.parent is not None:
            self._used[token.parent] = now

    def stands(self, token: AccessToken) -> bool:
        """Whether a token is good for anything now."""
        now = self.clock()
        if token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= now):
            return False
        if token.kind == "session" and self._last_use(token) + self.lifetimes.idle <= now:
            return False
        if token.parent is not None:
            parent = self._tokens.get(token.parent)
            return parent is not None and self.stands(parent)
        owner = self.user(token.user) if token.user is not None else None
        return token.user is None or (owner is not None and not owner.disabled)

    def actor_of(self, token: AccessToken) -> str:
        """Return how the audit names who acts with a token: a user, or an API token."""
        return f"user/{token.user}" if token.kind == "session" else f"token/{token.name}"

    def grants_of(self, token: AccessToken) -> tuple[Grant, ...]:
        """Return what a token allows now: never more than what its owner may."""
        if token.parent is not None:
            parent = self._tokens.get(token.parent)
            return self.grants_of(parent) if parent is not None else ()
        if token.user is None:
            return token.grants
        owner = self.user(token.user)
        grants = owner.grants if owner is not None else ()
        return grants if token.kind == "session" else limited(token.grants, grants)

    def _with_use(self, token: AccessToken) -> AccessToken:
        used = self._used.get(token.token_id)
        return structs.replace(token, used_at=used) if used is not None else token

    def _last_use(self, token: AccessToken) -> datetime:
        return self._used.get(token.token_id) or token.used_at or token.created_at

    # changing

    async def change(self, making: Callable[[], AccessChange]) -> None:
        """
        Carry out what `making` makes of how things stand, and return when it is durable.

        What `making` raises is raised, and StoreUnavailable where the store is away; then nothing has changed here.
        """
        task = asyncio.create_task(self._carry_out(making))
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        await asyncio.shield(task)

    async def _carry_out(self, making: Callable[[], AccessChange]) -> None:
        async with self._turn:
            change = making()
            if change == AccessChange():
                return
            await asyncio.to_thread(self._store.change_access, change)
            for name in change.users_deleted:
                self._users.pop(name.casefold(), None)
            for token_id in change.tokens_deleted:
                self._tokens.pop(token_id, None)
                self._used.pop(token_id, None)
            self._users.update({user.name.casefold(): user for user in change.users_put})
            self._tokens.update({token.token_id: token for token in change.tokens_put})

    async def keep(self) -> None:
        """Write down which tokens were used, and take away those that are over; raises StoreUnavailable."""
        written: dict[str, datetime] = {}

        def making() -> AccessChange:
            written.update(self._used)
            used = [self._with_use(self._tokens[one]) for one in written if one in self._tokens]
            gone = [token.token_id for token in self._tokens.values() if self._is_over(token)][:MOST_AT_ONCE]
            return AccessChange(
                tokens_put=[token for token in used if token.token_id not in gone], tokens_deleted=gone
            )

        await self.change(making)
        for token_id, used_at in written.items():
            if self._used.get(token_id) == used_at:
                del self._used[token_id]

    def _is_over(self, token: AccessToken) -> bool:
        """Whether a token does not stand for anybody any more, and nobody needs to see it."""
        if token.kind != "api":
            return not self.stands(token)
        ends = [moment for moment in (token.revoked_at, token.expires_at) if moment is not None]
        return bool(ends) and min(ends) + KEPT <= self.clock()

    async def settle(self) -> None:
        """Return when all changes that were begun are done."""
        if self._changing:
            await asyncio.wait([*self._changing])

    # what several changes have in common

    def record(
        self,
        action: str,
        subject: str,
        actor: str,
        *,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        effect: str = "",
    ) -> AuditRecord:
        """Return a record for the audit; its position is filled in when it is written."""
        return AuditRecord(
            position=0,
            at=self.clock(),
            actor=actor,
            action=action,
            subject=subject,
            before=before,
            after=after,
            effect=effect,
        )

    def sessions_of(self, name: str, keep: str | None = None) -> list[str]:
        """Return the ids of a user's sessions but one."""
        return [
            token.token_id
            for token in self._tokens.values()
            if token.kind == "session" and _is(token.user, name) and token.token_id != keep
        ]

    def tokens_of(self, name: str) -> list[AccessToken]:
        """Return the API tokens of a user that are not revoked."""
        return [
            token
            for token in self._tokens.values()
            if token.kind == "api" and _is(token.user, name) and token.revoked_at is None
        ]

    def surplus(self, among: Callable[[AccessToken], bool], most: int) -> list[str]:
        """Return the ids of the oldest of some tokens: those that must go to make room for another one."""
        ours = sorted(filter(among, self._tokens.values()), key=lambda token: token.created_at)
        return [token.token_id for token in ours[: max(len(ours) - most + 1, 0)]]


def limited(grants: Sequence[Grant], by: Sequence[Grant]) -> tuple[Grant, ...]:
    """Return what both lists of grants allow."""
    both = dict.fromkeys(shared for one in grants for other in by if (shared := _shared(one, other)))
    return tuple(both)


def exceeding(grants: Sequence[Grant], holder: Principal) -> Iterator[int]:
    """Yield the places of the grants that somebody does not hold themselves."""
    for index, grant in enumerate(grants):
        if not holder.may(grant.role, grant.group):
            yield index


def _shared(one: Grant, other: Grant) -> Grant | None:
    if one.group is not None and other.group is not None and not _is(one.group, other.group):
        return None
    role = min(one.role, other.role, key=ROLES.index)
    return Grant(role, one.group if one.group is not None else other.group)


def _is(name: str | None, other: str) -> bool:
    return name is not None and name.casefold() == other.casefold()
