"""Who may use a running service: its users and its API tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from fencepost.client.management import BAD, CONFLICT, MISSING, OUTDATED, UNPROCESSABLE, Api, refused
from fencepost.client.management_groups import MEANWHILE
from fencepost.client.requests import Answer
from fencepost.model.access import Grant
from fencepost.model.errors import OperatorError, Problem

REFUSALS = frozenset({BAD, CONFLICT, OUTDATED, UNPROCESSABLE})


class UserShape(Struct, frozen=True, kw_only=True):
    """A user as the API shows them."""

    name: str
    grants: tuple[Grant, ...] = ()
    disabled: bool = False
    has_password: bool = False
    subject: str | None = None
    created_at: datetime
    created_by: str
    last_sign_in_at: datetime | None = None
    version: int = 1


class TokenShape(Struct, frozen=True, kw_only=True):
    """An API token as the API shows it; `token` is the secret, which is shown once."""

    token_id: str
    name: str
    grants: tuple[Grant, ...] = ()
    user: str | None = None
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    state: str = "active"
    token: str | None = None

    def __repr__(self) -> str:
        return f"TokenShape({self.token_id!r}, ...)"


class _Users(Struct, frozen=True):
    items: tuple[UserShape, ...]


class _Tokens(Struct, frozen=True):
    items: tuple[TokenShape, ...]


class People:
    """The users of a service."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def all(self) -> tuple[UserShape, ...]:
        return self.api.understood(await self.api.get("/v1/users"), _Users).items

    async def get(self, name: str) -> UserShape:
        """Return a user; raises OperatorError where there is none of this name."""
        return self._read(name, await self.api.get(_user_path(name), known={BAD, MISSING}))

    async def add(self, name: str, password: str | None, grants: Sequence[Grant]) -> UserShape:
        """Make a user, who without a password comes by OpenID Connect only; raises OperatorError."""
        body = {"name": name, "password": password, "grants": grants}
        return self._read(name, await self.api.post("/v1/users", body, known=REFUSALS))

    async def put(self, known: UserShape, grants: Sequence[Grant], *, disabled: bool) -> UserShape:
        """Change a user that was seen; raises OperatorError where somebody else was faster."""
        body = {"grants": grants, "disabled": disabled}
        headers = {"If-Match": f'"{known.version}"'}
        answer = await self.api.put(_user_path(known.name), body, known={MISSING, *REFUSALS}, headers=headers)
        return self._read(known.name, answer)

    async def delete(self, known: UserShape) -> None:
        """Take a user away that was seen; raises OperatorError."""
        headers = {"If-Match": f'"{known.version}"'}
        answer = await self.api.delete(
            _user_path(known.name), known={MISSING, CONFLICT, OUTDATED}, headers=headers
        )
        _check(known.name, answer)

    async def set_password(self, name: str, password: str) -> None:
        """Give a user another password; raises OperatorError."""
        path = f"{_user_path(name)}/password"
        answer = await self.api.put(path, {"password": password}, known={MISSING, *REFUSALS})
        if answer.status == MISSING:
            raise no_user(name)
        _check(name, answer)

    def _read(self, name: str, answer: Answer) -> UserShape:
        if answer.status == MISSING:
            raise no_user(name)
        _check(name, answer)
        return self.api.understood(answer, UserShape)


class Tokens:
    """The API tokens of a service: one's own, or for administrators all."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def all(self) -> tuple[TokenShape, ...]:
        return self.api.understood(await self.api.get("/v1/tokens"), _Tokens).items

    async def get(self, token_id: str) -> TokenShape:
        """Return a token; raises OperatorError where there is none of this id."""
        answer = await self.api.get(_token_path(token_id), known={BAD, MISSING})
        if answer.status != MISSING:
            _check(token_id, answer)
            return self.api.understood(answer, TokenShape)
        raise no_token(token_id)

    async def create(self, name: str, grants: Sequence[Grant], expires_at: datetime | None) -> TokenShape:
        """Make a token and return it with its secret; raises OperatorError."""
        body: dict[str, Any] = {"name": name, "grants": grants, "expires_at": expires_at}
        answer = await self.api.post("/v1/tokens", body, known=REFUSALS)
        _check(name, answer)
        return self.api.understood(answer, TokenShape)

    async def revoke(self, token_id: str) -> None:
        """End a token at once; raises OperatorError."""
        answer = await self.api.delete(_token_path(token_id), known={BAD, MISSING, CONFLICT})
        if answer.status == MISSING:
            raise no_token(token_id)
        _check(token_id, answer)


def _check(subject: str, answer: Answer) -> None:
    if answer.status == OUTDATED:
        raise OperatorError([Problem(subject, MEANWHILE)])
    if answer.status in REFUSALS:
        raise refused(subject, answer)


def no_user(name: str) -> OperatorError:
    reason = "there is no user of this name; `fencepost users list` names those that there are"
    return OperatorError([Problem(name, reason)])


def no_token(token_id: str) -> OperatorError:
    reason = "there is no token of this id; `fencepost tokens list` names those that there are"
    return OperatorError([Problem(token_id, reason)])


def _user_path(name: str) -> str:
    return f"/v1/users/{quote(name, safe='')}"


def _token_path(token_id: str) -> str:
    return f"/v1/tokens/{quote(token_id, safe='')}"
