"""What the calls have in common: errors in the words of the service, bodies within bounds, answers in JSON."""

from typing import Any

import msgspec
from litestar import Response

from fencepost.net.hub_http import AnyRequest, read_body
from fencepost.web.azure.iothub.bodies import T, read
from fencepost.web.azure.iothub.errors import HANDLERS
from fencepost.web.azure.iothub.service import HubService

SHARED: dict[str, Any] = {
    "exception_handlers": HANDLERS,
    "include_in_schema": False,
    "request_max_body_size": None,
}
"""What all handlers are made with: Microsoft documents them, and bodies are bounded where they are read."""
LARGEST = 4 << 20
"""Bytes of a body: a hundred devices with their twins."""


async def body_of(request: AnyRequest, shape: type[T]) -> T:
    """Return the body as this shape; raises HubError. Clients written in C count the NUL behind a text."""
    hub: HubService = request.app.state.hub
    return read(shape, (await read_body(request, LARGEST, hub.body_seconds)).rstrip(b"\0"))


def if_match(request: AnyRequest) -> str | None:
    """Return the ETag that must still stand, without its quotes: `*` for any, None where none is given."""
    said = request.headers.get("if-match")
    if said is None:
        return None
    return said.strip().removeprefix("W/").strip('"')


def answered(body: Any, *, etag: str | None = None, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Return an answer in JSON; `etag` is bare."""
    tagged = {"ETag": f'"{etag}"'} if etag is not None else {}
    return Response(
        msgspec.json.encode(body),
        status_code=200,
        media_type="application/json; charset=utf-8",
        headers={**tagged, **(headers or {})},
    )
