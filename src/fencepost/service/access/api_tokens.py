"""API tokens: what programs come in with, made and revoked by hand."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import structs

from fencepost.model.access import AccessChange, AccessToken, Grant, Principal
from fencepost.model.errors import OperatorError, Problem
from fencepost.service.access.directory import Directory, exceeding
from fencepost.service.access.drafts import NewToken, problems_of_token, refuse
from fencepost.service.access.installation import PRINCIPALS
from fencepost.service.access.secrets import new_secret
from fencepost.service.commands import Conflict, Missing, Outdated

MOST_TOKENS = 10_000
MOST_OF_USER = 100
USER, TOKEN = "user/", "token/"


class NotYours(Conflict):
    """Somebody asks for what only others may have."""


class ApiTokens:
    """
    The API tokens.

    An administrator of everything sees to all of them, a user to their own, and a token sees itself. A token that
    a user has made belongs to them: it never allows more than they may, and ends with them.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def visible(self, principal: Principal) -> list[AccessToken]:
        """Return the tokens that somebody may see, the newest first."""
        tokens = [
            one for one in self._directory.tokens() if one.kind == "api" and self._may_see(principal, one)
        ]
        return sorted(tokens, key=lambda token: (token.created_at, token.token_id), reverse=True)

    def one(self, token_id: str, principal: Principal) -> AccessToken:
        """Return a token; raises Missing where there is none that somebody may see."""
        token = self._directory.token(token_id)
        if token is None or token.kind != "api" or not self._may_see(principal, token):
            raise Missing(f"there is no token {token_id!r}")
        return token

    def state_of(self, token: AccessToken) -> str:
        """Return whether a token is active, and why not."""
        now: datetime = self._directory.clock()
        if token.revoked_at is not None:
            return "revoked"
        if token.expires_at is not None and token.expires_at <= now:
            return "expired"
        return "active" if self._directory.stands(token) else "suspended"

    def allows(self, token: AccessToken) -> tuple[Grant, ...]:
        """Return what a token allows at the moment."""
        return self._directory.grants_of(token)

    async def create(self, draft: NewToken, principal: Principal) -> tuple[AccessToken, str]:
        """
        Make a token, and return it with its text, which nobody can show again.

        Raises OperatorError with all problems: it allows no more than who makes it may. Raises Conflict where the
        name is taken, and NotYours for a program whose token is not an administrator's.
        """
        owner = self._owner_for(principal)
        refuse(problems_of_token(draft, self._directory.clock()))
        if beyond := [*exceeding(draft.grants, principal)]:
            reason = "this is more than you may yourself"
            raise OperatorError(Problem(f"grants[{index}]", reason) for index in beyond)
        secret = new_secret("api")
        token = AccessToken(
            token_id=secret.token_id,
            kind="api",
            name=draft.name,
            digest=secret.digest,
            grants=draft.grants,
            user=owner,
            created_at=self._directory.clock(),
            created_by=principal.actor,
            expires_at=draft.expires_at,
        )

        def making() -> AccessChange:
            self._owner_for(principal)  # they may have gone while this waited for its turn
            self._refuse_taken(token)
            record = self._directory.record(
                "create", f"{TOKEN}{token.name}", principal.actor, after=_shown(token)
            )
            return AccessChange(tokens_put=[token], audit=[record])

        await self._directory.change(making)
        return token, secret.text

    async def revoke(self, token_id: str, principal: Principal, *, version: int | None = None) -> None:
        """End a token at once, and all that was handed out for it; raises Missing and Outdated."""

        def making() -> AccessChange:
            known = self.one(token_id, principal)
            if version is not None and version != known.version:
                raise Outdated(f"the token {known.name} has been changed meanwhile: read it again")
            if known.revoked_at is not None:
                return AccessChange()
            after = structs.replace(known, revoked_at=self._directory.clock(), version=known.version + 1)
            subject = f"{TOKEN}{known.name}"
            record = self._directory.record(
                "revoke", subject, principal.actor, before=_shown(known), after=_shown(after)
            )
            return AccessChange(tokens_put=[after], audit=[record])

        await self._directory.change(making)

    def _owner_for(self, principal: Principal) -> str | None:
        """Return whose a token will be that somebody makes, None for nobody's; who has gone makes none."""
        if principal.actor.startswith(USER):
            owner = self._directory.user(principal.actor.removeprefix(USER))
            if owner is None or owner.disabled:
                raise NotYours("you are out by now: sign in")
            return owner.name
        if not principal.may("administrator"):
            raise NotYours("a program makes no tokens, unless its own allows everything: sign in for that")
        if principal == PRINCIPALS["administrator"]:
            return None
        made_with = next((one for one in self._live() if f"{TOKEN}{one.name}" == principal.actor), None)
        if made_with is None:
            raise NotYours("this token is over")
        return made_with.user

    def _may_see(self, principal: Principal, token: AccessToken) -> bool:
        if principal.may("administrator"):
            return True
        if token.user is not None and principal.actor == f"{USER}{token.user}":
            return True
        return principal.actor == f"{TOKEN}{token.name}" and not self._is_over(token)

    def _is_over(self, token: AccessToken) -> bool:
        """Whether a token has left its name to another."""
        return self.state_of(token) in ("revoked", "expired")

    def _live(self) -> list[AccessToken]:
        """Return the tokens that are neither revoked nor expired, each of which has a name of its own."""
        return [one for one in self._directory.tokens() if one.kind == "api" and not self._is_over(one)]

    def _refuse_taken(self, token: AccessToken) -> None:
        """A name is one token's, so that the audit can tell who acted; one that was revoked or expired frees it."""
        live = self._live()
        if any(one.name.casefold() == token.name.casefold() for one in live):
            raise Conflict(f"there is a token {token.name!r} already: revoke it first, or take another name")
        of_owner = sum(one.user == token.user for one in live) if token.user is not None else 0
        if len(live) >= MOST_TOKENS or of_owner >= MOST_OF_USER:
            raise Conflict("there are too many tokens already: revoke some first")


def _shown(token: AccessToken) -> dict[str, Any]:
    """Return what the audit shows of a token: neither secret nor digest."""
    return {
        "token_id": token.token_id,
        "grants": msgspec.to_builtins(token.grants),
        "user": token.user,
        "expires_at": msgspec.to_builtins(token.expires_at),
        "revoked_at": msgspec.to_builtins(token.revoked_at),
    }
