"""A request is repeated while that may help, and the stream of events goes on where it broke off."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from itertools import pairwise

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.client.access import Access
from fencepost.client.requests import LARGEST_ANSWER, LONGEST_SILENCE, Requests
from fencepost.model.errors import OperatorError

ACCESS = Access("https://localhost:8443", "token")
Handler = Callable[[httpx2.Request], httpx2.Response]


class Pauses:
    """Notes how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Chunks(httpx2.AsyncByteStream):
    """A body that comes in pieces, and may break off."""

    def __init__(self, *chunks: bytes, broken: bool = False) -> None:
        self._chunks = chunks
        self._broken = broken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        if self._broken:
            raise httpx2.ReadError("gone")


def answers(*responses: httpx2.Response | httpx2.RequestError) -> Handler:
    following = iter(responses)

    def handler(request: httpx2.Request) -> httpx2.Response:
        response = next(following)
        if isinstance(response, httpx2.RequestError):
            raise response
        return response

    return handler


def granted(handler: Handler, pauses: Pauses, patience: float = 60.0) -> bytes:
    async def go() -> bytes:
        transport = httpx2.MockTransport(handler)
        async with Requests(ACCESS, connections=1, sleep=pauses, transport=transport) as requests:
            content = await requests.granted("GET", "/v1/groups", patience)
            assert requests.repeated == len(pauses.seconds)
            return content

    return asyncio.run(go())


def events(handler: Handler, number: int, pauses: Pauses) -> list[tuple[str, str, str]]:
    async def go() -> list[tuple[str, str, str]]:
        found = []
        transport = httpx2.MockTransport(handler)
        async with (
            Requests(ACCESS, connections=1, sleep=pauses, transport=transport) as requests,
            aclosing(requests.events("/stream", lambda: None)) as stream,
        ):
            async for event in stream:
                found.append((event.id, event.event, event.data))
                if len(found) == number:
                    break
        return found

    return asyncio.run(go())


def stream(*chunks: bytes, broken: bool = False) -> httpx2.Response:
    headers = {"content-type": "text/event-stream"}
    return httpx2.Response(200, headers=headers, stream=Chunks(*chunks, broken=broken))


def test_the_token_goes_with_every_request() -> None:
    seen: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(200, content=b"fine")

    assert granted(handler, Pauses()) == b"fine"
    assert seen == ["Bearer token"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_says(status: int) -> None:
    pauses = Pauses()
    busy = httpx2.Response(status, headers={"Retry-After": "7"})
    assert granted(answers(busy, busy, httpx2.Response(202, content=b"{}")), pauses) == b"{}"
    assert pauses.seconds == [7.0, 7.0]


def test_a_service_that_is_away_is_asked_again_in_growing_pauses() -> None:
    pauses = Pauses()
    away = (httpx2.ConnectError("refused"), httpx2.ReadTimeout("slow"), httpx2.Response(502))
    assert granted(answers(*away, *away, httpx2.Response(200)), pauses) == b""
    assert len(pauses.seconds) == 6
    assert all(later > earlier / 2 for earlier, later in pairwise(pauses.seconds))
    assert pauses.seconds[5] > pauses.seconds[0]


def test_patience_ends() -> None:
    pauses = Pauses()
    busy = httpx2.Response(503, headers={"Retry-After": "25"}, json={"detail": "the disk is full"})
    with pytest.raises(OperatorError, match="the service is busy: the disk is full"):
        granted(lambda _: busy, pauses, patience=60)
    assert pauses.seconds == [25.0, 25.0]


def test_a_service_that_asks_for_more_than_patience_is_not_waited_for() -> None:
    pauses = Pauses()
    with pytest.raises(OperatorError):
        granted(lambda _: httpx2.Response(503, headers={"Retry-After": "3600"}), pauses)
    assert pauses.seconds == []


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 415, 500])
def test_what_another_attempt_cannot_mend_is_not_attempted(status: int) -> None:
    pauses = Pauses()
    with pytest.raises(OperatorError):
        granted(lambda _: httpx2.Response(status), pauses)
    assert pauses.seconds == []


def test_an_answer_without_an_end_is_not_read_to_the_end() -> None:
    chunk = bytes(1 << 20)
    endless = [chunk] * (LARGEST_ANSWER // len(chunk) + 1)
    with pytest.raises(OperatorError, match="an answer of more than"):
        granted(lambda _: httpx2.Response(200, stream=Chunks(*endless)), Pauses(), patience=0)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(
    st.lists(st.tuples(st.integers(1, 10**9), texts), min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.data(),
)
def test_events_are_whole_wherever_the_stream_is_cut(
    said: list[tuple[int, str]], end: str, data: st.DataObject
) -> None:
    lines = [f": still here{end}{end}"]
    for number, text in said:
        lines.append(f"id: {number}{end}event: alert{end}data: {text}{end}{end}")
    content = "".join(lines).encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(content)), max_size=len(content))))
    chunks = [content[first:last] for first, last in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    found = events(answers(stream(*chunks), stream(*chunks)), len(said), Pauses())
    assert found == [(str(number), "alert", text) for number, text in said]


def test_a_stream_that_breaks_goes_on_behind_the_last_event() -> None:
    pauses, asked = Pauses(), []
    parts = answers(
        stream(b"id: 4\nevent: alert\ndata: a\n\nid: 5\nevent: al", broken=True),
        httpx2.ConnectError("refused"),
        httpx2.Response(503, headers={"Retry-After": "3600"}),
        stream(),
        stream(b"id: 6\ndata: b\n\n"),
    )

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.headers.get("last-event-id"))
        return parts(request)

    assert events(handler, 2, pauses) == [("4", "alert", "a"), ("6", "message", "b")]
    assert asked == [None, "4", "4", "4", "4"]
    assert LONGEST_SILENCE in pauses.seconds


@pytest.mark.parametrize("status", [401, 404])
def test_a_stream_that_is_refused_is_given_up(status: int) -> None:
    with pytest.raises(OperatorError):
        events(lambda _: httpx2.Response(status), 1, Pauses())


def test_a_status_that_is_known_is_an_answer_and_needs_no_further_attempt() -> None:
    async def go() -> tuple[int, bytes]:
        transport = httpx2.MockTransport(answers(httpx2.Response(503, content=b"full")))
        async with Requests(ACCESS, connections=1, sleep=Pauses(), transport=transport) as requests:
            answer = await requests.answered("GET", "/devices/a", 60, known={503})
            return answer.status, answer.content

    assert asyncio.run(go()) == (503, b"full")
