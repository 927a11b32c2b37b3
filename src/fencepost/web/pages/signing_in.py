"""`/sign-in` and `/welcome`: how people come in, by password, by OpenID Connect, and the first one by a link."""

from html import escape
from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie

from fencepost.model.errors import OperatorError
from fencepost.service.access import SignedIn, SignInRefused, TooMany
from fencepost.web.api.access import address_of, is_from_own_site
from fencepost.web.api.service import Service
from fencepost.web.api.session import ONLY_HERE, session_cookie
from fencepost.web.forms import LARGEST, form_of
from fencepost.web.pages.layout import field, form, page
from fencepost.web.pages.openid import NotVouchedFor, OpenId, ProviderTrouble
from fencepost.web.pages.refusals import HANDLERS, Forbidden
from fencepost.web.pages.site import Site

TRIP_COOKIE = "__Host-fencepost-openid"
SIGN_IN, WELCOME, SIGNED_IN = "/sign-in", "/welcome", "/signed-in"
CALLBACK = f"{SIGN_IN}/callback"
PASSWORD_HINT = "At least 12 characters: a few words that belong together for you alone are good."  # noqa: S105

AnyRequest = Request[Any, Any, Any]
SHARED: dict[str, Any] = {
    "include_in_schema": False,
    "exception_handlers": HANDLERS,
    "request_max_body_size": LARGEST,
}


@get(SIGN_IN, **SHARED)
async def get_sign_in(request: AnyRequest) -> Response[str]:
    """Ask for name and password, and offer the OpenID provider where there is one."""
    return _sign_in(request)


@post(SIGN_IN, status_code=200, **SHARED)
async def post_sign_in(request: AnyRequest) -> Response[Any]:
    """Open a session, or say what is wrong."""
    service: Service = request.app.state.service
    fields = await _fields(request)
    name = fields.get("name", "")
    try:
        opened = await service.access.sign_ins.by_password(
            name, fields.get("password", ""), address_of(request)
        )
    except SignInRefused:
        return _sign_in(request, name, "The name or the password is wrong.", status=401)
    except TooMany as error:
        return _sign_in(request, name, _too_many(error), status=429, headers=_wait(error))
    return _come_in(service, opened)


@get(f"{SIGN_IN}/openid", **SHARED)
async def get_openid(request: AnyRequest) -> Response[Any]:
    """Send a person to the OpenID provider."""
    url, kept = await _openid(request).way_out(_site(request).address(request, CALLBACK))
    return redirect(url, Cookie(TRIP_COOKIE, value=kept, max_age=600, **ONLY_HERE))


@get(CALLBACK, **SHARED)
async def get_callback(request: AnyRequest) -> Response[Any]:
    """Open a session for who comes back from the OpenID provider, if it vouches for them."""
    service: Service = request.app.state.service
    openid, address = _openid(request), address_of(request)
    attempt = service.access.sign_ins.attempt(address)
    try:
        claims = await openid.way_back(request.cookies.get(TRIP_COOKIE, ""), dict(request.query_params))
    except (NotVouchedFor, ProviderTrouble):
        service.access.counts.failed += 1
        raise
    attempt.forgiven()
    opened = await service.access.sign_ins.by_subject(openid.provider.subject_of(claims), address)
    return _come_in(service, opened, Cookie(TRIP_COOKIE, value="", max_age=0, **ONLY_HERE))


@get(WELCOME, **SHARED)
async def get_welcome(request: AnyRequest) -> Response[str]:
    """Ask the first administrator for name and password; whether the link is good is only said to who sends these."""
    return _welcome(request.query_params.get("code", ""))


@post(WELCOME, status_code=200, **SHARED)
async def post_welcome(request: AnyRequest) -> Response[Any]:
    """Make the first administrator and open a session, or say what is wrong."""
    service: Service = request.app.state.service
    fields = await _fields(request)
    code, name, password = (fields.get(part, "") for part in ("code", "name", "password"))
    if password != fields.get("again", password):
        return _welcome(code, name, "The two passwords differ.", status=400)
    try:
        opened = await service.access.sign_ins.by_invitation(code, name, password, address_of(request))
    except OperatorError as error:
        return _welcome(code, name, *(_sentence(one.reason) for one in error.problems), status=400)
    except SignInRefused as error:
        return _welcome(code, name, _sentence(str(error)), status=403)
    except TooMany as error:
        return _welcome(code, name, _too_many(error), status=429, headers=_wait(error))
    return _come_in(service, opened)


def _sign_in(request: AnyRequest, name: str = "", *problems: str, **answer: Any) -> Response[str]:
    openid = _site(request).openid
    asked = form(
        SIGN_IN,
        field("name", "Name", value=name, complete="username", focus=not name),
        field("password", "Password", kind="password", complete="current-password", focus=bool(name)),
        button="Sign in",
    )
    offered = (
        f'<a class="button second" href="{SIGN_IN}/openid">{escape(openid.provider.button)}</a>'
        if openid
        else ""
    )
    return page("Sign in", asked + offered, problems=problems, **answer)


def _welcome(code: str, name: str = "", *problems: str, **answer: Any) -> Response[str]:
    asked = form(
        WELCOME,
        "<p>Nobody can sign in here yet? Then become the administrator: choose a name and a password. "
        f'Who has both already <a href="{SIGN_IN}">signs in</a>.</p>',
        f'<input type="hidden" name="code" value="{escape(code)}">',
        field("name", "Name", value=name, complete="username", focus=not name),
        field("password", "Password", kind="password", complete="new-password", hint=PASSWORD_HINT),
        field("again", "The same password again", kind="password", complete="new-password"),
        button="Become the administrator",
    )
    return page("Welcome", asked, problems=problems, **answer)


async def _fields(request: AnyRequest) -> dict[str, str]:
    """Return what one of our own forms says; raises Forbidden for another site's."""
    if not is_from_own_site(request, unsaid=False):
        raise Forbidden("This form was not sent from this service's own page.")
    try:
        return await form_of(request)
    except ValueError as error:
        raise Forbidden(_sentence(str(error))) from None


def _site(request: AnyRequest) -> Site:
    site: Site = request.app.state.site
    return site


def _openid(request: AnyRequest) -> OpenId:
    openid = _site(request).openid
    if openid is None:
        raise Forbidden("There is no OpenID provider here: sign in by name and password.")
    return openid


def _come_in(service: Service, opened: SignedIn, *cookies: Cookie) -> Response[Any]:
    return redirect(SIGNED_IN, session_cookie(service, opened), *cookies)


def redirect(url: str, *cookies: Cookie) -> Response[Any]:
    """Return where a browser is to go now."""
    return Response(
        b"",
        status_code=303,
        headers={"Location": url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
        cookies=[*cookies],
    )


def _too_many(error: TooMany) -> str:
    return f"Too many attempts have failed. Wait {error.retry_after} seconds, then try again."


def _wait(error: TooMany) -> dict[str, str]:
    return {"Retry-After": str(error.retry_after)}


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}."
