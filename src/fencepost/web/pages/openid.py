"""
Sign-in by an OpenID provider: authorization code with PKCE, state and nonce, and an ID token that its keys verify.

What must be remembered between the way out and the way back stays with the browser, sealed by a key that only this
process knows: strangers fill no memory of ours, and a way back that another browser began leads nowhere.
"""

import asyncio
import hmac
import json
import ssl
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from secrets import token_bytes, token_urlsafe
from typing import Any

import httpx2
import msgspec
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from msgspec import Struct

from fencepost.model.errors import FencepostError
from fencepost.web.pages.provider import Provider

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""What may sign an ID token: the provider's own key, never a secret that we share with it, and never nothing."""
KEY_TYPES = frozenset({"RSA", "EC", "OKP"})
PATIENCE = 10.0
LARGEST = 1 << 20
LEEWAY = 60
FRESH = timedelta(hours=1)
"""How long what the provider says of itself is good for."""
ON_THE_WAY = timedelta(minutes=10)
"""How long a person has at the provider."""


class ProviderTrouble(FencepostError):  # noqa: N818 - a state of the world
    """The provider cannot be reached, or says what cannot be used; the text is for the log and the operator."""


class NotVouchedFor(FencepostError):  # noqa: N818 - an answer
    """The provider does not vouch for who came back, or somebody came back who did not go."""


