"""An OpenID provider, as the operator describes it."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from fencepost.model.access import Grant
from fencepost.service.access import Subject

ANYBODY = "*"


class Provider(Struct, frozen=True, kw_only=True):
    """
    Whom we ask, as whom, and what its claims mean here.

    `grants` says which value of the claim `groups_claim` gives which grant. `repr` does not show the secret.
    """

    issuer: str
    client_id: str
    client_secret: str | None
    scopes: tuple[str, ...]
    button: str
    username_claim: str
    groups_claim: str
    grants: tuple[tuple[str, Grant], ...]

    def __repr__(self) -> str:
        return f"Provider({self.issuer!r}, ...)"

    def subject_of(self, claims: Mapping[str, Any]) -> Subject:
        """Return who somebody is by their claims, which have been verified."""
        name = claims.get(self.username_claim)
        return Subject(
            subject=f"{self.issuer} {claims['sub']}",
            name=name if isinstance(name, str) else str(claims["sub"]),
            grants=self._grants_of(claims.get(self.groups_claim)),
        )

    def _grants_of(self, said: Any) -> tuple[Grant, ...]:
        values = {said} if isinstance(said, str) else {*said} if _is_texts(said) else set[str]()
        return tuple(dict.fromkeys(grant for value, grant in self.grants if value in values | {ANYBODY}))


def _is_texts(said: Any) -> bool:
    return isinstance(said, list) and all(isinstance(one, str) for one in said)
