"""`/signed-in` and `/sign-out`: who one is, what one may, and the way out."""

from html import escape

from litestar import Response, get, post

from fencepost.model.access import Principal
from fencepost.web.api.access import COOKIE, is_from_own_site, secret_of
from fencepost.web.api.service import Service
from fencepost.web.api.session import no_cookie
from fencepost.web.pages.layout import form, page
from fencepost.web.pages.refusals import Forbidden
from fencepost.web.pages.signing_in import SHARED, SIGN_IN, AnyRequest, redirect

MEANINGS = {
    "viewer": "sees alerts, devices and groups",
    "analyst": "also works on alerts, and mends lists from them",
    "administrator": "also changes what is expected",
}


@get("/signed-in", **SHARED)
async def get_signed_in(request: AnyRequest) -> Response[str]:
    """Show who has signed in; who has not is sent to do so."""
    service: Service = request.app.state.service
    principal = service.access.principal_of(request.cookies.get(COOKIE, ""))
    if principal is None:
        return redirect(SIGN_IN)
    name = principal.actor.partition("/")[2]
    body = f"""<p>You are <strong>{escape(name)}</strong>.</p>
{_roles(principal)}
<p>A program comes in with a token of its own. Make one that may no more than it needs:</p>
<pre>fencepost tokens create nightly \\
  --grant viewer --expires 90d</pre>
<p class="hint">What can be asked and said over the API stands in <a href="/openapi/openapi.json">OpenAPI 3.1</a>.</p>
{form("/sign-out", button="Sign out")}"""
    return page("Signed in", body)


@post("/sign-out", status_code=200, **SHARED)
async def post_sign_out(request: AnyRequest) -> Response[str]:
    """End the session."""
    service: Service = request.app.state.service
    if not is_from_own_site(request, unsaid=False):
        raise Forbidden("This form was not sent from this service's own page.")
    await service.access.sign_ins.sign_out(secret_of(request))
    return redirect(SIGN_IN, no_cookie())


def _roles(principal: Principal) -> str:
    if not principal.grants:
        return "<p>You have no role here yet: an administrator can give you one.</p>"
    rows = "".join(
        f"<tr><td>{escape(grant.role)}<td>{escape(grant.group or 'everything')}<td>{MEANINGS[grant.role]}"
        for grant in principal.grants
    )
    return f"<table><tr><th>role<th>of<th>may\n{rows}</table>"
