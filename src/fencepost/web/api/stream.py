"""`GET /v1/alerts/stream`: alerts as they change, as server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any

from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter
from litestar.response import Stream
from msgspec import Struct, json

from fencepost.model.alert import Alert
from fencepost.model.alert_view import AlertView
from fencepost.model.catalog import Severity
from fencepost.service.feed import OF_ONE, Listener
from fencepost.web.api.access import actor_of, principal_now, requires
from fencepost.web.api.alert_filter import OfGroup, Severities
from fencepost.web.api.alert_views import shown
from fencepost.web.api.documented import number_in, problems_of
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service

KEEP_ALIVE = 15.0
"""Seconds after which a silent stream says that it lives, and in which it ends for whom access is over."""
ASKED_AGAIN = 1.0
"""Seconds for which it is known what a reader may see."""
PART = 500

LastEventId = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", description="Go on behind this event.", max_length=20),
]


class Following(Struct, eq=False):
    """What a reader follows; what they may see is asked again and again, for that may end."""

    request: Request[Any, Any, Any]
    group: str | None
    severities: frozenset[Severity]
    asked_at: float = 0.0
    groups: frozenset[str] | None = None

    @property
    def service(self) -> Service:
        service: Service = self.request.app.state.service
        return service

    def goes_on(self) -> bool:
        """Whether the reader may still see anything."""
        now = time.monotonic()
        if self.asked_at and now - self.asked_at < ASKED_AGAIN:
            return True
        principal = principal_now(self.request)
        if principal is None or not principal.may_somewhere("viewer"):
            return False
        self.asked_at, self.groups = now, principal.groups()
        return True

    def events(self, changes: Iterable[tuple[Alert, int]]) -> bytes:
        """Return the events of the changes that the reader wants and may see."""
        return b"".join(
            b"id: %d\nevent: alert\ndata: %b\n\n" % (position, json.encode(shown(self.service, alert)))
            for alert, position in changes
            if self._wants(alert)
        )

    def _wants(self, alert: Alert) -> bool:
        group = alert.group.casefold()
        if self.groups is not None and group not in self.groups:
            return False
        if self.group is not None and group != self.group.casefold():
            return False
        return not self.severities or alert.severity in self.severities


@get(
    "/v1/alerts/stream",
    guards=[requires("viewer")],
    operation_id="streamAlerts",
    summary="Follow alerts as they change.",
    responses={
        200: ResponseSpec(AlertView, description="Server-sent events.", media_type="text/event-stream"),
        **problems_of(400, 401, 403, 503),
    },
    tags=["alerts"],
)
async def stream_alerts(
    request: Request[Any, Any, Any],
    group: OfGroup = None,
    severities: Severities = None,
    last_event_id: LastEventId = None,
) -> Stream:
    """
    Send an event `alert` for each alert that is opened or changed, at least once.

    The data is the alert as it is then. With Last-Event-ID the stream begins with what has changed since. One user
    or token has at most 20 streams at once.
    """
    service: Service = request.app.state.service
    after = _position(last_event_id)
    listener = service.pipeline.feed.listen(actor_of(request))
    if listener is None:
        reason = f"too many listen already, or one user or token more than {OF_ONE} times at once"
        raise Refused(503, reason, headers={"Retry-After": "30"})
    events = _events(Following(request, group, frozenset(severities or ())), listener, after)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(events, media_type="text/event-stream", headers=headers)


def _position(last_event_id: str | None) -> int | None:
    if last_event_id is None or not last_event_id.strip():
        return None
    position = number_in(last_event_id)
    if position is None:
        raise Refused(400, "Last-Event-ID is the id of an event of this stream")
    return position


async def _events(following: Following, listener: Listener, after: int | None) -> AsyncIterator[bytes]:
    try:
        yield b"retry: 1000\n\n"
        if after is not None:
            async for event in _missed(following, after):
                yield event
        said_at = time.monotonic()
        while following.goes_on():
            try:
                async with asyncio.timeout(said_at + KEEP_ALIVE - time.monotonic()):
                    change = await listener.changes.get()
            except TimeoutError:
                event = b": still here\n\n"
            else:
                if change is None:
                    return  # the reader comes again, and says where it was
                event = following.events([change])
            if event and following.goes_on():
                yield event
                said_at = time.monotonic()
    finally:
        following.service.pipeline.feed.leave(listener)


async def _missed(following: Following, after: int) -> AsyncIterator[bytes]:
    # several alerts may share a position, of which the reader may have seen the first only
    position, alert_id = after - 1, None
    while following.goes_on() and (
        part := await asyncio.to_thread(_changed, following.service, position, alert_id)
    ):
        if events := following.events(part):
            yield events
        position, alert_id = part[-1][1], part[-1][0].alert_id


def _changed(service: Service, position: int, alert_id: str | None) -> list[tuple[Alert, int]]:
    return service.store.changed_after(position, PART, after_id=alert_id)
