"""`POST /v1/devices/{device_id}/messages`: the door for what devices say."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import Any

from litestar import Request, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody
from litestar.openapi.spec import Schema as OpenAPISchema
from msgspec import Struct, json

from fencepost.model.entry import Received, TurnedAway
from fencepost.model.errors import DeviceError
from fencepost.model.event import SecurityMessage
from fencepost.service.judge import understand
from fencepost.service.pipeline import Busy, Item
from fencepost.web.api.access import serves
from fencepost.web.api.documented import DeviceId, problems_of
from fencepost.web.api.problems import Refused
from fencepost.web.api.service import Service

ONE = ("application/json", "application/octet-stream")
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
MOST_MESSAGES = 8_000
"""Messages of one request: each costs us more than the three bytes that it may have."""
LISTED = 100
"""Rejects that an answer names one by one."""
QUICK = 64 << 10
"""Bytes that are decoded at once; more are in a thread, so that others need not wait."""
PART = 256 << 10
"""Bytes of one device's request that are handed on together; the rest waits, so that others come between."""
MOST_PATIENCE = 600.0
"""Seconds that the rest of a request may wait whose beginning is kept already."""
MESSAGE = {
    "AgentVersion": "0.0.1",
    "AgentId": "e89dc5f5-feac-4c3e-87e2-93c16f010c25",
    "MessageSchemaVersion": "1.0",
    "Events": [
        {
            "EventType": "Security",
            "Category": "Triggered",
            "Name": "ProcessCreate",
            "IsEmpty": False,
            "PayloadSchemaVersion": "1.0",
            "Id": "21a2db0b-44fe-42e9-9cff-bbb2d8fdf874",
            "TimestampLocal": "2026-11-24T10:37:58Z",
            "TimestampUTC": "2026-11-24T09:37:58Z",
            "Payload": [{"Executable": "/usr/bin/ls", "CommandLine": "ls -l", "UserId": "0", "ProcessId": 6}],
        }
    ],
}
"""An example of what a legacy agent sends."""
_decoding = ThreadPoolExecutor(2, "fencepost-decoding")


class TooLarge(DeviceError):  # noqa: N818 - an outcome
    """A message that is larger than any may be."""


Said = SecurityMessage | DeviceError


class Reject(Struct, frozen=True):
    """What of a message could not be decoded: `index` counts the messages of the request from 0."""

    index: int
    where: str
    reason: str


class Accepted(Struct, frozen=True, kw_only=True):
    """
    `messages` are on disk. `events` could be decoded and are judged; `quarantined` messages could not be.

    `turned_away` are messages that are not kept, because they are too large. `rejects` names the first
    hundred of `rejects_total` refusals.
    """

    messages: int
    events: int
    quarantined: int
    turned_away: int
    rejects: tuple[Reject, ...]
    rejects_total: int


class MessagesOperation(Operation):
    """Documents a body that is read by hand."""

    def __post_init__(self) -> None:
        text = OpenAPISchema(description="A security message of the legacy agent, schema 1.0.")
        lines = OpenAPISchema(description="One message a line.")
        flat = OpenAPISchema(description="A message of the ThreadX security module.")
        self.request_body = RequestBody(
            required=True,
            content={
                "application/json": OpenAPIMediaType(schema=text, example=MESSAGE),
                "application/x-ndjson": OpenAPIMediaType(schema=lines, example=json.encode(MESSAGE).decode()),
                "application/octet-stream": OpenAPIMediaType(schema=flat),
            },
        )


@post(
    "/v1/devices/{device_id:str}/messages",
    status_code=202,
    guards=[serves("ingest")],
    operation_class=MessagesOperation,
    operation_id="sendMessages",
    summary="Send security messages of a device.",
    responses=problems_of(400, 401, 403, 404, 408, 413, 415, 503),
    tags=["messages"],
    request_max_body_size=None,
)
async def send_messages(device_id: DeviceId, request: Request[Any, Any, Any]) -> Accepted:
    """
    Take one message, or one a line, and answer when they are on disk.

    A message that cannot be decoded is kept in quarantine with its reason, and does not stop the others.
    """
    service: Service = request.app.state.service
    media_type = _media_type(request)
    _refuse_unknown(service, device_id)
    body = await _read(request, service)
    try:
        bodies = _split(service, body, media_type)
        said = await _decoded(service, bodies, len(body))
        await _submit(service, device_id, bodies, said)
    finally:
        service.intake.give_back(len(body))
    return _accepted(service, said)


