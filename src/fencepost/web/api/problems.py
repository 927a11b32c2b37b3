"""Errors as RFC 9457 problem details: what is wrong, and what to do next."""

import logging
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import Struct, json

from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.service.answers import Conflict, Missing, Outdated
from fencepost.service.pipeline import Busy

SPOKEN = {
    "states": "state",
    "severities": "severity",
    "if_match": "If-Match",
    "if_none_match": "If-None-Match",
    "is_preview": "preview",
    "last_event_id": "Last-Event-ID",
}
"""What parameters are called on the wire, where the code calls them otherwise."""
BODY = "data"
"""What Litestar calls a request's body; to a sender it is the whole, and has no name."""
PROBLEM_JSON = "application/problem+json"
UNFINISHED = "fencepost_unfinished"
"""The key of a request's scope that says that something is journalled though it was not answered."""
MOST_FAULTS = 1000
"""What is wrong, as far as an answer names it one by one."""

_log = logging.getLogger(__name__)


class Fault(Struct, frozen=True):
    """One thing that is wrong with a request: the path of the member, and why."""

    path: str
    reason: str


class Problem(Struct, frozen=True, kw_only=True):
    """An answer that is an error (RFC 9457)."""

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    problems: tuple[Fault, ...] = ()


class Refused(Exception):  # noqa: N818 - an answer
    """A request that is answered with a problem."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def response(
    status: int, detail: str, problems: Sequence[Fault] = (), headers: dict[str, str] | None = None
) -> Response[bytes]:
    """Return an error as an answer."""
    problem = Problem(status=status, title=HTTPStatus(status).phrase, detail=detail, problems=tuple(problems))
    return Response(json.encode(problem), status_code=status, media_type=PROBLEM_JSON, headers=headers or {})


def on_refused(_: Request[Any, Any, Any], error: Refused) -> Response[bytes]:
    return response(error.status, error.detail, headers=error.headers)


def on_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Litestar's own: unknown paths, methods, and parameters that do not fit."""
    faults = [_fault(one) for one in error.extra] if isinstance(error.extra, list) else []
    headers = dict(error.headers or {})
    detail = "; ".join(": ".join(filter(None, (one.path, one.reason))) for one in faults[:3]) or error.detail
    return response(error.status_code, detail, faults, headers)


def on_operator(_: Request[Any, Any, Any], error: OperatorError) -> Response[bytes]:
    """What the sender must mend is said to it; what names a file is for who keeps the service running."""
    if any(one.file for one in error.problems):
        _log.error("somebody must act: %s", error)
        return response(
            503, "the service needs its operator: it is in its log", headers={"Retry-After": "60"}
        )
    faults = [Fault(one.path, one.reason) for one in error.problems[:MOST_FAULTS]]
    detail = "; ".join(str(one) for one in error.problems[:3])
    if (more := len(error.problems) - len(faults)) > 0:
        detail = f"{detail}; {more} more than are named"
    return response(400, detail, faults)


def on_missing(_: Request[Any, Any, Any], error: Missing) -> Response[bytes]:
    return response(404, str(error))


def on_conflict(_: Request[Any, Any, Any], error: Conflict) -> Response[bytes]:
    return response(409, str(error))


def on_outdated(_: Request[Any, Any, Any], error: Outdated) -> Response[bytes]:
    return response(412, str(error))


def on_busy(request: Request[Any, Any, Any], error: Busy) -> Response[bytes]:
    request.scope[UNFINISHED] = error.is_kept  # type: ignore[literal-required]
    return response(503, error.reason, headers={"Retry-After": str(error.retry_after)})


def on_recursion(_: Request[Any, Any, Any], __: RecursionError) -> Response[bytes]:
    """JSON whose arrays and objects hold one another hundreds deep; nothing of ours calls itself so often."""
    return response(400, "the body is nested too deeply")


def on_store(_: Request[Any, Any, Any], error: StoreUnavailable) -> Response[bytes]:
    _log.warning("a request could not be answered: %s", error)
    return response(503, "the control store cannot be reached", headers={"Retry-After": "5"})


def on_fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A fault of ours is loud in the log and says nothing to strangers."""
    _log.error("internal fault in %s %s", request.method, request.url.path, exc_info=error)
    return response(500, "an internal fault: it is in the service's log")


HANDLERS: dict[Any, Any] = {
    Refused: on_refused,
    HTTPException: on_http,
    OperatorError: on_operator,
    Missing: on_missing,
    Conflict: on_conflict,
    Outdated: on_outdated,
    Busy: on_busy,
    RecursionError: on_recursion,
    StoreUnavailable: on_store,
    Exception: on_fault,
}


_PLAIN = (
    (re.compile("Object missing required field `(.+)`"), "this is missing"),
    (re.compile("Object contains unknown field `(.+)`"), "there is no such member"),
    (re.compile("Expected `str` of length >= ([0-9]+)()"), "this has at least {0} characters"),
    (re.compile("Expected `str` of length <= ([0-9]+)()"), "this has at most {0} characters"),
    (
        re.compile("Invalid enum value ('.*')()"),
        "{0} is none of the words that can stand here: the reference has them",
    ),
)
"""What msgspec says of a value, and how we say it; where a member is named, it belongs to the path."""


def _fault(extra: Any) -> Fault:
    if not isinstance(extra, dict):
        return Fault("", str(extra))
    key, message = str(extra.get("key", "")), str(extra.get("message", ""))
    path = "" if key == BODY else SPOKEN.get(key, key)
    for form, reason in _PLAIN:
        if found := form.fullmatch(message):
            names_member = len(found.groups()) == 1
            member = f"{path}.{found[1]}".lstrip(".") if names_member else path
            return Fault(member, reason.format(found[1]))
    return Fault(path, message)
