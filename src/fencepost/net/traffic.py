"""What an entrance has seen."""

from msgspec import Struct


class Traffic(Struct):
    """Connections: how many are open now, and what has been turned away since the start."""

    open: int = 0
    refused: int = 0
    """Closed at once: there were as many as may be, of one address or in all."""
    handshakes: int = 0
    """TLS handshakes that failed or took too long."""
    malformed: int = 0
    """What cannot be read: by the protocol's rules, or because it is too large."""
    late: int = 0
    """Closed because something did not come, or was not read, in time."""
