"""The keys of devices, as the registry has them, and the tokens that they sign with them."""

from collections.abc import Callable, Sequence
from datetime import datetime

from fencepost.client.hub import MOST_ITEMS, Hub
from fencepost.client.hub_shapes import HubIdentity, Line
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.identity import IdentityKey
from fencepost.model.sas import sign

LIFE = 3600
"""Seconds for which a token is signed."""
MOST_PROBLEMS = 20


class DeviceKeys:
    """Registers devices and signs for them; tokens are for the name `host`, and `clock` gives aware UTC."""

    def __init__(self, hub: Hub, host: str, clock: Callable[[], datetime]) -> None:
        self._hub = hub
        self.host = host
        self._clock = clock
        self._known: dict[IdentityKey, str] = {}

    async def register(self, device_ids: Sequence[str]) -> None:
        """See that all of these devices are registered; those that are stay as they are. Raises OperatorError."""
        for begin in range(0, len(device_ids), MOST_ITEMS):
            lines = [Line(id=one, import_mode="create") for one in device_ids[begin : begin + MOST_ITEMS]]
            refused = [one for one in await self._hub.put_all(lines) if not one.is_there_already]
            if refused:
                raise OperatorError(Problem(str(one.key), one.reason) for one in refused[:MOST_PROBLEMS])

    async def read(self, key: IdentityKey) -> None:
        """See that the key of an identity is known; a module that is missing is made. Raises OperatorError."""
        if key in self._known:
            return
        identity = await self._hub.find(key)
        if identity is None:
            identity = await self._hub.create(HubIdentity(device_id=key.device_id, module_id=key.module_id))
        shared = identity.shared_key()
        if shared is None:
            reason = "it signs in without a key, with a certificate: only devices with keys can be simulated"
            raise OperatorError([Problem(str(key), reason)])
        self._known[key] = shared

    def token(self, key: IdentityKey) -> str:
        """Return a token of an identity whose key is known, good for an hour."""
        return sign(self.resource(key), self._known[key], int(self._clock().timestamp()) + LIFE)

    def resource(self, key: IdentityKey) -> str:
        """Return what the tokens of an identity are for."""
        device = f"{self.host}/devices/{key.device_id}"
        return device if key.module_id is None else f"{device}/modules/{key.module_id}"
