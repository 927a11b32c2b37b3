"""What goes wrong, as a page that says what to do next."""

import logging
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from fencepost.model.errors import StoreUnavailable
from fencepost.service.access import SignInRefused, TooMany
from fencepost.service.pipeline import Busy
from fencepost.web.pages.layout import page
from fencepost.web.pages.openid import NotVouchedFor, ProviderTrouble

BACK = '<p><a href="/sign-in">Back to the sign-in</a></p>'

AnyRequest = Request[Any, Any, Any]

_log = logging.getLogger(__name__)


class Forbidden(Exception):  # noqa: N818 - an answer
    """A request that no page of ours makes; the text is for the person."""


def _page(status: int, problem: str, retry_after: int | None = None) -> Response[str]:
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    return page("You cannot come in", BACK, status=status, problems=[problem], headers=headers)


def on_forbidden(_: AnyRequest, error: Forbidden) -> Response[str]:
    return _page(403, str(error))


def on_refused(_: AnyRequest, error: SignInRefused | NotVouchedFor) -> Response[str]:
    reason = str(error)
    return _page(403, f"{reason[:1].upper()}{reason[1:]}.")


def on_too_many(_: AnyRequest, error: TooMany) -> Response[str]:
    return _page(429, f"Too many attempts have failed. Wait {error.retry_after} seconds.", error.retry_after)


def on_provider(_: AnyRequest, error: ProviderTrouble) -> Response[str]:
    _log.warning("nobody can sign in by OpenID: %s", error)
    problem = "The OpenID provider cannot be reached, or is not set up for this. Try again, or ask an administrator."
    return _page(503, problem, 30)


def on_store(_: AnyRequest, error: StoreUnavailable) -> Response[str]:
    _log.warning("nobody can sign in: %s", error)
    return _page(503, "The service cannot reach its store. Try again in a moment.", 5)


def on_busy(_: AnyRequest, error: Busy) -> Response[str]:
    return _page(503, "Too many people sign in at the moment. Try again in a moment.", error.retry_after)


def on_http(_: AnyRequest, error: HTTPException) -> Response[str]:
    return _page(error.status_code, f"{error.detail}.")


HANDLERS: dict[Any, Any] = {
    Forbidden: on_forbidden,
    SignInRefused: on_refused,
    NotVouchedFor: on_refused,
    TooMany: on_too_many,
    ProviderTrouble: on_provider,
    StoreUnavailable: on_store,
    Busy: on_busy,
    HTTPException: on_http,
}
