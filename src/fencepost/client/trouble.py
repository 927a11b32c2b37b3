"""What keeps one from a service, in one clear line that says what to do: no traceback, no error number."""

import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus

import httpx2
import msgspec
from msgspec import Struct, field

from fencepost.model.errors import Problem

_OTHER_NAME = {62, 64}
_NOT_VALID_NOW = {9: "is not valid yet: set this computer's clock", 10: "has expired: restart the service"}
"""OpenSSL's numbers for what is wrong with a certificate."""


class Fault(Struct, frozen=True):
    """One thing that is wrong with a request."""

    path: str = ""
    reason: str = ""


class ProblemDetails(Struct, frozen=True):
    """An answer that is an error: of our own API (RFC 9457), or as an IoT Hub says it, in `message`."""

    title: str = ""
    detail: str = ""
    problems: tuple[Fault, ...] = ()
    message: str = field(default="", name="Message")

    @property
    def words(self) -> str:
        """What it says; a hub says `ErrorCode:Name;` first."""
        return self.detail or self.title or self.message.partition(";")[2] or self.message


def of_transport(error: Exception, url: str) -> Problem:
    """Return why no answer came, or no connection."""
    plain = (
        "; a Fencepost listens at https:// unless it was told otherwise" if url.startswith("http:") else ""
    )
    return Problem(url, _reason(error) + plain)


def is_lasting(error: Exception) -> bool:
    """Return whether trying again is of no use."""
    return isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError) or any(
        isinstance(cause, ssl.SSLCertVerificationError) or _is_plain(cause) for cause in _causes(error)
    )


def of_answer(status: int, content: bytes, url: str) -> Problem:
    """Return why a request was refused, with the service's own words."""
    try:
        said = msgspec.json.decode(content, type=ProblemDetails)
    except msgspec.MsgspecError:
        said = ProblemDetails()
    opening = _OPENINGS.get(status, f"the service answers {status}")
    words = [said.words or _phrase(status)]
    words += [f"{fault.path}: {fault.reason}" for fault in said.problems if fault.reason not in said.detail]
    return Problem(url, opening if status == HTTPStatus.UNAUTHORIZED else f"{opening}: {'; '.join(words)}")


_OPENINGS: dict[int, str] = {
    401: "the token is not accepted: it is wrong, over, or not for this; "
    "`fencepost init --json` prints the installation's own as admin_token",
    403: "this token does not allow it",
    404: "the service does not know this",
    413: "the service takes no messages as large as this",
    429: "the service is asked too often",
    503: "the service is busy",
}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"


def _reason(error: Exception) -> str:
    known = (reason for cause in _causes(error) if (reason := _reason_of_cause(cause)))
    if reason := next(known, None):
        return reason
    if isinstance(error, httpx2.ConnectTimeout):
        return "it cannot be reached: no answer to the attempt to connect"
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return "it does not answer"
    return f"the connection failed: {str(error) or type(error).__name__}"


def _reason_of_cause(cause: BaseException) -> str | None:
    match cause:
        case ssl.SSLCertVerificationError():
            return _of_certificate(cause)
        case socket.gaierror():
            return "no computer of this name is known"
        case ConnectionRefusedError():
            return "nobody listens there: is `fencepost serve` running?"
        case _ if _is_plain(cause):
            return "what listens there does not speak TLS: is it another program?"
    return None


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _OTHER_NAME:
        return (
            "the certificate of the service is for other names: use one of those, "
            "or add this one with `fencepost init --hostname`"
        )
    if reason := _NOT_VALID_NOW.get(error.verify_code):
        return f"the certificate of the service {reason}"
    return (
        "the certificate of the service is not signed by the authority that is trusted here: "
        "name the service's own ca.pem with --ca, or its data folder with --data"
    )


def _is_plain(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) and error.reason in {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
    }


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything that led to it, groups unfolded."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__context__, one.__cause__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
