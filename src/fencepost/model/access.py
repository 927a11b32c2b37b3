"""
Who may do what: grants of roles, for all groups of devices or for some.

A viewer reads. An analyst also works on alerts and mends lists from them. An administrator also edits
expectations; with a grant for everything, users, tokens and all else. Group names are compared without case.
"""

from datetime import datetime
from typing import Literal, get_args

from msgspec import Struct

from fencepost.model.record import AuditRecord

Role = Literal["viewer", "analyst", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)
"""The roles, each of which may all that those before it may."""
Machine = Literal["ingest", "metrics"]
"""What tokens of an installation's programs may, and nothing else: send messages, read the figures."""


class Grant(Struct, frozen=True):
    """A role for a group of devices, or with None for everything."""

    role: Role
    group: str | None = None


class Principal(Struct, frozen=True, kw_only=True):
    """
    Somebody who has shown who they are.

    `actor` is how the audit names them: `user/anna`, `token/nightly`, `token/administrator`. `machine` is the one
    thing that a program's token allows; such a token has no grants.
    """

    actor: str
    grants: tuple[Grant, ...] = ()
    machine: Machine | None = None

    def may(self, role: Role, group: str | None = None) -> bool:
        """Whether this role is theirs in a group; with None in everything."""
        wanted = None if group is None else group.casefold()
        return any(
            _rank(grant.role) >= _rank(role) and (grant.group is None or grant.group.casefold() == wanted)
            for grant in self.grants
        )

    def may_somewhere(self, role: Role) -> bool:
        """Whether this role is theirs in at least one group."""
        return any(_rank(grant.role) >= _rank(role) for grant in self.grants)

    def groups(self, role: Role = "viewer") -> frozenset[str] | None:
        """Return the names, without case, of the groups in which this role is theirs; None for all there are."""
        fit = [grant.group for grant in self.grants if _rank(grant.role) >= _rank(role)]
        return None if None in fit else frozenset(name.casefold() for name in fit if name is not None)


class User(Struct, frozen=True, kw_only=True):
    """
    A person who may sign in; names are compared without case.

    `password` is an argon2id hash in its own text form, None for one who comes by OpenID Connect only;
    `subject` is that provider's name for them (`ISSUER SUBJECT`). `repr` shows no hash.
    """

    name: str
    grants: tuple[Grant, ...]
    password: str | None = None
    subject: str | None = None
    disabled: bool = False
    created_at: datetime
    created_by: str
    last_sign_in_at: datetime | None = None
    version: int = 1

    def __repr__(self) -> str:
        return f"User({self.name!r}, ...)"


TokenKind = Literal["api", "session", "oauth"]


class AccessToken(Struct, frozen=True, kw_only=True):
    """
    A secret that stands for somebody; only its SHA-256 digest is kept.

    `api`: made by hand for a program, with grants of its own. `session`: of a user who has signed in. `oauth`:
    handed out for an API token (its `parent`) by the OAuth 2 endpoint. What a session or an `oauth` token may is
    what its user or parent may at the time. `used_at` is written down within a minute.
    """

    token_id: str
    kind: TokenKind
    name: str
    digest: bytes
    grants: tuple[Grant, ...] = ()
    user: str | None = None
    parent: str | None = None
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    version: int = 1

    def __repr__(self) -> str:
        return f"AccessToken({self.token_id!r}, {self.kind!r}, ...)"


class AccessChange(Struct, frozen=True, kw_only=True):
    """
    One transaction: which users and tokens are put, which are taken away (by name, by id), and who did it.

    The position of the audit's records is filled in when they are written: where the store then stands.
    """

    users_put: list[User] = []
    users_deleted: list[str] = []
    tokens_put: list[AccessToken] = []
    tokens_deleted: list[str] = []
    audit: list[AuditRecord] = []


def _rank(role: Role) -> int:
    return ROLES.index(role)
