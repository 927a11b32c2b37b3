"""Answers as the connection needs them: in parts that a client must take, and without a body for HEAD."""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from msgspec import json

from fencepost.web.api.problems import PROBLEM_JSON, Problem

Send = Callable[[Any], Awaitable[None]]

PART = 64 << 10
"""Bytes of a body that are written before it is seen whether the client takes them."""


async def answer(app: Any, scope: Any, receive: Any, send: Send) -> None:
    """Run an application; HEAD is answered as GET, by the head alone (RFC 9110, 9.3.2)."""
    if scope["method"] == "HEAD":
        await app({**scope, "method": "GET"}, receive, partial(_send_head, send))
    else:
        await app(scope, receive, partial(_send_in_parts, send))


def problem(status: int, detail: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the last answer of a connection, as it is sent: a problem (RFC 9457)."""
    title = HTTPStatus(status).phrase
    body = json.encode(Problem(status=status, title=title, detail=detail))
    lines = [
        *headers,
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    head = b"".join(b"%b: %b\r\n" % line for line in lines)
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, title.encode(), head, body)


async def _send_head(send: Send, message: Any) -> None:
    if message["type"] == "http.response.start":
        await send(message)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_in_parts(send: Send, message: Any) -> None:
    body = message.get("body", b"")
    if len(body) > PART:
        rest = memoryview(body)
        while len(rest) > PART:
            await send({"type": "http.response.body", "body": rest[:PART], "more_body": True})
            rest = rest[PART:]
        message = {**message, "body": rest}
    await send(message)