class _Trip(Struct, frozen=True):
    """What is remembered of somebody on their way to the provider and back."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    until: float


class _Known(Struct, frozen=True):
    """What the provider says of itself, and until when it need not be asked again."""

    metadata: dict[str, Any]
    keys: KeySet
    until: datetime


class OpenId:
    """Sign-in by one provider; `clock` gives aware UTC."""

    def __init__(self, provider: Provider, clock: Callable[[], datetime]) -> None:
        self.provider = provider
        self._clock = clock
        self._seal = token_bytes(32)
        self._trusted = ssl.create_default_context()
        self._known: _Known | None = None
        self._asking = asyncio.Lock()

    async def way_out(self, redirect_uri: str) -> tuple[str, str]:
        """Return where a browser is to go, and what it is to keep meanwhile; raises ProviderTrouble."""
        known = await self._about()
        until = (self._clock() + ON_THE_WAY).timestamp()
        trip = _Trip(token_urlsafe(32), token_urlsafe(32), token_urlsafe(48), redirect_uri, until)
        url: str = prepare_grant_uri(
            known.metadata["authorization_endpoint"],
            client_id=self.provider.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=" ".join(self.provider.scopes),
            state=trip.state,
            nonce=trip.nonce,
            code_challenge=create_s256_code_challenge(trip.verifier),
            code_challenge_method="S256",
        )
        return url, self._sealed(trip)

    async def way_back(self, kept: str, answer: Mapping[str, str]) -> dict[str, Any]:
        """
        Return the verified claims of who comes back, from what the browser kept and what the provider answers.

        Raises NotVouchedFor, and ProviderTrouble.
        """
        trip = self._unsealed(kept)
        if trip is None or trip.until <= self._clock().timestamp():
            raise NotVouchedFor("this took too long, or was begun in another browser: begin again")
        if not hmac.compare_digest(trip.state.encode(), answer.get("state", "").encode()):
            raise NotVouchedFor("this is not the way back from where you went: begin again")
        if "error" in answer or not answer.get("code"):
            raise NotVouchedFor("the OpenID provider did not let you through")
        known = await self._about()
        if (issuer := answer.get("iss")) is not None and issuer != self.provider.issuer:
            raise NotVouchedFor("another OpenID provider has answered: begin again")
        tokens = await self._redeemed(known, trip, answer["code"])
        claims = await self._verified(known, tokens, trip.nonce)
        return await self._with_missing(known, tokens, claims)

    # what the browser keeps

    def _sealed(self, trip: _Trip) -> str:
        body = urlsafe_b64encode(msgspec.json.encode(trip)).rstrip(b"=").decode()
        return f"{body}.{self._seal_of(body)}"

    def _unsealed(self, kept: str) -> _Trip | None:
        body, _, seal = kept.partition(".")
        if not hmac.compare_digest(seal.encode(), self._seal_of(body).encode()):
            return None
        return msgspec.json.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=_Trip)

    def _seal_of(self, body: str) -> str:
        return hmac.new(self._seal, body.encode("utf-8", "surrogatepass"), "sha256").hexdigest()

    # what the provider says of itself

    async def _about(self) -> _Known:
        async with self._asking:
            if self._known is None or self._known.until <= self._clock():
                self._known = await self._asked()
            return self._known

    async def _asked(self) -> _Known:
        issuer = self.provider.issuer
        metadata = await self._json("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if metadata.get("issuer") != issuer:
            raise ProviderTrouble(f"the provider says that it is {metadata.get('issuer')!r}, not {issuer!r}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not self._is_safe(metadata.get(name)):
                raise ProviderTrouble(f"the provider's {name} is none that can be used")
        return _Known(metadata, await self._keys(metadata), self._clock() + FRESH)

    async def _keys(self, metadata: Mapping[str, Any]) -> KeySet:
        said = (await self._json("GET", metadata["jwks_uri"])).get("keys")
        usable = [
            key
            for key in (said if isinstance(said, list) else [])
            if isinstance(key, dict) and key.get("kty") in KEY_TYPES and key.get("use", "sig") == "sig"
        ]
        try:
            return KeySet.import_key_set({"keys": usable})
        except (JoseError, ValueError) as error:
            raise ProviderTrouble(f"the provider's keys cannot be read: {type(error).__name__}") from None

    async def _other_keys(self, known: _Known) -> _Known:
        """Ask for the keys anew: the provider may have changed them since."""
        async with self._asking:
            if self._known is known:
                self._known = _Known(known.metadata, await self._keys(known.metadata), known.until)
            return self._known or known

    def _is_safe(self, url: Any) -> bool:
        """Whether an address of the provider is one where nobody listens in, as its issuer's is."""
        plain = "http://" if self.provider.issuer.startswith("http://") else "https://"
        return isinstance(url, str) and url.startswith(("https://", plain))

    # what the provider says of who comes back

    async def _redeemed(self, known: _Known, trip: _Trip, code: str) -> dict[str, Any]:
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=trip.redirect_uri, code_verifier=trip.verifier
        )
        supported = known.metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        method = "client_secret_basic" if "client_secret_basic" in supported else "client_secret_post"
        client = ClientAuth(
            self.provider.client_id,
            self.provider.client_secret,
            method if self.provider.client_secret is not None else "none",
        )
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        url, headers, body = client.prepare("POST", known.metadata["token_endpoint"], headers, body)
        return await self._json("POST", url, headers=headers, content=body)

    async def _verified(self, known: _Known, tokens: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """Return the claims of the ID token; raises NotVouchedFor."""
        raw = tokens.get("id_token")
        if not isinstance(raw, str):
            raise ProviderTrouble("the provider gave no ID token: is openid among the scopes?")
        try:
            token = _decoded(raw, known.keys)
        except (JoseError, ValueError):
            token = await self._decoded_anew(raw, known)
        params = {
            "nonce": nonce,
            "client_id": self.provider.client_id,
            "access_token": tokens.get("access_token"),
        }
        options = {
            "iss": {"essential": True, "value": self.provider.issuer},
            "aud": {"essential": True, "value": self.provider.client_id},
        }
        claims = CodeIDToken(token.claims, token.header, options, params)
        try:
            claims.validate(now=int(self._clock().timestamp()), leeway=LEEWAY)
        except (JoseError, ValueError, TypeError) as error:
            raise NotVouchedFor(
                f"the OpenID provider's word cannot be taken: {type(error).__name__}"
            ) from None
        return dict(claims)

    async def _decoded_anew(self, raw: str, known: _Known) -> jwt.Token:
        try:
            return _decoded(raw, (await self._other_keys(known)).keys)
        except (JoseError, ValueError) as error:
            raise NotVouchedFor(
                f"the OpenID provider's word cannot be verified: {type(error).__name__}"
            ) from None

    async def _with_missing(
        self, known: _Known, tokens: Mapping[str, Any], claims: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the claims with those that the provider gives only at its own endpoint."""
        wanted = (self.provider.username_claim, self.provider.groups_claim)
        url, access_token = known.metadata.get("userinfo_endpoint"), tokens.get("access_token")
        if (
            all(name in claims for name in wanted)
            or not self._is_safe(url)
            or not isinstance(access_token, str)
        ):
            return claims
        more = await self._json("GET", str(url), headers={"Authorization": f"Bearer {access_token}"})
        if more.get("sub") != claims["sub"]:
            raise NotVouchedFor("the OpenID provider speaks of somebody else")
        return {**more, **claims}

    async def _json(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        """Return what the provider answers; raises ProviderTrouble."""
        try:
            async with (
                httpx2.AsyncClient(timeout=PATIENCE, verify=self._trusted) as client,
                client.stream(method, url, **request) as answer,
            ):
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST:
                        raise ProviderTrouble(f"{url} answers with more than {LARGEST} bytes")
                status = answer.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ProviderTrouble(f"{url} cannot be reached: {type(error).__name__}") from None
        try:
            said = json.loads(body) if status == httpx2.codes.OK else None
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise ProviderTrouble(f"{url} answers {status}, and nothing that can be used")
        return said


def _decoded(raw: str, keys: KeySet) -> jwt.Token:
    return jwt.decode(raw, keys, registry=JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False))
