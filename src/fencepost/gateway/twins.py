"""Twins on their way to their identities, over every transport: what an agent is told, the engine hears (S06)."""

from typing import Any

import msgspec

from fencepost.gateway.gateway import Gateway
from fencepost.model.errors import DeviceError, FencepostError, StoreUnavailable
from fencepost.model.identity import SECURITY_MODULE, IdentityKey, Twin
from fencepost.service.pipeline import Busy
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


def body_of(twin: Twin) -> bytes:
    """Return a twin as its identity reads it: tags are for the owner's eyes."""
    sections = {"desired": twin.desired, "reported": twin.reported}
    body = {name: {**section.values, "$version": section.version} for name, section in sections.items()}
    return msgspec.json.encode(body)


def status_of(error: FencepostError) -> int:
    """Return how IoT Hub answers an operation on a twin that failed."""
    match error:
        case DeviceError():
            return 400
        case Busy():
            return 429
        case StoreUnavailable():
            return 503
        case _:
            return 404
