"""Who is connected at the moment: one session for each identity, whatever it came in by."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Protocol

from fencepost.model.errors import FencepostError
from fencepost.model.identity import Channel, IdentityKey

REMEMBERED = 65_536
"""Identities whose last activity is remembered, the latest ones."""
TAKEN_OVER = "taken over"


class NotListening(FencepostError):  # noqa: N818 - an answer
    """The identity is not connected, or takes no direct methods."""


class Session(Protocol):
    """One connected identity; all of it is called on the event loop."""

    @property
    def channel(self) -> Channel: ...

    def push_desired(self, patch: dict[str, Any]) -> None:
        """Send changed desired properties with their "$version"; dropped if they are not subscribed to."""

    def wake(self) -> None:
        """Hear that a cloud-to-device message waits."""

    async def invoke(self, name: str, payload: bytes, timeout: float) -> tuple[int, bytes]:  # noqa: ASYNC109
        """Return status and payload of a direct method; raises NotListening, and TimeoutError after `timeout` s."""

    def close(self, reason: str) -> None:
        """End the connection now."""


class Sessions:
    """
    Who is connected, and when whoever was here was active last. `clock` gives aware UTC.

    All of it belongs to the event loop. It calls a session only after it has let go of it, so that a session
    may call back.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._of_device: dict[str, dict[str | None, Session]] = {}
        self._count = 0
        self._active: OrderedDict[IdentityKey, datetime] = OrderedDict()

    def count(self) -> int:
        """Return how many are connected."""
        return self._count

    def of(self, key: IdentityKey) -> Session | None:
        """Return the session of an identity, None where it is not connected."""
        return self._of_device.get(key.device_id, {}).get(key.module_id)

    def enter(self, key: IdentityKey, session: Session) -> None:
        """Let a session in; the one that the identity had until now is closed."""
        of_device = self._of_device.setdefault(key.device_id, {})
        before = of_device.get(key.module_id)
        of_device[key.module_id] = session
        self.touch(key)
        if before is None:
            self._count += 1
        elif before is not session:
            before.close(TAKEN_OVER)

    def leave(self, key: IdentityKey, session: Session) -> None:
        """Let a session go; no effect where the identity has another one, or none."""
        if self.of(key) is session:
            self._remove(key)
            self.touch(key)

    def close(self, key: IdentityKey, reason: str) -> None:
        """End the session of an identity; with a device's those of its modules."""
        for one in [*self._below(key)]:
            session = self.of(one)
            if session is not None:
                self._remove(one)
                session.close(reason)

    def touch(self, key: IdentityKey) -> None:
        """Take note that an identity is active now."""
        self._active[key] = self._clock()
        self._active.move_to_end(key)
        if len(self._active) > REMEMBERED:
            self._active.popitem(last=False)

    def last_active_at(self, key: IdentityKey) -> datetime | None:
        """Return when an identity came, went or was active last, None where that is not remembered."""
        return self._active.get(key)

    def _below(self, key: IdentityKey) -> Iterator[IdentityKey]:
        if key.module_id is not None:
            yield key
            return
        for module_id in self._of_device.get(key.device_id, {}):
            yield IdentityKey(key.device_id, module_id)

    def _remove(self, key: IdentityKey) -> None:
        of_device = self._of_device[key.device_id]
        del of_device[key.module_id]
        self._count -= 1
        if not of_device:
            del self._of_device[key.device_id]
