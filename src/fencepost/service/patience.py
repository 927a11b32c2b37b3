"""Waiting for a control store that is away: it comes back, or the service ends."""

import logging
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from fencepost.model.errors import StoreUnavailable

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between attempts."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - not an error
    """The service ends before something is done: the journal holds what is left to do."""


class Patience:
    """
    Tries until the store answers. `trouble` says why it does not at the moment, None when it does.

    `stopping` ends the waiting: then Stopped is raised.
    """

    def __init__(self, stopping: Event) -> None:
        self.trouble: str | None = None
        self._stopping = stopping

    def until_done(self, call: Callable[[], T]) -> T:
        """Return what the call returns as soon as it does not raise StoreUnavailable; raises Stopped."""
        pause = FIRST_PAUSE
        while True:
            try:
                result = call()
            except StoreUnavailable as error:
                self._note(str(error))
            else:
                self._note(None)
                return result
            if self._stopping.wait(pause):
                raise Stopped
            pause = min(2 * pause, LONGEST_PAUSE)

    def check(self) -> None:
        """Raise Stopped if the service ends."""
        if self._stopping.is_set():
            raise Stopped

    def _note(self, trouble: str | None) -> None:
        if trouble is not None and self.trouble is None:
            _log.error("the control store cannot be reached, trying again: %s", trouble)
        if trouble is None and self.trouble is not None:
            _log.warning("the control store can be reached again")
        self.trouble = trouble


class Impatience(Patience):
    """For who has a person waiting: what cannot be done now is raised."""

    def __init__(self) -> None:
        super().__init__(Event())

    def until_done(self, call: Callable[[], T]) -> T:
        """Return what the call returns; raises StoreUnavailable."""
        return call()
