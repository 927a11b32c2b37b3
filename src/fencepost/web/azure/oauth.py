"""
The OAuth 2 endpoints of Microsoft's identity platform, as far as programs need them that come in by client credentials.

`client_id` is the id of an API token and `client_secret` its secret; what they get stands for that token. It needs an
`Authority` as `app.state.authority`.
"""

from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID, uuid4

import msgspec
from litestar import Request, Response, get, post
from litestar.exceptions import HTTPException
from msgspec import Struct

from fencepost.model.errors import StoreUnavailable
from fencepost.service.access import SignedIn, SignInRefused, TooMany
from fencepost.web.api.access import address_of
from fencepost.web.api.service import Service
from fencepost.web.azure.origin import origin_of
from fencepost.web.forms import LARGEST, form_of

ANY_TENANT = frozenset({"common", "organizations"})
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_NEEDED = (("client_id", 400, "invalid_request", 900144), ("client_secret", 401, "invalid_client", 7000218))
"""What the body has to contain, and how it is refused without."""

AnyRequest = Request[Any, Any, Any]
SHARED: dict[str, Any] = {"include_in_schema": False, "request_max_body_size": LARGEST}


class Authority(Struct, frozen=True):
    """For which tenant we speak."""

    tenant_id: str


class OAuthError(Exception):
    """
    What the endpoint refuses, in its words.

    `number` is Microsoft's (AADSTS...), which its libraries pass on.
    """

    def __init__(
        self, status: int, error: str, number: int, text: str, retry_after: int | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.error = error
        self.number = number
        self.text = text
        self.retry_after = retry_after


def on_oauth_error(request: AnyRequest, error: OAuthError) -> Response[bytes]:
    service: Service = request.app.state.service
    now = service.clock().astimezone(UTC)
    body = {
        "error": error.error,
        "error_description": f"AADSTS{error.number}: {error.text}",
        "error_codes": [error.number],
        "timestamp": f"{now:%Y-%m-%d %H:%M:%SZ}",
        "trace_id": str(uuid4()),
        "correlation_id": _correlation(request.headers.get("client-request-id", "")),
    }
    waiting = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    return _answer(body, status=error.status, headers=waiting)


def on_store(request: AnyRequest, _: StoreUnavailable) -> Response[bytes]:
    text = "The control store cannot be reached. Try again."
    return on_oauth_error(request, OAuthError(503, "temporarily_unavailable", 90033, text, retry_after=5))


def on_http(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    return on_oauth_error(request, OAuthError(error.status_code, "invalid_request", 900144, error.detail))


SHARED["exception_handlers"] = {
    OAuthError: on_oauth_error,
    StoreUnavailable: on_store,
    HTTPException: on_http,
}


@get("/{tenant:str}/v2.0/.well-known/openid-configuration", **SHARED)
async def get_metadata(request: AnyRequest, tenant: str) -> Response[bytes]:
    """Say where the endpoints are; the public libraries ask before all else."""
    _check_tenant(request, tenant)
    return _answer(_metadata(f"{origin_of(request)}/{tenant}", "/v2.0", "/oauth2/v2.0"))


@get("/{tenant:str}/.well-known/openid-configuration", **SHARED)
async def get_metadata_of_version_1(request: AnyRequest, tenant: str) -> Response[bytes]:
    """The same for the endpoint of version 1."""
    _check_tenant(request, tenant)
    return _answer(_metadata(f"{origin_of(request)}/{tenant}", "/", "/oauth2"))


@get("/common/discovery/instance", **SHARED)
async def get_instance(request: AnyRequest) -> Response[bytes]:
    """Say of an authority that it is this one: some libraries ask whom they may trust."""
    origin = origin_of(request)
    host = origin.partition("://")[2]
    return _answer(
        {
            "tenant_discovery_endpoint": f"{origin}/common/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }
    )


@get("/{tenant:str}/discovery/v2.0/keys", **SHARED)
async def get_keys(request: AnyRequest, tenant: str) -> Response[bytes]:
    """Our tokens are opaque: no key verifies them."""
    _check_tenant(request, tenant)
    return _answer({"keys": []})


@post("/{tenant:str}/oauth2/v2.0/token", status_code=200, **SHARED)
async def post_token(request: AnyRequest, tenant: str) -> Response[bytes]:
    """Hand out a token for client credentials."""
    _check_tenant(request, tenant)
    form = await _form(request)
    granted = await _granted(request, form)
    seconds = _seconds_left(request, granted)
    return _answer(
        {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": granted.token,
        }
    )


@post("/{tenant:str}/oauth2/token", status_code=200, **SHARED)
async def post_token_of_version_1(request: AnyRequest, tenant: str) -> Response[bytes]:
    """Hand out a token as version 1 does: with `resource` instead of a scope, and numbers as texts."""
    _check_tenant(request, tenant)
    form = await _form(request)
    granted = await _granted(request, form)
    seconds = _seconds_left(request, granted)
    ends = int(granted.expires_at.timestamp())
    return _answer(
        {
            "token_type": "Bearer",
            "expires_in": str(seconds),
            "ext_expires_in": str(seconds),
            "expires_on": str(ends),
            "not_before": str(ends - seconds),
            "resource": form.get("resource", ""),
            "access_token": granted.token,
        }
    )


HANDLERS: list[Any] = [
    get_metadata,
    get_metadata_of_version_1,
    get_instance,
    get_keys,
    post_token,
    post_token_of_version_1,
]


async def _granted(request: AnyRequest, form: Mapping[str, str]) -> SignedIn:
    service: Service = request.app.state.service
    _check_grant(form)
    client_id, secret = _credentials(request, form)
    try:
        return await service.access.sign_ins.by_client(client_id, secret, address_of(request))
    except SignInRefused as error:
        text = f"Invalid client secret provided, or no such client: {error}. The client id is the id of an API token."
        raise OAuthError(401, "invalid_client", 7000215, text) from None
    except TooMany as error:
        raise OAuthError(
            429, "temporarily_unavailable", 90055, f"Too many attempts: {error}.", error.retry_after
        ) from None


def _check_grant(form: Mapping[str, str]) -> None:
    grant = form.get("grant_type")
    if not grant:
        raise OAuthError(
            400, "invalid_request", 900144, "The request body must contain the parameter 'grant_type'."
        )
    if grant != "client_credentials":
        text = "The grant type is not supported: only 'client_credentials' is."
        raise OAuthError(400, "unsupported_grant_type", 70003, text)


def _credentials(request: AnyRequest, form: Mapping[str, str]) -> tuple[str, str]:
    """Return id and secret of the client, from the header (RFC 6749, 2.3.1) or from the body."""
    scheme, _blank, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _colon, secret = b64decode(shown, validate=True).decode().partition(":")
        except ValueError:
            raise OAuthError(
                401, "invalid_client", 7000216, "The Authorization header cannot be read."
            ) from None
        return unquote_plus(client_id), unquote_plus(secret)
    for name, status, error, number in _NEEDED:
        if not form.get(name):
            raise OAuthError(status, error, number, f"The request body must contain the parameter '{name}'.")
    return form["client_id"], form["client_secret"]


async def _form(request: AnyRequest) -> dict[str, str]:
    try:
        return await form_of(request)
    except ValueError as error:
        raise OAuthError(400, "invalid_request", 900144, f"{error}.".capitalize()) from None


def _check_tenant(request: AnyRequest, tenant: str) -> None:
    authority: Authority = request.app.state.authority
    if tenant.lower() not in {authority.tenant_id, *ANY_TENANT}:
        text = "Tenant not found: the tenant is 'tenant_id' of identity.json, or 'common'."
        raise OAuthError(400, "invalid_tenant", 90002, text)


def _metadata(base: str, issuer: str, endpoints: str) -> dict[str, Any]:
    return {
        "issuer": f"{base}{issuer}",
        "authorization_endpoint": f"{base}{endpoints}/authorize",
        "token_endpoint": f"{base}{endpoints}/token",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": ["none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": [],
    }


def _seconds_left(request: AnyRequest, granted: SignedIn) -> int:
    service: Service = request.app.state.service
    now: datetime = service.clock()
    return max(int((granted.expires_at - now).total_seconds()), 0)


def _correlation(said: str) -> str:
    """Return the id by which the client knows its request, or one of ours."""
    try:
        return str(UUID(said))
    except ValueError:
        return str(uuid4())


def _answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json; charset=utf-8",
        headers={**NO_STORE, **(headers or {})},
    )
