"""
What all HTTP calls of an IoT Hub have in common, those of services and those of devices.

Paths whose fixed words are in any case, the `api-version`, bodies within bounds, and errors in its words.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers.base import BaseRouteHandler
from litestar.params import Parameter
from litestar.types import ASGIApp, Receive, Scope, Send

from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.model.hub_error import Dialect, HubError, code_of_status
from fencepost.model.identity import IdentityKey
from fencepost.model.sas import covers, parse_sas
from fencepost.net.tls import PEER_CERTIFICATE, PeerCertificate

FIRST_VERSION = "2016-11-14"
ROOTS = frozenset({"devices", "twins", "statistics"})
REGISTRATIONS = "registrations"
_WORDS = (["devices"], ["devices", "modules"])
_VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(-preview)?", re.ASCII)

_log = logging.getLogger(__name__)

Connection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = Request[Any, Any, Any]
Meaning = Callable[[Any], HubError]
Id = Annotated[str, Parameter(max_length=128)]
"""A part of a path that names something."""
ModuleId = Annotated[str | None, Parameter(max_length=128)]
"""The same of a path that stands with and without a module."""


# paths


def spelled_alike(app: ASGIApp) -> ASGIApp:
    """Return an application that takes the fixed words of an IoT Hub's paths in any case, as a hub does."""

    async def respelled(scope: Scope, receive: Receive, send: Send) -> None:
        if "path" in scope:
            scope["path"] = canonical(scope["path"])
        await app(scope, receive, send)

    return respelled


def canonical(path: str) -> str:
    """Return a path with the fixed words of an IoT Hub in lower case; ids, and other paths, stay as they are."""
    parts = path.split("/")
    words = {place: part.lower() for place, part in enumerate(parts) if part}
    if words.get(1) in ROOTS:
        for place in _fixed(words):
            parts[place] = words[place]
    elif words.get(2) == REGISTRATIONS:
        for place in words.keys() & {2, 4}:
            parts[place] = words[place]
    return "/".join(parts)


def _fixed(words: Mapping[int, str]) -> list[int]:
    """Return the places of a path below a root that hold no id: `/devices/ID/modules/ID/...`."""
    ids = {2} if words[1] != "statistics" else set()
    if words.get(3) == "modules":
        ids.add(4)
    elif words.get(4) == "devicebound":
        ids.add(5)  # the lock of a message
    return [place for place in words if place not in ids]


# what every call needs


def check_version(connection: Connection, _: BaseRouteHandler | None = None) -> None:
    """Raise HubError for a call without an `api-version` that we know; it is a guard."""
    said = connection.query_params.get("api-version", "")
    known = _VERSION.fullmatch(said)
    if known is None or known[1] < FIRST_VERSION:
        reason = "is missing" if not said else "is not one that is supported"
        raise HubError(
            "InvalidProtocolVersion", f"api-version {reason}: send ?api-version=2021-04-12, for example"
        )


def certificate_of(connection: Connection) -> PeerCertificate | None:
    """Return the certificate that the client has shown in its TLS handshake."""
    return (connection.scope.get("state") or {}).get(PEER_CERTIFICATE)


def named_in(token: str) -> IdentityKey | None:
    """Return the identity whose own token this says to be, None for one of a policy, and for no token."""
    try:
        parsed = parse_sas(token)
    except ValueError:
        return None
    parts = parsed.resource.strip("/").split("/")[1:]
    if parsed.policy is not None or [part.lower() for part in parts[::2]] not in _WORDS or len(parts) % 2:
        return None
    return IdentityKey(*parts[1::2])


def reaches(named: IdentityKey, wanted: IdentityKey) -> bool:
    """Whether the token of an identity is one for what is wanted: itself, or with a device its modules."""
    return covers(f"hub/{_resource(named)}", f"hub/{_resource(wanted)}")


def _resource(key: IdentityKey) -> str:
    device = f"devices/{key.device_id}"
    return device if key.module_id is None else f"{device}/modules/{key.module_id}"


async def read_body(request: AnyRequest, most: int, seconds: float) -> bytes:
    """Return a body of at most so many bytes that comes within so many seconds; raises HubError."""
    declared = request.headers.get("content-length", "0")
    _refuse_more_than(most, int(declared) if declared.isdecimal() else 0)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                _refuse_more_than(most, len(body) + len(chunk))
                body += chunk
    except TimeoutError:
        raise HubError("RequestTimedOut", f"the body did not come within {seconds:g} seconds") from None
    return bytes(body)


def _refuse_more_than(most: int, size: int) -> None:
    if size > most:
        raise HubError("MessageTooLarge", f"the body is too large: at most {most} bytes are taken")


# errors


def handlers(
    clock: Callable[[AnyRequest], datetime],
    meanings: Mapping[type[Exception], Meaning],
    dialect: Dialect | None = None,
) -> dict[Any, Any]:
    """
    Return exception handlers; `meanings` says of further exceptions what they are to an IoT Hub.

    With `dialect` all errors are in that one, otherwise each is in its own.
    """

    def handler(meaning: Meaning) -> Callable[[AnyRequest, Exception], Response[bytes]]:
        def handle(request: AnyRequest, error: Exception) -> Response[bytes]:
            meant = meaning(error)
            meant.dialect = dialect or meant.dialect
            return answer(meant, clock(request))

        return handle

    return {kind: handler(meaning) for kind, meaning in {**_MEANINGS, **meanings}.items()}


def answer(error: HubError, at: datetime) -> Response[bytes]:
    """Return an error as an answer."""
    tracking = uuid4().hex.upper()
    headers = {"iothub-errorcode": error.code, "x-ms-request-id": tracking}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return Response(
        error.body(tracking, at), status_code=error.status, media_type="application/json", headers=headers
    )


def _of_http(error: HTTPException) -> HubError:
    """Litestar's own: methods that a path does not have, and parameters that do not fit."""
    return HubError(code_of_status(error.status_code), error.detail)


def _of_operator(error: OperatorError) -> HubError:
    """What the sender must mend is said; what names a file is for who keeps the service running."""
    if any(one.file for one in error.problems):
        _log.error("somebody must act: %s", error)
        return HubError("ServiceUnavailable", "the service needs its operator", retry_after=60)
    return HubError("ArgumentInvalid", "; ".join(str(one) for one in error.problems[:3]))


def _of_store(error: StoreUnavailable) -> HubError:
    _log.warning("a request could not be answered: %s", error)
    return HubError("ServiceUnavailable", "the control store cannot be reached", retry_after=5)


def _of_fault(error: Exception) -> HubError:
    """A fault of ours is loud in the log and says nothing to strangers."""
    _log.error("internal fault", exc_info=error)
    return HubError("ServerError", "an internal fault: it is in the service's log")


_MEANINGS: dict[type[Exception], Meaning] = {
    HubError: lambda error: error,
    HTTPException: _of_http,
    OperatorError: _of_operator,
    StoreUnavailable: _of_store,
    Exception: _of_fault,
}
