"""Where a service is, and what lets one in: an address, a token, and the authority that signed its certificate."""

import ssl
from ipaddress import ip_address
from pathlib import Path

from httpx2 import URL, InvalidURL
from msgspec import Struct

from fencepost.model.errors import OperatorError, Problem


class Access(Struct, frozen=True):
    """
    The base URL of a service, a bearer token, and a file with the certificates of its authority.

    Without a `ca` the authorities count that this machine trusts. `repr` does not show the token.
    """

    url: str
    token: str
    ca: Path | None = None

    def __repr__(self) -> str:
        return f"Access({self.url!r}, ..., {self.ca!r})"


def check(access: Access) -> None:
    """Raise OperatorError with everything about an access that an operator must mend."""
    problems = [*_problems_of_url(access.url), *_problems_of_token(access.token)]
    try:
        trust(access)
    except OperatorError as error:
        problems += error.problems
    if problems:
        raise OperatorError(problems)


def trust(access: Access) -> ssl.SSLContext | bool:
    """Return what verifies the service's certificate; raises OperatorError for a file that is of no use."""
    if access.ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(access.ca))
    except FileNotFoundError:
        reason = "there is no such file; `fencepost init --json` names it as ca_file"
    except ssl.SSLError:
        reason = "this is no certificate in PEM; `fencepost init --json` names the right file as ca_file"
    except OSError as error:
        reason = f"the file cannot be read: {error.strerror or error}"
    raise OperatorError([Problem("", reason, str(access.ca))])


def host_of(url: str) -> str:
    """Return the host of a service's address, an IPv6 address without its brackets; nothing of what is none."""
    try:
        return URL(url).host
    except InvalidURL:
        return ""


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _problems_of_url(url: str) -> list[Problem]:
    try:
        parsed = URL(url)
    except InvalidURL as error:
        return [Problem("url", f"{url!r} is not an address: {error}")]
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        return [Problem("url", f"{url!r} is not the address of a service, such as https://localhost:8443")]
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        return [Problem("url", f"{url!r} would send the token in the clear: write https://")]
    if parsed.query or parsed.fragment or parsed.userinfo:
        return [Problem("url", "the address of a service has no user, no ? and no #")]
    return []


def _problems_of_token(token: str) -> list[Problem]:
    if not token:
        return [Problem("token", "there is none; `fencepost init --json` prints it as admin_token")]
    if not token.isascii() or not token.isprintable() or " " in token:
        return [Problem("token", "a token has printable ASCII characters only, and no spaces")]
    return []
