"""
Who may do what: whom a request stands for, and what guards let in.

A request shows a secret as a bearer token, or a browser shows its session's as a cookie; the cookie alone changes
nothing that another site asks for.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from fencepost.model.access import Machine, Principal, Role
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service

SCHEME = "bearer"
COOKIE = "__Host-fencepost-session"
"""The prefix lets a browser take it from this host only, and over HTTPS only."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITE = frozenset({"same-origin", "none"})
"""What a browser says of requests that our own pages make, or the person's hand."""
Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], None]
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="fencepost"'}


def requires(role: Role, *, everywhere: bool = False) -> Guard:
    """
    Return a guard that lets in whose role this is in at least one group; with `everywhere`, in everything.

    Of what then is shown and changed, the handler sees to it that it belongs to one of their groups.
    """

    def guard(connection: Connection, _: BaseRouteHandler) -> None:
        principal = _identified(connection)
        if not (principal.may(role) if everywhere else principal.may_somewhere(role)):
            scope = "for everything" if everywhere else "for a group"
            raise Refused(403, f"this takes the role {role} {scope}")

    return guard


def serves(machine: Machine) -> Guard:
    """Return a guard that lets in the programs whose token is for this, and administrators of everything."""

    def guard(connection: Connection, _: BaseRouteHandler) -> None:
        principal = _identified(connection)
        if principal.machine != machine and not principal.may("administrator"):
            raise Refused(403, f"this takes a token for {machine}, or the role administrator for everything")

    return guard


def identified(connection: Connection, _: BaseRouteHandler) -> None:
    """Let in anybody who shows a secret that stands for somebody; a guard."""
    _identified(connection)


def principal_of(connection: Connection) -> Principal:
    """
    Return who acts, once a guard has let them in.

    Raises Refused where that is over by now, or they may something else: a body may come long after its head.
    """
    principal: Principal = connection.scope["auth"]
    if principal_now(connection) != principal:
        raise Refused(401, "what this secret allows has changed meanwhile: ask again", headers=CHALLENGE)
    return principal


def actor_of(connection: Connection) -> str:
    """Return who acts, as the audit names it."""
    return principal_of(connection).actor


def principal_now(connection: Connection) -> Principal | None:
    """
    Return whom a request that goes on stands for by now, None where that is over.

    It is no use of a session: one that only waits ends like one that nobody uses.
    """
    service: Service = connection.app.state.service
    return service.access.principal_of(secret_of(connection), in_use=False)


def secret_of(connection: Connection) -> str:
    """Return the secret that a request shows, an empty text where it shows none; a bearer token goes first."""
    return _bearer(connection) or connection.cookies.get(COOKIE, "")


def address_of(connection: Connection) -> str:
    """Return the address that a request comes from."""
    return connection.client.host if connection.client is not None else ""


def is_from_own_site(connection: Connection, *, unsaid: bool) -> bool:
    """
    Whether a browser says that one of our own pages makes a request; `unsaid` is the answer where nothing is said.

    Old browsers say the origin only, and programs say neither.
    """
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    if site is not None:
        return site in OWN_SITE
    if origin is not None:
        return urlsplit(origin).netloc.lower() == connection.headers.get("host", "").lower()
    return unsaid


def _bearer(connection: Connection) -> str:
    scheme, _blank, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == SCHEME else ""


def _identified(connection: Connection) -> Principal:
    service: Service = connection.app.state.service
    secret = secret_of(connection)
    principal = service.access.principal_of(secret) if secret else None
    if principal is None:
        service.counters.unauthorized += 1
        reason = "the token is not known, or is over" if secret else "a bearer token is missing"
        raise Refused(401, f"{reason}: send 'Authorization: Bearer TOKEN'", headers=CHALLENGE)
    _refuse_forged(connection)
    connection.scope["auth"] = principal
    return principal


def _refuse_forged(connection: Connection) -> None:
    """Raise Refused for a change that another site makes a person's browser ask for."""
    is_by_cookie = not _bearer(connection)
    is_change = connection.scope.get("method") not in SAFE_METHODS
    if is_by_cookie and is_change and not is_from_own_site(connection, unsaid=False):
        raise Refused(403, "a session's cookie changes things from this service's own pages only")
