"""Where the server listens, and what it allows."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

TakeOver = Callable[[Callable[[], None]], asyncio.Protocol]
"""Makes the protocol that a connection goes on with; it calls what it is given when the connection is lost."""


class Binding(Struct, frozen=True, kw_only=True):
    """
    Where the server listens, and its patience in seconds.

    Without a certificate it speaks plain HTTP. `connections` are open at a time, TLS handshakes included.
    """

    host: str
    port: int
    certificate: Path | None
    key: Path | None
    authorities: Path | None = None
    """The authorities that sign clients' certificates; who shows one proves nothing but to have its key."""
    head_seconds: float
    keep_alive_seconds: float
    connections: int
    write_seconds: float = 30.0
    """How long a client may leave an answer unread."""
    taking: Callable[[str], TakeOver | None] = lambda _: None
    """Who takes a connection over that asks for a web socket at a path."""
