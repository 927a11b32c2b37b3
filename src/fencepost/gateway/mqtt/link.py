"""What a session says to its connection."""

from typing import Protocol


class Link(Protocol):
    """One connection as a session sees it."""

    @property
    def is_open(self) -> bool: ...

    @property
    def is_clogged(self) -> bool:
        """Whether the peer does not read what was written, so that nothing more should be."""

    def write(self, data: bytes) -> None:
        """Send packets; dropped where the connection is gone."""

    def close(self, reason: str) -> None:
        """End the connection: after the packets that were written."""


class Closing(Exception):  # noqa: N818 - an answer of IoT Hub's: it has no error packet
    """The connection is to be closed, and why; `is_trespass` says that another's was reached for."""

    def __init__(self, reason: str, *, is_trespass: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_trespass = is_trespass
