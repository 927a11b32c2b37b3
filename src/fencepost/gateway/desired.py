"""Desired properties on their way to an identity, over every transport: what an agent is told, the engine hears (S06)."""

from typing import Any

from fencepost.gateway.gateway import Gateway
from fencepost.model.identity import SECURITY_MODULE, IdentityKey, Twin
from fencepost.wire.twin import SECTION


async def served(gateway: Gateway, key: IdentityKey) -> Twin:
    """Return an identity's twin to be sent to it."""
    twin = await gateway.registry.twin(key)
    if key.module_id == SECURITY_MODULE:
        await gateway.uplink.served(key.device_id, twin.desired.values)
    return twin


async def pushed(gateway: Gateway, key: IdentityKey, patch: dict[str, Any]) -> dict[str, Any]:
    """Return a change of desired properties, which names the agents' section whole or not at all, to be sent."""
    if key.module_id == SECURITY_MODULE and SECTION in patch:
        await gateway.uplink.served(key.device_id, patch)
    return patch
