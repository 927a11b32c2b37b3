"""The settings of how people come in: `[access]` and `[oidc]`."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from msgspec import Struct

from fencepost.config.setting import Key
from fencepost.model.access import ROLES, Grant, Role

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_GRANT = re.compile(rf"(.+)=({'|'.join(ROLES)})(?::(.+))?", re.DOTALL)
ANYBODY = "*"


class Access(Struct, frozen=True, kw_only=True):
    """How people come in."""

    url: Annotated[
        str,
        Key("The address that people's browsers know, as https://NAME, where it is another: behind a proxy."),
    ] = ""
    session_idle: Annotated[
        timedelta, Key("How long a session lasts that nobody uses.", _MINUTE, 90 * _DAY)
    ] = 8 * _HOUR
    session_lifetime: Annotated[timedelta, Key("How long a session lasts at most.", _MINUTE, 90 * _DAY)] = (
        7 * _DAY
    )


class Oidc(Struct, frozen=True, kw_only=True):
    """
    Sign-in by an OpenID provider; off while there is no issuer.

    `repr` does not show the secret.
    """

    issuer: Annotated[str, Key("The provider's issuer, as https://login.example.com.")] = ""
    client_id: Annotated[str, Key("How the provider knows this service.")] = ""
    client_secret: Annotated[
        str, Key("The secret that goes with it (better as a variable); none for a public client.")
    ] = ""
    scopes: Annotated[tuple[str, ...], Key("What the provider is asked for.")] = (
        "openid",
        "profile",
        "email",
    )
    button: Annotated[str, Key("What stands on the button.")] = "Sign in with OpenID Connect"
    username_claim: Annotated[str, Key("The claim that names a person.")] = "preferred_username"
    groups_claim: Annotated[str, Key("The claim that lists what a person belongs to.")] = "groups"
    grants: Annotated[
        tuple[str, ...],
        Key(
            'What gives a role: "VALUE=ROLE", or "VALUE=ROLE:GROUP" for one group; the value * is anybody\'s.'
        ),
    ] = ()

    def __repr__(self) -> str:
        return f"Oidc({self.issuer!r}, ...)"


def grants_by_claim(texts: Iterable[str]) -> list[tuple[str, Grant]]:
    """Return which value of the claim gives which grant; raises ValueError for a text that says neither."""
    return [_grant_by_claim(text) for text in texts]


def _grant_by_claim(text: str) -> tuple[str, Grant]:
    match = _GRANT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not VALUE=ROLE or VALUE=ROLE:GROUP, with a role of {', '.join(ROLES)}")
    return match[1], Grant(cast("Role", match[2]), match[3])


def _grants_fault(texts: Iterable[str]) -> str | None:
    try:
        grants_by_claim(texts)
    except ValueError as error:
        return str(error)
    return None


def _url_fault(url: str) -> str | None:
    """Return what is wrong with the address of a web site; where secrets go, nobody may listen in."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"{url!r} is no address"
    if not url:
        return None
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
        return f"{url!r} is not written as https://NAME"
    if parts.scheme == "http" and not _is_loopback(host):
        return "http:// goes with a loopback host only: secrets would be sent in the clear"
    return None


def _scopes_fault(scopes: Iterable[str]) -> str | None:
    return None if "openid" in scopes else "openid is missing: it is what makes it OpenID Connect"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


CHECKS: dict[str, Callable[[Any], str | None]] = {
    "access.url": _url_fault,
    "oidc.issuer": _url_fault,
    "oidc.scopes": _scopes_fault,
    "oidc.grants": _grants_fault,
}
"""What is wrong with a value of its own kind, by the path of the setting."""
NEEDED = ("oidc.client_id", "oidc.grants")
"""What must be set where there is an issuer."""
