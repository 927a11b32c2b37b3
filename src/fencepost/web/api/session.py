"""`/v1/session` and `/v1/me`: a person signs in and out; whoever comes in may ask who they are."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.params import Body
from msgspec import Meta, Struct

from fencepost.model.access import Machine
from fencepost.service.access import SignedIn, SignInRefused, TooMany
from fencepost.web.api.access import (
    COOKIE,
    address_of,
    identified,
    is_from_own_site,
    principal_of,
    secret_of,
)
from fencepost.web.api.bodies import SMALL
from fencepost.web.api.documented import problems_of
from fencepost.web.api.grants import GrantBody, example, views_of
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service

ONLY_HERE: dict[str, Any] = {"path": "/", "secure": True, "httponly": True, "samesite": "lax"}
"""How a cookie is set that a browser sends to nobody else, and shows to no script."""


class Credentials(Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs in. `repr` shows no password."""

    name: Annotated[str, Meta(max_length=1000)]
    password: Annotated[str, Meta(max_length=4096)]

    def __repr__(self) -> str:
        return "Credentials(...)"


class Session(Struct, frozen=True):
    """A session that was opened: its token does as a bearer token, until then or until nobody uses it any more."""

    token: str
    actor: str
    expires_at: datetime


class Me(Struct, frozen=True, kw_only=True):
    """
    Who one is, as the audit names one, and with which roles.

    `user` is the person that this is, or that the token belongs to; `machine` is what a program's token is for.
    """

    actor: str
    user: str | None
    token_id: str | None
    grants: list[GrantBody]
    machine: Machine | None
    expires_at: datetime | None


Said = Annotated[
    Credentials, Body(examples=example({"name": "anna", "password": "correct horse battery staple"}))
]


@post(
    "/v1/session",
    security=[{}],
    request_max_body_size=SMALL,
    operation_id="signIn",
    summary="Sign in by name and password.",
    responses=problems_of(400, 401, 403, 413, 429, 503),
    tags=["access"],
)
async def sign_in(request: Request[Any, Any, Any], data: Said) -> Response[Session]:
    """Open a session; its token is in the answer, and in a cookie for browsers."""
    service: Service = request.app.state.service
    if not is_from_own_site(request, unsaid=True):
        raise Refused(403, "another site must not sign anybody in here")
    try:
        opened = await service.access.sign_ins.by_password(data.name, data.password, address_of(request))
    except SignInRefused as error:
        raise Refused(401, str(error)) from None
    except TooMany as error:
        raise throttled(error) from None
    body = Session(opened.token, opened.actor, opened.expires_at)
    return Response(
        body,
        status_code=201,
        headers={"Cache-Control": "no-store"},
        cookies=[session_cookie(service, opened)],
    )


@delete(
    "/v1/session",
    guards=[identified],
    operation_id="signOut",
    summary="Sign out.",
    responses=problems_of(401, 403, 409, 503),
    tags=["access"],
)
async def sign_out(request: Request[Any, Any, Any]) -> Response[None]:
    """End the session whose token or cookie is shown; an API token is no session, and is revoked instead."""
    service: Service = request.app.state.service
    if not await service.access.sign_ins.sign_out(secret_of(request)):
        raise Refused(409, "this is a token, and no session: revoke it, if it is to end")
    return Response(None, status_code=204, cookies=[no_cookie()])


@get(
    "/v1/me",
    guards=[identified],
    operation_id="getMe",
    summary="Who one is, and what one may.",
    responses=problems_of(401),
    tags=["access"],
)
async def get_me(request: Request[Any, Any, Any]) -> Me:
    """Return whom the token or the session stands for."""
    service: Service = request.app.state.service
    principal, token = principal_of(request), service.access.token_of(secret_of(request))
    return Me(
        actor=principal.actor,
        user=token.user if token is not None else None,
        token_id=token.token_id if token is not None else None,
        grants=views_of(principal.grants),
        machine=principal.machine,
        expires_at=token.expires_at if token is not None else None,
    )


def session_cookie(service: Service, opened: SignedIn) -> Cookie:
    """Return the cookie with which a browser comes again."""
    seconds = max(round((opened.expires_at - service.clock()).total_seconds()), 0)
    return Cookie(COOKIE, value=opened.token, max_age=seconds, **ONLY_HERE)


def no_cookie() -> Cookie:
    """Return what takes the cookie from a browser."""
    return Cookie(COOKIE, value="", max_age=0, **ONLY_HERE)


def throttled(error: TooMany) -> Refused:
    """Return the answer to one attempt too many."""
    return Refused(429, str(error), headers={"Retry-After": str(error.retry_after)})
