"""`/`: what a person finds who opens the address in a browser."""

from html import escape
from typing import Any

from litestar import MediaType, Request, Response, get

from fencepost.web.api.service import Service

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fencepost</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem;
  color: #1c2530; background: #fbfbf9 }}
h1 {{ margin-bottom: 0 }} .state {{ font-weight: 600; color: {colour} }}
pre {{ background: #eef0ec; padding: .8rem 1rem; overflow-x: auto; border-radius: 4px }}
a {{ color: #0b5b8c }}
@media (prefers-color-scheme: dark) {{ body {{ color: #dfe5ea; background: #14181c }}
  pre {{ background: #20262c }} a {{ color: #7cc4f0 }} }}
</style>
<h1>Fencepost</h1>
<p>Version {version} &middot; <span class="state">{state}</span></p>
<p>It tells the owner of an IoT fleet, at once and with a reason, that a device has left the behaviour its owner
expects. Programs talk to it over its API, which is described in <a href="/openapi/openapi.json">OpenAPI 3.1</a>;
<a href="/healthz">health</a> and <a href="/readyz">readiness</a> need no token.</p>
<p><a href="/sign-in">Sign in</a>, to see who you are and what you may.</p>
<p>The alerts, from the machine that it runs on (the token is <code>admin</code> in <code>tokens.json</code> of its
data folder):</p>
<pre>curl --cacert DATA/tls/ca.pem -H "Authorization: Bearer $TOKEN" {url}v1/alerts
curl -N --cacert DATA/tls/ca.pem -H "Authorization: Bearer $TOKEN" {url}v1/alerts/stream</pre>
</html>
"""


@get("/", include_in_schema=False)
async def get_landing(request: Request[Any, Any, Any]) -> Response[str]:
    """Say that the service is here, how it is, and what to do next; nothing that a stranger may not know."""
    service: Service = request.app.state.service
    ready = next(service.troubles(), None) is None
    page = PAGE.format(
        version=escape(service.version),
        state="ready: messages are taken and judged" if ready else "not ready: its log says why",
        colour="#1a7f4b" if ready else "#b3261e",
        url=escape(str(request.base_url)),
    )
    return Response(page, media_type=MediaType.HTML, headers=HEADERS)
