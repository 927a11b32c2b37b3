"""What several operations say of themselves in the OpenAPI document."""

from datetime import UTC, datetime
from typing import Annotated

from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter
from msgspec import Struct

from fencepost.model.errors import OperatorError
from fencepost.model.errors import Problem as Fault
from fencepost.web.api.problems import PROBLEM_JSON, Problem

DEVICE_ID = r"^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}$"
"""The ids that an IoT Hub allows for devices (and, with a slash apart, for modules)."""

DeviceId = Annotated[str, PathParameter(pattern=DEVICE_ID, description="The id of the device.")]
OfDevice = Annotated[str | None, QueryParameter(description="Of this device.", max_length=128)]
After = Annotated[
    str | None, QueryParameter(name="after", description="The `next` of the page before.", max_length=2000)
]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=1000, description="How many items at most.")]
MomentText = Annotated[
    str | None,
    QueryParameter(
        description="A time with its zone: `2026-11-24T05:00:00Z`. What was at `since` is in, what was at `until` is not.",
        max_length=64,
        schema_extra={"format": "date-time"},
    ),
]

LONGEST_NUMBER = 18
"""Digits of a number that fits 64 bits."""

_REASONS = {
    400: "Something of the request is wrong; `problems` names all of it.",
    401: "The bearer token is missing or not known.",
    403: "The token's role does not allow this.",
    404: "There is no such thing.",
    408: "The body did not come in time.",
    409: "This does not go with how things stand now.",
    412: "Somebody else was faster: read it again.",
    413: "The request is larger than the limit.",
    415: "The content type is not one of those that are read.",
    422: "The idempotency key was sent with another request.",
    429: "Too many attempts have failed: come again after the seconds in Retry-After.",
    503: "Come again after the seconds in Retry-After. A message was not kept; a change may be, and follow later.",
}


def problems_of(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the documentation of error answers."""
    return {
        status: ResponseSpec(
            Problem, description=_REASONS[status], generate_examples=False, media_type=PROBLEM_JSON
        )
        for status in statuses
    }


def created(kind: type[Struct]) -> dict[int, ResponseSpec]:
    """Return the documentation of an answer that says that something is new."""
    return {201: ResponseSpec(kind, description="It is new.", generate_examples=False)}


def number_in(text: str) -> int | None:
    """Return the number that a header holds, None where it is none of ours."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
    return int(text) if is_number else None


def moments(**texts: str | None) -> list[datetime | None]:
    """Return times of which each says its zone: one that does not would be guessed at."""
    times = [_moment(text) if text is not None else None for text in texts.values()]
    problems = [
        Fault(name, "a time is written as 2026-11-24T05:00:00Z")
        for (name, text), time in zip(texts.items(), times, strict=True)
        if text is not None and time is None
    ]
    if problems:
        raise OperatorError(problems)
    return times


def _moment(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
