"""Forms, as browsers and OAuth 2 clients send them."""

from typing import Any
from urllib.parse import parse_qsl

from litestar import Request

FORM = "application/x-www-form-urlencoded"
LARGEST = 64 << 10
MOST_FIELDS = 100


async def form_of(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return the fields of a form; raises ValueError for what is none, is too large, or says something twice."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise ValueError(f"the body must be {FORM}")
    body = await request.body()
    if len(body) > LARGEST:
        raise ValueError(f"the body must have at most {LARGEST} bytes")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise ValueError("the body cannot be read") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("the body must say everything once")
    return fields
