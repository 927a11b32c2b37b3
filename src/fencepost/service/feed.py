"""The feed of changed alerts, for whoever listens at the moment; the rest is read from the control store."""

import asyncio
from collections.abc import Sequence
from weakref import WeakSet

from fencepost.model.alert import Alert

ROOM = 1000
"""Changes that a listener may lag behind before it is cut off and has to resume."""
LISTENERS = 1000
OF_ONE = 20
"""Listeners of one name: a person with several windows, not a program that forgets to close its streams."""


class Listener:
    """One who listens: `changes` yields alerts with their positions, then None when it is cut off."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.changes: asyncio.Queue[tuple[Alert, int] | None] = asyncio.Queue(ROOM + 1)


class Feed:
    """Hands changes to all listeners; one who does not keep up delays nobody, one whom nobody holds is gone."""

    def __init__(self) -> None:
        self._listeners: WeakSet[Listener] = WeakSet()

    def __len__(self) -> int:
        return len(self._listeners)

    def listen(self, name: str) -> Listener | None:
        """Return a new listener, None where there are too many already, or too many of this name."""
        if len(self._listeners) >= LISTENERS or sum(one.name == name for one in self._listeners) >= OF_ONE:
            return None
        listener = Listener(name)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def publish(self, changes: Sequence[tuple[Alert, int]]) -> None:
        for listener in tuple(self._listeners):
            for change in changes:
                if listener.changes.qsize() >= ROOM:
                    self._cut_off(listener)
                    break
                listener.changes.put_nowait(change)

    def close(self) -> None:
        """End all listening."""
        for listener in tuple(self._listeners):
            self._cut_off(listener)

    def _cut_off(self, listener: Listener) -> None:
        self.leave(listener)
        listener.changes.put_nowait(None)
