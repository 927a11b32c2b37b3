"""Where devices connect, and that a connection is gone."""

import ssl

from msgspec import Struct

from fencepost.client import trouble
from fencepost.model.errors import FencepostError, OperatorError, Problem

CONNECTING = 10.0
"""Seconds in which a connection must be made, and let in."""
PATIENCE = 60.0
"""Seconds after which a message is given up."""


class Endpoint(Struct, frozen=True):
    """A host and a port; `trust` verifies the certificate that the server shows for the host."""

    host: str
    port: int
    trust: ssl.SSLContext

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def trouble(self, error: Exception) -> Problem:
        """Return why there is no connection, in one clear line."""
        if isinstance(error, Lost):
            return Problem(str(self), str(error))
        return trouble.of_transport(error, str(self))


def refusal(place: str, who: str, answer: str) -> OperatorError:
    """Return that a device is not let in; `answer` is how the protocol says so."""
    reason = (
        f"the service does not let {who} in ({answer}): it is disabled or not registered, its key is another "
        "one, or the host name is not one of the service's"
    )
    return OperatorError([Problem(place, reason)])


class Lost(FencepostError):  # noqa: N818 - a state of the world
    """The connection is gone, or could not be made; another one may be."""
