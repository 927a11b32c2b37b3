"""Desired properties on their way to an identity, over every transport."""

from typing import Any

from fencepost.gateway.gateway import Gateway
from fencepost.model.identity import SECURITY_MODULE, IdentityKey, Twin
from fencepost.wire.twin import SECTION


async def served(gateway: Gateway, key: IdentityKey) -> Twin:
    """Return an identity's twin to be sent to it; the engine hears what it lets an agent take its time for (S06)."""
    twin = await gateway.registry.twin(key)
    await _tell(gateway, twin)
    return twin


async def whole_update(gateway: Gateway, key: IdentityKey, patch: dict[str, Any]) -> dict[str, Any]:
    """
    Return what is to be pushed for a change of desired properties.

    The legacy agents take a section of theirs that is pushed for the whole of it, and fall back to defaults
    for what is missing: so they are sent all of it.
    """
    if key.module_id != SECURITY_MODULE or not isinstance(patch.get(SECTION), dict):
        return patch
    twin = await served(gateway, key)
    return {**patch, SECTION: twin.desired.values.get(SECTION), "$version": twin.desired.version}


async def _tell(gateway: Gateway, twin: Twin) -> None:
    if twin.key.module_id == SECURITY_MODULE:
        await gateway.uplink.served(twin.key.device_id, twin.desired.values)
