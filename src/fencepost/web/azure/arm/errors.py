"""What goes wrong, in the words of Azure Resource Manager."""

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from litestar import Response
from litestar.exceptions import HTTPException
from msgspec import json

from fencepost.model.errors import OperatorError, Problem, StoreUnavailable
from fencepost.net.hub_http import AnyRequest
from fencepost.service.commands import Conflict, Missing, Outdated
from fencepost.service.pipeline import Busy

MOST_DETAILS = 1000
"""Problems that are told one by one."""
JSON = "application/json; charset=utf-8"

_log = logging.getLogger(__name__)


class ArmError(Exception):
    """
    An answer that is an error.

    There is one code that is never used, for it makes Microsoft's clients register a resource provider and
    wait: 409 with `MissingSubscriptionRegistration`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str | None = None,
        details: Sequence[Problem] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.details = details
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target is not None:
            error["target"] = self.target
        if self.details:
            error["details"] = [
                {"code": "InvalidProperty", "message": one.reason, "target": one.path}
                for one in self.details[:MOST_DETAILS]
            ]
        return {"error": error}


def not_found(kind: str, name: str) -> ArmError:
    """Return that a resource is not there, or not for the eyes of who asks."""
    return ArmError(404, "ResourceNotFound", f"The resource '{kind}/{name}' was not found.")


def forbidden(role: str, where: str) -> ArmError:
    """Return that somebody may not do this."""
    return ArmError(403, "AuthorizationFailed", f"This takes the role {role} for {where}.")


def invalid(problems: Sequence[Problem]) -> ArmError:
    """Return all that is wrong with a body, each with its path."""
    first, rest = problems[0], len(problems) - 1
    more = f" and {rest} more problem{'s' if rest > 1 else ''}: see the details" if rest else ""
    return ArmError(
        400,
        "InvalidRequestContent",
        f"{first.path}: {first.reason}{more}",
        target=first.path,
        details=problems,
    )


def answer(error: ArmError) -> Response[bytes]:
    """Return an error as an answer."""
    headers = {"x-ms-failure-cause": "service", "x-ms-request-id": str(uuid4()), **error.headers}
    return Response(json.encode(error.body()), status_code=error.status, media_type=JSON, headers=headers)


def _of_http(error: HTTPException) -> ArmError:
    """Litestar's own: what it refuses before anybody is asked."""
    phrase = HTTPStatus(error.status_code).phrase.title().replace(" ", "").replace("-", "")
    return ArmError(error.status_code, phrase, error.detail, headers=dict(error.headers or {}))


def _of_operator(error: OperatorError) -> ArmError:
    """What the sender must mend is said; what names a file is for who keeps the service running."""
    if any(one.file for one in error.problems):
        _log.error("somebody must act: %s", error)
        return ArmError(
            503, "ServiceUnavailable", "The service needs its operator.", headers={"Retry-After": "60"}
        )
    return invalid(error.problems)


def _of_busy(error: Busy) -> ArmError:
    return ArmError(503, "ServerBusy", error.reason, headers={"Retry-After": str(error.retry_after)})


def _of_store(error: StoreUnavailable) -> ArmError:
    _log.warning("a request could not be answered: %s", error)
    return ArmError(
        503, "ServiceUnavailable", "The control store cannot be reached.", headers={"Retry-After": "5"}
    )


def _of_fault(error: Exception) -> ArmError:
    """A fault of ours is loud in the log and says nothing to strangers."""
    _log.error("internal fault", exc_info=error)
    return ArmError(500, "InternalServerError", "An internal fault: it is in the service's log.")


_MEANINGS: dict[type[Exception], Callable[[Any], ArmError]] = {
    ArmError: lambda error: error,
    HTTPException: _of_http,
    OperatorError: _of_operator,
    Missing: lambda error: ArmError(404, "ResourceNotFound", str(error)),
    Conflict: lambda error: ArmError(409, "Conflict", str(error)),
    Outdated: lambda error: ArmError(412, "PreconditionFailed", str(error)),
    Busy: _of_busy,
    StoreUnavailable: _of_store,
    Exception: _of_fault,
}


def _handler(meaning: Callable[[Any], ArmError]) -> Callable[[AnyRequest, Exception], Response[bytes]]:
    return lambda _, error: answer(meaning(error))


HANDLERS: dict[Any, Any] = {kind: _handler(meaning) for kind, meaning in _MEANINGS.items()}
