"""`/v1/tokens`: what programs come in with."""

from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Request, Response, delete, get, post
from litestar.params import Body, Parameter
from msgspec import Meta, Struct

from fencepost.model.access import AccessToken
from fencepost.service.access import NewToken, NotYours
from fencepost.service.access.drafts import LONGEST_NAME
from fencepost.web.api.access import identified, principal_of
from fencepost.web.api.documented import problems_of
from fencepost.web.api.etags import IfMatch, etag, seen_version
from fencepost.web.api.grants import GrantBody, Grants, example, grants_of, views_of
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service

TokenId = Annotated[
    str, Parameter(description="The id of the token, which its text begins with.", max_length=64)
]
TokenState = Literal["active", "expired", "revoked", "suspended"]


class TokenDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to be made; without `expires_at` it lasts until it is revoked."""

    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    grants: Grants
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class TokenView(Struct, frozen=True, kw_only=True):
    """
    A token, without its secret.

    A token that a user has made is theirs (`user`): it never allows more than they may, and is suspended while
    they are disabled. `used_at` is right to a minute.
    """

    token_id: str
    name: str
    grants: list[GrantBody]
    user: str | None
    state: TokenState
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None
    version: int


class NewTokenView(TokenView, frozen=True, kw_only=True):
    """A token that has just been made: `token` is its text, which is never shown again."""

    token: str


class Tokens(Struct, frozen=True):
    """The tokens that one may see, the newest first."""

    items: list[TokenView]


NEW = example(
    {
        "name": "nightly-report",
        "grants": [{"role": "viewer", "group": None}],
        "expires_at": "2036-01-01T00:00:00Z",
    }
)


@get(
    "/v1/tokens",
    guards=[identified],
    operation_id="listTokens",
    summary="List tokens.",
    responses=problems_of(401),
    tags=["access"],
)
async def list_tokens(request: Request[Any, Any, Any]) -> Tokens:
    """Return one's own tokens, to administrators of everything all; none that ended more than 30 days ago."""
    service: Service = request.app.state.service
    return Tokens([view_of(service, one) for one in service.access.tokens.visible(principal_of(request))])


@post(
    "/v1/tokens",
    guards=[identified],
    operation_id="createToken",
    summary="Make a token.",
    responses=problems_of(400, 401, 403, 409, 413, 503),
    tags=["access"],
)
async def create_token(
    request: Request[Any, Any, Any], data: Annotated[TokenDraft, Body(examples=NEW)]
) -> Response[NewTokenView]:
    """
    Make a token that allows no more than one may oneself; its text is in this answer, and nowhere else.

    What an administrator's program makes belongs to whom that program's token belongs to.
    """
    service: Service = request.app.state.service
    draft = NewToken(name=data.name, grants=grants_of(data.grants), expires_at=data.expires_at)
    try:
        token, text = await service.access.tokens.create(draft, principal_of(request))
    except NotYours as error:
        raise Refused(403, str(error)) from None
    body = NewTokenView(token=text, **_members(service, token))
    return Response(body, status_code=201, headers={**etag(token.version), "Cache-Control": "no-store"})


@get(
    "/v1/tokens/{token_id:str}",
    guards=[identified],
    operation_id="getToken",
    summary="Get a token.",
    responses=problems_of(400, 401, 404),
    tags=["access"],
)
async def get_token(request: Request[Any, Any, Any], token_id: TokenId) -> Response[TokenView]:
    """Return a token, without its secret."""
    service: Service = request.app.state.service
    token = service.access.tokens.one(token_id, principal_of(request))
    return Response(view_of(service, token), headers=etag(token.version))


@delete(
    "/v1/tokens/{token_id:str}",
    guards=[identified],
    operation_id="revokeToken",
    summary="Revoke a token.",
    responses=problems_of(400, 401, 403, 404, 412, 503),
    tags=["access"],
)
async def revoke_token(request: Request[Any, Any, Any], token_id: TokenId, if_match: IfMatch = None) -> None:
    """End a token at once, and all that was handed out for it."""
    service: Service = request.app.state.service
    principal = principal_of(request)
    version = seen_version(if_match, service.access.tokens.one(token_id, principal).version)
    await service.access.tokens.revoke(token_id, principal, version=version)


def view_of(service: Service, token: AccessToken) -> TokenView:
    """Return a token as it is shown."""
    return TokenView(**_members(service, token))


def _members(service: Service, token: AccessToken) -> dict[str, Any]:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "grants": views_of(token.grants),
        "user": token.user,
        "state": service.access.tokens.state_of(token),
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": token.expires_at,
        "used_at": token.used_at,
        "revoked_at": token.revoked_at,
        "version": token.version,
    }
