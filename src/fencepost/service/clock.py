"""The service's clock: the wall's, but it never goes back while the service runs."""

from collections.abc import Callable
from datetime import datetime, timedelta

SLIP = timedelta(seconds=5)
"""How far behind the wall clock may fall before somebody must look at it."""


class RunningClock:
    """
    Gives receive times: those of the wall clock, and its own pace while that has been set back.

    A server whose clock is set back by a day must not find every device's events a day ahead (S08): the
    running clock goes on and follows the wall again once that has caught up. `wall` returns aware UTC,
    `monotonic` seconds.
    """

    def __init__(self, wall: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._latest, self._at = wall(), monotonic()

    def now(self) -> datetime:
        """Return the time, aware UTC, never before one that was returned earlier."""
        at = self._monotonic()
        ours, wall = self._ours(at), self._wall()
        behind = ours - wall
        # within the slip the wall is steered, not set: wait for it rather than run ahead of it
        self._latest = max(wall, self._latest) if behind <= SLIP else ours
        self._at = at
        return self._latest

    def set_back(self) -> timedelta | None:
        """Return by how much the wall clock has been set back, None if it agrees."""
        behind = self._ours(self._monotonic()) - self._wall()
        return behind if behind > SLIP else None

    def _ours(self, at: float) -> datetime:
        return self._latest + timedelta(seconds=max(0.0, at - self._at))
