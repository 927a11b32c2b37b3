"""What several operations say of themselves in the OpenAPI document."""

from typing import Annotated

from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from fencepost.web.api.problems import PROBLEM_JSON, Problem

DEVICE_ID = r"^[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}$"
"""The ids that an IoT Hub allows for devices (and, with a slash apart, for modules)."""

DeviceId = Annotated[str, Parameter(pattern=DEVICE_ID, description="The id of the device.")]
After = Annotated[
    str | None, Parameter(query="after", description="The `next` of the page before.", max_length=2000)
]
Limit = Annotated[int, Parameter(query="limit", ge=1, le=1000, description="How many items at most.")]

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


def number_in(text: str) -> int | None:
    """Return the number that a header holds, None where it is none of ours."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
    return int(text) if is_number else None
