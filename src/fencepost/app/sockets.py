"""Listening sockets, bound before anything else is begun: an address in use is told at once."""

import importlib.util
import logging
import socket
from contextlib import ExitStack
from typing import Literal, Self

from fencepost.config.service import Amqp, Http, Mqtt, Settings
from fencepost.model.errors import OperatorError, Problem

BACKLOG = 2048
HAS_AMQP = importlib.util.find_spec("proton") is not None
NO_AMQP = "AMQP is off, for its extra is not installed: pip install 'fencepost[amqp]', or set [amqp] enabled = false"

Protocol = Literal["mqtt", "amqp"]
PROTOCOLS: tuple[Protocol, ...] = ("mqtt", "amqp")

_log = logging.getLogger("fencepost")


class Sockets:
    """
    The sockets of all that listens, closed at the end.

    Raises OperatorError where an address cannot be had.
    """

    def __init__(self, settings: Settings) -> None:
        self._stack = ExitStack()
        self._of: dict[Protocol, socket.socket] = {}
        with self._stack:
            self.https = self._bound("http", settings.http)
            if settings.mqtt.enabled:
                self._of["mqtt"] = self._bound("mqtt", settings.mqtt)
            if settings.amqp.enabled and HAS_AMQP:
                self._of["amqp"] = self._bound("amqp", settings.amqp)
            elif settings.amqp.enabled:
                _log.warning(NO_AMQP)
            self._stack = self._stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, protocol: Protocol) -> socket.socket | None:
        """Return a protocol's socket, None where it is off."""
        return self._of.get(protocol)

    def _bound(self, section: str, where: Http | Mqtt | Amqp) -> socket.socket:
        family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
        try:
            made = socket.create_server((where.host, where.port), family=family, backlog=BACKLOG)
        except OSError as error:
            reason = (
                f"cannot listen on {where.host}:{where.port}: {error.strerror or error}; "
                f"choose another [{section}] port"
            )
            raise OperatorError([Problem(f"{section}.port", reason)]) from None
        return self._stack.enter_context(made)


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket listens on."""
    port: int = listener.getsockname()[1]
    return port
