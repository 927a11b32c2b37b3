"""Who may do what: bearer tokens, and whom they stand for."""

from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from fencepost.model.access import Machine, Principal, Role
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service

SCHEME = "bearer"
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


def principal_of(connection: Connection) -> Principal:
    """Return who acts, once a guard has let them in."""
    principal: Principal = connection.scope["auth"]
    return principal


def actor_of(connection: Connection) -> str:
    """Return who acts, as the audit names it."""
    return principal_of(connection).actor


def _identified(connection: Connection) -> Principal:
    service: Service = connection.app.state.service
    scheme, _blank, token = connection.headers.get("authorization", "").partition(" ")
    principal = service.access.principal_of(token.strip()) if scheme.lower() == SCHEME else None
    if principal is None:
        service.counters.unauthorized += 1
        reason = "the token is not known" if token else "a bearer token is missing"
        raise Refused(401, f"{reason}: send 'Authorization: Bearer TOKEN'", headers=CHALLENGE)
    connection.scope["auth"] = principal
    return principal
