"""Calls of the management API: what is sent, what may be answered, and what an answer is read as."""

from collections.abc import AsyncGenerator, Collection, Mapping
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import msgspec

from fencepost.client.requests import Answer, Requests
from fencepost.client.trouble import ProblemDetails
from fencepost.model.errors import OperatorError, Problem

PATIENCE = 20.0
"""Seconds of waiting after which a call is given up."""
LONGEST_EDIT = 60.0
"""Seconds in which an edit is answered: it is carried out by then."""
PAGE = 1000

OK, CREATED, BAD, FORBIDDEN, MISSING, CONFLICT, OUTDATED, UNPROCESSABLE = (
    200,
    201,
    400,
    403,
    404,
    409,
    412,
    422,
)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Paged(Protocol[T_co]):
    """A page of a list; `next` asks for the one behind it."""

    @property
    def items(self) -> tuple[T_co, ...]: ...
    @property
    def next(self) -> str | None: ...


class Api:
    """
    The management API behind requests that are open; a call that finds the service busy or away is repeated.

    A POST that is repeated counts once. Whatever does not mend itself is raised as OperatorError.
    """

    def __init__(self, requests: Requests) -> None:
        self.requests = requests
        self.url = requests.url

    async def get(self, path: str, *, known: Collection[int] = (), **params: Any) -> Answer:
        """Return the answer to a question; parameters that are None are left out, lists repeated."""
        asked = {name: value for name, value in params.items() if value is not None}
        return await self.requests.answered("GET", path, PATIENCE, known=known, params=asked)

    async def put(
        self, path: str, body: Any, *, known: Collection[int] = (), headers: Mapping[str, str] | None = None
    ) -> Answer:
        return await self._send("PUT", path, body, known, headers or {})

    async def post(self, path: str, body: Any, *, known: Collection[int] = (), **params: Any) -> Answer:
        """Send what is to be done; it is done once, however often it has to be sent."""
        asked = {name: value for name, value in params.items() if value is not None}
        return await self._send("POST", path, body, known, {"Idempotency-Key": uuid4().hex}, params=asked)

    async def delete(
        self, path: str, *, known: Collection[int] = (), headers: Mapping[str, str] | None = None
    ) -> Answer:
        return await self.requests.answered(
            "DELETE", path, PATIENCE, known=known, headers=headers or {}, timeout=LONGEST_EDIT
        )

    async def pages(self, path: str, kind: type[Paged[T]], **params: Any) -> AsyncGenerator[T, None]:
        """Yield the items of a list, page by page."""
        after: str | None = None
        while True:
            page = self.understood(await self.get(path, limit=PAGE, after=after, **params), kind)
            for item in page.items:
                yield item
            if page.next is None:
                return
            after = page.next

    async def _send(
        self,
        method: str,
        path: str,
        body: Any,
        known: Collection[int],
        headers: Mapping[str, str],
        **request: Any,
    ) -> Answer:
        return await self.requests.answered(
            method,
            path,
            PATIENCE,
            known=known,
            content=msgspec.json.encode(body),
            headers={"Content-Type": "application/json", **headers},
            timeout=LONGEST_EDIT,
            **request,
        )

    def understood(self, answer: Answer, kind: type[T]) -> T:
        """Return what an answer says; raises OperatorError where it says something else."""
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            raise self.foreign(error) from error

    def foreign(self, error: msgspec.MsgspecError) -> OperatorError:
        """Return what is raised for an answer that cannot be read."""
        reason = f"its answer is not what this version understands ({error}): is it a Fencepost of another version?"
        return OperatorError([Problem(self.url, reason)])


def said_by(answer: Answer) -> ProblemDetails:
    """Return what an answer that is an error says; nothing where it is none of ours."""
    try:
        return msgspec.json.decode(answer.content, type=ProblemDetails)
    except msgspec.MsgspecError:
        return ProblemDetails()


def refused(subject: str, answer: Answer) -> OperatorError:
    """Return an error with everything that an answer says is wrong with what was sent, each with its path."""
    said = said_by(answer)
    faults = [fault for fault in said.problems if fault.reason]
    if not faults:
        return OperatorError([Problem(subject, said.words or f"the service answers {answer.status}")])
    return OperatorError(
        Problem(f"{subject}: {fault.path}" if fault.path else subject, fault.reason) for fault in faults
    )


def matching(version: int | None) -> dict[str, str]:
    """Return the header of a change to what was seen as this version; None: there was nothing."""
    return {"If-None-Match": "*"} if version is None else {"If-Match": f'"{version}"'}
