"""`POST /devices/query`: the twins that a query asks for, page by page."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.exceptions import MethodNotAllowedException
from msgspec import Meta, Struct

from fencepost.model.hub_error import HubError
from fencepost.model.identity import Identity, IdentityKey, Twin
from fencepost.model.page import Page
from fencepost.net.hub_http import AnyRequest, Id
from fencepost.web.azure.iothub.access import takes
from fencepost.web.azure.iothub.bodies import twin_shown
from fencepost.web.azure.iothub.calls import SHARED, body_of
from fencepost.web.azure.iothub.query import Query, QueryError, holds, parse, projected
from fencepost.web.azure.iothub.service import HubService

USUAL, MOST = 100, 1000
"""Rows of a page: where nobody asks for a number, and at most."""
LARGEST = 4 << 20
"""Bytes of a page, give or take a twin."""
PIECE = 100
"""Twins that are read at once."""
TURN = 0.01
"""Seconds that are spent on twins before others have their turn: a condition may compare whole sections."""
WAITING = "cloudToDeviceMessageCount"
CONTINUATION = "x-ms-continuation"

Piece = Page[tuple[Identity, Twin]]


class QueryBody(Struct, frozen=True):
    query: str


class Place(Struct, frozen=True, array_like=True):
    """Where a page ends: behind an identity in the piece that the registry gives for `after`."""

    of_query: Annotated[str, Meta(max_length=32)]
    after: Annotated[str, Meta(max_length=2000)] | None = None
    last: IdentityKey | None = None


@post("/devices/{device_id:str}", status_code=200, guards=[takes("RegistryRead")], **SHARED)
async def query_twins(request: AnyRequest, device_id: Id) -> Response[bytes]:
    """
    Return what a query finds, in the order of the ids.

    While there may be more, `x-ms-continuation` is what to ask the next page with.
    """
    if device_id.lower() != "query":
        raise MethodNotAllowedException
    hub: HubService = request.app.state.hub
    text = (await body_of(request, QueryBody)).query
    query = _parsed(text)
    search = _Search(hub, query)
    if query.counted is not None:
        return _answer(query, [msgspec.json.encode({query.counted: await search.number()})], None)
    start = _read(request.headers.get(CONTINUATION), text)
    rows, end = await search.page(start, _most(request))
    return _answer(query, rows, end)


def _parsed(text: str) -> Query:
    try:
        return parse(text)
    except QueryError as error:
        raise HubError("ArgumentInvalid", f"the query cannot be understood: {error}") from None


def _most(request: AnyRequest) -> int:
    said = request.headers.get("x-ms-max-item-count", "")
    number = int(said) if said.isascii() and said.isdecimal() and len(said) <= len(str(MOST)) else USUAL
    return min(number, MOST) or USUAL


def _answer(query: Query, rows: list[bytes], end: Place | None) -> Response[bytes]:
    headers = {"x-ms-item-type": "Twin" if query.is_whole else "Raw"}
    if end is not None:
        headers[CONTINUATION] = _written(end)
    body = b"[%b]" % b",".join(rows)
    return Response(body, status_code=200, media_type="application/json; charset=utf-8", headers=headers)


# the twins


class _Search:
    """Looks through the collection of a query, piece by piece."""

    def __init__(self, hub: HubService, query: Query) -> None:
        self._hub = hub
        self._query = query
        named = {str(path.steps[0]).lower() for path in query.paths()}
        self._asks_for_waiting = WAITING.lower() in named
        self._loop = asyncio.get_running_loop()
        self._turn_ends = self._loop.time() + TURN

    async def number(self) -> int:
        """Return how many twins are asked for."""
        number = 0
        async for piece, _ in self._pieces(None):
            for identity, twin in piece.items:
                number += await self._holds(await self._document(identity, twin))
        return number

    async def page(self, start: Place, most: int) -> tuple[list[bytes], Place | None]:
        """Return the rows behind a place, encoded, and where they end; None where there are no more."""
        rows: list[bytes] = []
        size, last = 0, start.last
        async for piece, after in self._pieces(start.after):
            for identity, twin in _behind(last, piece.items):
                document = await self._document(identity, twin)
                if await self._holds(document):
                    rows.append(msgspec.json.encode(await self._row(identity.key, document)))
                    size += len(rows[-1])
                    if len(rows) == most or size >= LARGEST:
                        return rows, _end(start.of_query, piece, after, identity.key)
            last = None
        return rows, None

    async def _pieces(self, after: str | None) -> AsyncIterator[tuple[Piece, str | None]]:
        """Yield the collection from a place on, each piece with what it was asked for with."""
        modules = self._query.collection == "modules"
        while True:
            piece = await self._hub.registry.twins(after=after, limit=PIECE, modules=modules)
            yield piece, after
            if piece.after is None:
                return
            after = piece.after
            await asyncio.sleep(0)

    async def _document(self, identity: Identity, twin: Twin) -> dict[str, Any]:
        """Return a twin as a query sees it; messages that wait are counted where it asks for them."""
        waiting = await self._waiting(identity.key) if self._asks_for_waiting else 0
        return twin_shown(identity, twin, self._hub.sessions, waiting)

    async def _holds(self, document: dict[str, Any]) -> bool:
        """Return whether a twin is asked for, once others have had their turn."""
        if self._loop.time() > self._turn_ends:
            await asyncio.sleep(0)
            self._turn_ends = self._loop.time() + TURN
        return holds(self._query, document)

    async def _row(self, key: IdentityKey, document: dict[str, Any]) -> dict[str, Any]:
        row = projected(self._query, document)
        return {**row, WAITING: await self._waiting(key)} if self._query.is_whole else row

    async def _waiting(self, key: IdentityKey) -> int:
        return await self._hub.downlink.pending(key.device_id) if key.module_id is None else 0


def _behind(last: IdentityKey | None, items: list[tuple[Identity, Twin]]) -> list[tuple[Identity, Twin]]:
    """Return what of a piece comes behind an identity, which may be gone by now."""
    return items if last is None else [one for one in items if _sorted(one[0].key) > _sorted(last)]


def _sorted(key: IdentityKey) -> tuple[str, str]:
    """Return what the registry sorts by: ids are ASCII, and stand bytewise."""
    return key.device_id, key.module_id or ""


def _end(of_query: str, piece: Piece, after: str | None, last: IdentityKey) -> Place | None:
    if piece.items[-1][0].key != last:
        return Place(of_query, after, last)
    return Place(of_query, piece.after) if piece.after is not None else None


# the places


def _written(place: Place) -> str:
    return urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _read(said: str | None, query: str) -> Place:
    """Return where to begin; raises HubError for a place that is none of this query's."""
    of_query = sha256(query.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    if not said:
        return Place(of_query)
    try:
        place = msgspec.json.decode(urlsafe_b64decode(said.encode("ascii")), type=Place)
    except (ValueError, msgspec.MsgspecError):
        place = None
    if place is None or place.of_query != of_query:
        reason = f"{CONTINUATION} is none of this query's: take it from the page before, or leave it out"
        raise HubError("ArgumentInvalid", reason)
    return place