def _media_type(request: Request[Any, Any, Any]) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "send the body as it is, without a Content-Encoding")
    if media_type not in (*ONE, *LINES):
        reason = f"the content type is one of {', '.join((*ONE, *LINES))}"
        raise Refused(415, reason)
    return media_type


def _refuse_unknown(service: Service, device_id: str) -> None:
    if service.limits.register == "refuse" and not service.pipeline.processor.detector.knows(device_id):
        service.counters.unknown_devices += 1
        raise Refused(404, "the device is not registered: PUT /v1/devices/{device_id} first")


async def _read(request: Request[Any, Any, Any], service: Service) -> bytes:
    """Return the body, read within its bounds of size and time; its bytes are held at the intake."""
    limits = service.limits
    _refuse_more_than(service, limits.body_bytes, int(request.headers.get("content-length", "0")))
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                _refuse_more_than(service, limits.body_bytes, len(body) + len(chunk))
                service.intake.hold(len(chunk))
                body += chunk
    except TimeoutError:
        service.intake.give_back(len(body))
        service.counters.timeouts += 1
        raise Refused(408, f"the body did not come within {limits.body_seconds:g} seconds") from None
    except BaseException:
        service.intake.give_back(len(body))
        raise
    return bytes(body)


def _refuse_more_than(service: Service, most: int, size: int) -> None:
    if size > most:
        service.counters.too_large += 1
        raise Refused(413, f"a request has at most {most} bytes")


def _split(service: Service, body: bytes, media_type: str) -> list[bytes]:
    if media_type in ONE:
        if len(body) > (most := service.limits.message_bytes):
            service.counters.too_large += 1
            raise Refused(413, f"the message has {len(body)} bytes, a message has at most {most}")
        return [body]
    bodies = [line for line in body.split(b"\n") if line.strip()]
    if not bodies:
        raise Refused(400, "there is no message in the body")
    if len(bodies) > MOST_MESSAGES:
        raise Refused(413, f"a request has at most {MOST_MESSAGES} messages")
    return bodies


async def _decoded(service: Service, bodies: Sequence[bytes], size: int) -> list[Said]:
    most = service.limits.message_bytes
    if size <= QUICK:
        return [_understood(body, most) for body in bodies]
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_decoding, lambda: [_understood(body, most) for body in bodies])


def _understood(body: bytes, most: int) -> Said:
    if len(body) > most:
        return TooLarge(f"too large: {len(body)} bytes, at most {most} are taken")
    return understand(body)


async def _submit(service: Service, device_id: str, bodies: Sequence[bytes], said: Sequence[Said]) -> None:
    at = service.clock()
    items = [_item(device_id, at, body, one) for body, one in zip(bodies, said, strict=True)]
    try:
        for number, part in enumerate(_parts(items)):
            # what is kept in part must not be refused: it would come again as a whole
            await service.pipeline.submit(part, patience=MOST_PATIENCE if number else None)
    except Busy:
        service.counters.busy += 1
        raise


def _parts(items: Sequence[Item]) -> Iterator[list[Item]]:
    part: list[Item] = []
    size = 0
    for item in items:
        if part and size + item.bytes > PART:
            yield part
            part, size = [], 0
        part.append(item)
        size += item.bytes
    yield part


def _item(device_id: str, at: datetime, body: bytes, said: Said) -> Item:
    if isinstance(said, TooLarge):
        return Item(TurnedAway(device_id, at, len(body), said.reason))
    return Item(Received(device_id, at, body), said)


def _accepted(service: Service, said: Sequence[Said]) -> Accepted:
    total = sum(1 if isinstance(one, DeviceError) else len(one.rejected) for one in said)
    turned_away = sum(isinstance(one, TooLarge) for one in said)
    unreadable = sum(isinstance(one, DeviceError) for one in said)
    events = sum(len(one.events) for one in said if isinstance(one, SecurityMessage))
    counters = service.counters
    counters.messages += len(said) - turned_away
    counters.events += events
    counters.too_large += turned_away
    counters.rejected_messages += unreadable - turned_away
    counters.rejected_parts += total - unreadable
    return Accepted(
        messages=len(said) - turned_away,
        events=events,
        quarantined=unreadable - turned_away,
        turned_away=turned_away,
        rejects=tuple(islice(_rejects(said), LISTED)),
        rejects_total=total,
    )


def _rejects(said: Sequence[Said]) -> Iterator[Reject]:
    for index, one in enumerate(said):
        if isinstance(one, DeviceError):
            yield Reject(index, one.where, one.reason)
        else:
            yield from (Reject(index, part.where, part.reason) for part in one.rejected)
