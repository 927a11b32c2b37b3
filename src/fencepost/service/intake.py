"""The bytes of requests that are being read: bounded over all senders together."""

from fencepost.service.pipeline import Busy


class Intake:
    """Counts what is held; `hold` raises Busy where it would be more than `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def hold(self, size: int) -> None:
        if self.held + size > self._most:
            raise Busy("too many requests are being read at once")
        self.held += size

    def give_back(self, size: int) -> None:
        self.held -= size
