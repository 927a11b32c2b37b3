"""Who may do what: bearer tokens with a role each."""

from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Role, Service

SCHEME = "bearer"
Connection = ASGIConnection[Any, Any, Any, Any]
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="fencepost"'}


def requires(*roles: Role) -> Callable[[Connection, BaseRouteHandler], None]:
    """Return a guard that lets these roles in."""

    def guard(connection: Connection, _: BaseRouteHandler) -> None:
        service: Service = connection.app.state.service
        scheme, _blank, token = connection.headers.get("authorization", "").partition(" ")
        role = service.tokens.role_of(token.strip()) if scheme.lower() == SCHEME else None
        if role is None:
            service.counters.unauthorized += 1
            reason = "the token is not known" if token else "a bearer token is missing"
            raise Refused(401, f"{reason}: send 'Authorization: Bearer TOKEN'", headers=CHALLENGE)
        if role not in roles:
            raise Refused(403, f"a token for {role} does not allow this; it takes one for {roles[0]}")
        connection.scope["auth"] = role

    return guard


def actor_of(connection: Connection) -> str:
    """Return who acts, as the audit names it: the token's role."""
    return f"token/{connection.scope['auth']}"
