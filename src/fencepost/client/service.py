"""A running service as an object: its groups, its alerts, and its door for messages."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx2
import msgspec
from msgspec import Struct

from fencepost.client.access import Access
from fencepost.client.requests import Requests, Sleep
from fencepost.model.alert import Alert
from fencepost.model.errors import OperatorError, Problem

PATIENCE = 60.0
"""Seconds of waiting after which a request is given up."""
CONNECTIONS = 32
PAGE = 200

T = TypeVar("T")


class Reject(Struct, frozen=True):
    """What of a request could not be understood: the place of the message, the place in it, and why."""

    index: int
    where: str
    reason: str


class Receipt(Struct, frozen=True):
    """What became of a request's messages, which are on disk now: how much of them was understood."""

    messages: int
    events: int
    quarantined: int = 0
    rejects: tuple[Reject, ...] = ()
    rejects_total: int = 0


class _Page(Struct, frozen=True):
    items: tuple[Alert, ...]
    next: str | None = None


class Service:
    """
    The client of a service, open between `async with`.

    A request that finds the service busy or away is repeated for `patience` seconds; a message may so be
    sent twice, which counts once (S09). Whatever does not mend itself is raised as OperatorError, and so is
    an access that cannot be used. `sleep` is how to wait; `requests` are for other ways to ask.
    """

    def __init__(
        self,
        access: Access,
        *,
        connections: int = CONNECTIONS,
        sleep: Sleep = asyncio.sleep,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.requests = Requests(access, connections=connections, sleep=sleep, transport=transport)
        self.url = self.requests.url

    async def __aenter__(self) -> Self:
        await self.requests.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.requests.__aexit__(kind, error, trace)

    @property
    def repeated(self) -> int:
        """How often requests had to be repeated."""
        return self.requests.repeated

    async def until_ready(self, *, patience: float = PATIENCE) -> None:
        """Return when the service is ready; raises OperatorError at once where nobody answers."""
        await self.requests.until_ready(patience)

    async def put_group(self, name: str, body: Any, *, patience: float = PATIENCE) -> None:
        """Put a group in force; `body` is what groups.yaml says of it."""
        content = msgspec.json.encode(body)
        path, headers = f"/v1/groups/{quote(name, safe='')}", {"Content-Type": "application/json"}
        await self.requests.granted("PUT", path, patience, content=content, headers=headers)

    async def send(self, device_id: str, body: bytes, *, patience: float = PATIENCE) -> Receipt:
        """Send a message of a device, JSON or FlatBuffers; it is on the service's disk when this returns."""
        kind = "application/json" if body.startswith(b"{") else "application/octet-stream"
        path, headers = f"/v1/devices/{quote(device_id, safe='')}/messages", {"Content-Type": kind}
        content = await self.requests.granted("POST", path, patience, content=body, headers=headers)
        return self._understood(content, Receipt)

    async def alerts(self, since: datetime, *, patience: float = PATIENCE) -> AsyncGenerator[Alert, None]:
        """Yield the alerts of which something happened at `since`, by their devices' clocks, or later."""
        params = {"since": since.astimezone(UTC).isoformat(), "limit": str(PAGE)}
        while True:
            content = await self.requests.granted("GET", "/v1/alerts", patience, params=params)
            page = self._understood(content, _Page)
            for alert in page.items:
                yield alert
            if page.next is None:
                return
            params["after"] = page.next

    async def follow(self, on_open: Callable[[], object] = lambda: None) -> AsyncGenerator[Alert, None]:
        """
        Yield alerts as they are opened and change, for ever; after a broken connection those missed first.

        `on_open` is called whenever the service begins to tell. The same state of an alert may come twice.
        """
        async for event in self.requests.events("/v1/alerts/stream", on_open):
            if event.event == "alert":
                yield self._understood(event.data.encode(), Alert)

    def _understood(self, content: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.MsgspecError as error:
            reason = f"its answer is not what this version understands ({error}): is it a Fencepost of another version?"
            raise OperatorError([Problem(self.url, reason)]) from error
