"""Where the server listens, and what it allows."""

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

