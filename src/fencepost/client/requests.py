"""Requests to a service, repeated while it is busy or away."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Container, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from random import random
from time import monotonic
from types import TracebackType
from typing import Any, Self

import httpx2
from msgspec import Struct

from fencepost.client import trouble
from fencepost.client.access import Access, check, is_loopback, trust
from fencepost.client.retry import AGAIN, pause, retry_after
from fencepost.model.errors import OperatorError, Problem

LARGEST_ANSWER = 64 << 20
LONGEST_SILENCE = 60.0
"""Seconds after which a stream is asked for again, whatever the service says."""
ENDING = 2.0
"""Seconds that requests under way have in the end."""
_SPARE = 4
"""Connections besides those for messages: for the stream of alerts, and for questions."""
_USUAL = httpx2.Timeout(15, connect=5)
_LISTENING = httpx2.Timeout(5, read=45)
"""A stream says something every 15 seconds at least."""

Sleep = Callable[[float], Awaitable[object]]


class Answer(Struct, frozen=True):
    """What a service said; `headers` have names without case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Setback(Struct, frozen=True):
    """
    Why a request was not granted, and in how many seconds it may be (None: nobody knows).

    `answered` says that somebody said no; otherwise nobody said anything. `answer` is what was said, word by
    word, where it was said to a request of its own.
    """

    problem: Problem
    answered: bool
    wait: float | None = None
    is_lasting: bool = False
    answer: Answer | None = None

    def pause_after(self, attempt: int) -> float:
        """Return the seconds until the next attempt, the first being 0."""
        return pause(attempt, random) if self.wait is None else self.wait


class Requests:
    """
    Requests to the service of an access, open between `async with`; `url` is its address.

    `repeated` counts how often any of them had to be repeated; `sleep` is how they wait.
    """

    def __init__(
        self,
        access: Access,
        *,
        connections: int,
        sleep: Sleep = asyncio.sleep,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        check(access)
        self.url = access.url.rstrip("/")
        self.repeated = 0
        self.sleep = sleep
        self._under_way: set[asyncio.Task[Answer | Setback]] = set()
        open_at_once = connections + _SPARE
        self._client = httpx2.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {access.token}"},
            verify=trust(access) if transport is None else False,
            timeout=_USUAL,
            limits=httpx2.Limits(max_connections=open_at_once, max_keepalive_connections=open_at_once),
            trust_env=not is_loopback(httpx2.URL(access.url).host),
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=ENDING)
        for task in self._under_way:
            task.cancel()
        await self._client.__aexit__(kind, error, trace)

    async def until_ready(self, patience: float) -> None:
        """Return when the service is ready; raises OperatorError at once where nobody answers."""
        outcome = await self.attempt("GET", "/readyz")
        if isinstance(outcome, Setback):
            if not outcome.answered:
                raise OperatorError([outcome.problem])
            await self.granted("GET", "/readyz", patience)

    async def granted(self, method: str, path: str, patience: float, **request: Any) -> bytes:
        """Return the content of the answer to a request that was granted; see `answered`."""
        return (await self.answered(method, path, patience, **request)).content

    async def answered(
        self, method: str, path: str, patience: float, *, known: Container[int] = (), **request: Any
    ) -> Answer:
        """
        Return the answer to a request that was granted, or whose status is one of the `known`.

        One that finds the service busy or away is repeated, as the service asks and else with growing
        pauses, until all of it takes more than `patience` seconds. Raises OperatorError.
        """
        spent, attempt, begun = 0.0, 0, monotonic()
        while isinstance(outcome := await self.attempt(method, path, **request), Setback):
            if outcome.answer is not None and outcome.answer.status in known:
                return outcome.answer
            wait = outcome.pause_after(attempt)
            spent += monotonic() - begun + wait
            if outcome.is_lasting or spent > patience:
                raise OperatorError([outcome.problem])
            self.repeated += 1
            await self.sleep(wait)
            attempt, begun = attempt + 1, monotonic()
        return outcome

    def trouble_with(self, answer: Answer) -> Problem:
        """Return what an answer that is an error says."""
        return trouble.of_answer(answer.status, answer.content, self.url)

    async def attempt(self, method: str, path: str, **request: Any) -> Answer | Setback:
        """
        Make a request once.

        It is brought to its end also where nobody waits for that any more: a connection that is being made
        would be left open by the library if it was cancelled.
        """
        task = asyncio.create_task(self._attempt(method, path, request))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _attempt(self, method: str, path: str, request: dict[str, Any]) -> Answer | Setback:
        try:
            async with self._client.stream(method, path, **request) as response:
                return await self._judged(response)
        except httpx2.RequestError as error:
            return self._set_back(error)

    async def events(
        self, path: str, on_open: Callable[[], object]
    ) -> AsyncGenerator[httpx2.ServerSentEvent, None]:
        """
        Yield the events of a stream for ever; a broken connection goes on behind the last event.

        `on_open` is called whenever the service begins to tell. Raises OperatorError.
        """
        last, failures = "", 0
        while True:
            try:
                async with self._stream(path, last) as source:
                    outcome = await self._judged(source.response, whole=False)
                    if isinstance(outcome, Answer):
                        failures = 0
                        on_open()
                        async for event in source:
                            last = event.id or last
                            yield event
                        outcome = Setback(Problem(self.url, "the stream has ended"), answered=True)
            except httpx2.RequestError as error:
                outcome = self._set_back(error)
            if outcome.is_lasting:
                raise OperatorError([outcome.problem])
            await self.sleep(min(outcome.pause_after(failures), LONGEST_SILENCE))
            failures += 1

    def _stream(self, path: str, last: str) -> AbstractAsyncContextManager[httpx2.EventSource]:
        headers = {"Last-Event-ID": last} if last else {}
        return self._client.sse(path, headers=headers, timeout=_LISTENING)

    async def _judged(self, response: httpx2.Response, *, whole: bool = True) -> Answer | Setback:
        status = response.status_code
        if response.is_success and not whole:
            return Answer(status, response.headers, b"")
        content = await _content(response)
        answer = Answer(status, response.headers, content)
        if response.is_success:
            return answer
        return Setback(
            trouble.of_answer(status, content, self.url),
            answered=True,
            wait=retry_after(response.headers, datetime.now(UTC)),
            is_lasting=status not in AGAIN,
            answer=answer,
        )

    def _set_back(self, error: httpx2.RequestError) -> Setback:
        problem = trouble.of_transport(error, self.url)
        return Setback(problem, answered=False, is_lasting=trouble.is_lasting(error))


async def _content(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > LARGEST_ANSWER:
            raise httpx2.RemoteProtocolError(f"an answer of more than {LARGEST_ANSWER} bytes")
    return bytes(content)
