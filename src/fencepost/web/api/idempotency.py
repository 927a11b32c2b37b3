"""
`Idempotency-Key`: a request that comes again is not carried out again, and has the first answer.

The key is durable before anything is done, and the answer before it is sent. So nothing is done twice, whatever
happens between; where the service was killed meanwhile, it is said that nobody knows whether it was done.
"""

import asyncio
import logging
import re
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.types import Message, Scope
from msgspec import Struct, field, json

from fencepost.model.access import Principal
from fencepost.model.errors import OperatorError, Problem, StoreUnavailable
from fencepost.model.kept_answer import KeptAnswer
from fencepost.web.api.problems import UNFINISHED, Refused
from fencepost.web.api.service import Service

HEADER = "Idempotency-Key"
LONGEST_KEY = 128
PATTERN = f"^[!-~]{{1,{LONGEST_KEY}}}$"
LARGEST_BODY = 64 << 10
"""Bytes of a request that may have a key."""
WITHOUT = frozenset({"sendMessages", "signIn"})
"""Operations that know no keys: messages are known by what they say, and who signs in is nobody yet."""
NOT_YET = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""With these nothing was done, and the request may come again."""
KEPT_HEADERS = ("content-type", "etag", "location")
_OPEN = "fencepost_kept_answer"

_is_key = re.compile(PATTERN).fullmatch
_log = logging.getLogger(__name__)


class Place(Struct, frozen=True):
    """Where an answer is kept: by who asked, and their key."""

    actor: str
    key: str


class _Open(Struct):
    """An answer on its way; what no cache may keep holds a secret, and is not kept here either."""

    place: Place
    status: int = 0
    is_secret: bool = False
    headers: dict[str, str] = {}
    body: list[bytes] = field(default_factory=list)


class Answers:
    """The answers that are kept; `running` are the places of requests that are being carried out."""

    def __init__(self) -> None:
        self._running: set[Place] = set()

    async def before(self, request: Request[Any, Any, Any]) -> Response[bytes] | None:
        """Return the first answer to a request that was sent before, None where it is to be carried out."""
        key = request.headers.get(HEADER)
        operation = getattr(request.scope.get("route_handler"), "operation_id", None)
        principal = request.scope.get("auth")
        if key is None or request.method != "POST" or not request.url.path.startswith("/v1/"):
            return None
        if principal is None or operation in WITHOUT:
            return None
        place, fingerprint = Place(principal.actor, _checked(key)), await _fingerprint(request, principal)
        if place in self._running:
            raise Refused(
                409, f"a request with this {HEADER} is being carried out: ask again when it is done"
            )
        self._running.add(place)
        try:
            known = await self._begun(request, place, fingerprint)
        except BaseException:
            self._running.discard(place)
            raise
        if known is None:
            request.scope[_OPEN] = _Open(place)  # type: ignore[literal-required]
            return None
        self._running.discard(place)
        return _again(known, fingerprint)

    async def _begun(
        self, request: Request[Any, Any, Any], place: Place, fingerprint: bytes
    ) -> KeptAnswer | None:
        service: Service = request.app.state.service
        return await asyncio.to_thread(
            service.store.begin_answer, place.actor, place.key, fingerprint, service.clock()
        )

    async def on_send(self, message: Message, scope: Scope) -> None:
        """Keep an answer before its last part is sent."""
        answer: _Open | None = scope.get(_OPEN)  # type: ignore[assignment]
        if answer is None:
            return
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]
            }
            answer.is_secret = "no-store" in headers.get("cache-control", "")
            answer.headers = {name: value for name, value in headers.items() if name in KEPT_HEADERS}
        elif message["type"] == "http.response.body":
            answer.body.append(message["body"])
            if not message.get("more_body", False):
                await self._keep(answer, scope)

    async def _keep(self, answer: _Open, scope: Scope) -> None:
        service: Service = scope["litestar_app"].state.service
        place = answer.place
        is_refusal = answer.status >= HTTPStatus.BAD_REQUEST
        body = None if answer.is_secret and not is_refusal else b"".join(answer.body)
        try:
            if answer.status in NOT_YET:
                if not scope.get(UNFINISHED):
                    await asyncio.to_thread(service.store.forget_answer, place.actor, place.key)
            else:
                await asyncio.to_thread(
                    service.store.keep_answer, place.actor, place.key, answer.status, answer.headers, body
                )
        except StoreUnavailable as error:
            _log.warning("an answer could not be kept for its key: %s", error)
        finally:
            self._running.discard(place)


def _checked(key: str) -> str:
    if not _is_key(key):
        raise OperatorError([Problem(HEADER, f"has 1 to {LONGEST_KEY} visible ASCII characters")])
    return key


async def _fingerprint(request: Request[Any, Any, Any], principal: Principal) -> bytes:
    """An answer is for who may what they might then: who may less by now, or is another of that name, has none."""
    body = await request.body()
    if len(body) > LARGEST_BODY:
        raise Refused(413, f"a request with an {HEADER} has at most {LARGEST_BODY} bytes")
    return fingerprint_of(request.url.path, request.url.query, json.encode(principal.grants) + body)


def fingerprint_of(path: str, query: str, body: bytes) -> bytes:
    """Return what tells a request from others."""
    target = f"{path}?{query}\n".encode("utf-8", "surrogatepass")
    return blake2b(target + body, digest_size=32).digest()


def _again(known: KeptAnswer, fingerprint: bytes) -> Response[bytes]:
    if known.fingerprint != fingerprint:
        raise Refused(422, f"this {HEADER} was sent with another request, or other roles: take a new one")
    if known.status is None:
        raise Refused(
            409,
            f"the service was stopped while it carried out the request with this {HEADER}: look whether it is done,"
            " and take a new key where it is not",
        )
    if known.body is None:
        raise Refused(
            409, f"the request with this {HEADER} was carried out; its answer held a secret, and is not kept"
        )
    media_type = known.headers.get("content-type", "application/json")
    headers = {name: value for name, value in known.headers.items() if name != "content-type"}
    return Response(
        known.body,
        status_code=known.status,
        media_type=media_type,
        headers={**headers, "Idempotent-Replayed": "true"},
    )
