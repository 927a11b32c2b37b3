"""Device provisioning with symmetric keys, as Azure's DPS does it (in the making: the signatures stand)."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fencepost.service.registry import Registry


class Registration(Struct, frozen=True, kw_only=True):
    """A device that has been assigned to this hub."""

    registration_id: str
    device_id: str
    assigned_hub: str
    created_at: datetime
    etag: str
    status: Literal["assigned"] = "assigned"


class Provisioning:
    """Registers devices that hold a key derived from the enrollment group's."""

    def __init__(
        self,
        registry: Registry,
        id_scope: str,
        group_keys: tuple[str, str],
        hub_host: str,
        clock: Callable[[], datetime],
    ) -> None: ...

    async def register(self, id_scope: str, registration_id: str, token: str) -> Registration:
        """Register a device, or find it registered; raises NotAllowed (service.policies)."""
        raise NotImplementedError
