"""How a client reaches us: addresses in answers begin with it."""

import re

from fencepost.net.hub_http import AnyRequest

_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


def origin_of(request: AnyRequest) -> str:
    """
    Return the origin at which the client reaches us, as in https://fencepost.example.com:8443.

    A proxy says in `X-Forwarded-Proto` and `X-Forwarded-Host` how it was called. Who lies about it is the only
    one who hears it.
    """
    headers = request.headers
    scheme = _first(headers.get("x-forwarded-proto", "")).lower()
    scheme = scheme if scheme in ("http", "https") else request.url.scheme
    named = [_first(headers.get("x-forwarded-host", "")), headers.get("host", "")]
    host = next((one for one in named if _HOST.fullmatch(one)), "localhost")
    return f"{scheme}://{host}"


def _first(listed_values: str) -> str:
    return listed_values.partition(",")[0].strip()
