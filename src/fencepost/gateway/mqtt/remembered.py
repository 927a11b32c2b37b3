"""The subscription to cloud-to-device messages that a client with clean session 0 has left with us."""

from fencepost.model.identity import IdentityKey

MOST = 100_000


class Remembered:
    """
    The subscriptions of many identities: QoS, and the device's id as the client wrote it.

    Of so many, those that subscribed last. A restart forgets them, and says so: CONNACK without "session present".
    """

    def __init__(self) -> None:
        self._known: dict[IdentityKey, tuple[int, str]] = {}

    def put(self, key: IdentityKey, qos: int, written: str) -> None:
        self.forget(key)
        self._known[key] = qos, written
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    def forget(self, key: IdentityKey) -> None:
        self._known.pop(key, None)

    def of(self, key: IdentityKey) -> tuple[int, str] | None:
        """Return an identity's subscription, None where there is none."""
        return self._known.get(key)
