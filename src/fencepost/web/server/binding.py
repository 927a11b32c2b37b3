"""Where the server listens, what it allows, and what it has seen."""

from pathlib import Path

from msgspec import Struct


class Binding(Struct, frozen=True, kw_only=True):
    """
    Where the server listens, and its patience in seconds.

    Without a certificate it speaks plain HTTP. `connections` are open at a time, TLS handshakes included.
    """

    host: str
    port: int
    certificate: Path | None
    key: Path | None
    head_seconds: float
    keep_alive_seconds: float
    connections: int
    write_seconds: float = 30.0
    """How long a client may leave an answer unread."""


class Traffic(Struct):
    """Connections: how many are open now, and what has been turned away since the start."""

    open: int = 0
    refused: int = 0
    """Closed at once: there were as many as may be."""
    handshakes: int = 0
    """TLS handshakes that failed or took too long."""
    malformed: int = 0
    """Requests that are not HTTP/1.1, or whose head is too large."""
    late: int = 0
    """Closed because a head did not come, or an answer was not read, in time."""
