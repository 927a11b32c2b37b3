"""The subscription to cloud-to-device messages that a client with clean session 0 has left with us."""

from fencepost.model.identity import IdentityKey

MOST = 100_000


class Remembered:
    """The QoS of each identity's subscription; of so many, those that connected last."""

    def __init__(self) -> None:
        self._qos: dict[IdentityKey, int] = {}

    def put(self, key: IdentityKey, qos: int) -> None:
        self.forget(key)
        self._qos[key] = qos
        if len(self._qos) > MOST:
            del self._qos[next(iter(self._qos))]

    def forget(self, key: IdentityKey) -> None:
        self._qos.pop(key, None)

    def of(self, key: IdentityKey) -> int | None:
        """Return the QoS of the subscription, None where there is none."""
        return self._qos.get(key)
