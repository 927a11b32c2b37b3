"""What the ARM dialect needs of the running service; `app` puts it together."""

import asyncio
from typing import Protocol

from msgspec import Struct, field

from fencepost.model.solution import GroupSpelling
from fencepost.web.api.service import Service


class Place(Struct, frozen=True, kw_only=True):
    """Where an installation stands in the world of Azure: the parts of all its ids. They never change."""

    subscription_id: str
    tenant_id: str
    resource_group: str
    iothub_name: str
    workspace_id: str
    location: str

    @property
    def subscription(self) -> str:
        """The id of the subscription."""
        return f"/subscriptions/{self.subscription_id}"

    @property
    def group(self) -> str:
        """The id of the resource group."""
        return f"{self.subscription}/resourceGroups/{self.resource_group}"

    @property
    def hub(self) -> str:
        """The id of the IoT Hub."""
        return f"{self.group}/providers/Microsoft.Devices/IotHubs/{self.iothub_name}"


class SpellingStore(Protocol):
    """
    How groups were spelled by this dialect.

    Every call may block, and raises StoreUnavailable while the database is away.
    """

    def group_spellings(self) -> dict[str, GroupSpelling]:
        """Return the spellings of groups, by their names without case."""

    def put_group_spelling(self, name: str, spelling: GroupSpelling | None) -> None:
        """Keep the spelling of a group, or with None forget it."""


class ArmService(Struct, frozen=True, kw_only=True, eq=False):
    """
    The parts that are called; `vendor_name` stands in every alert.

    Groups and how they are spelled are edited in one `turn` after the other.
    """

    service: Service
    place: Place
    spellings: SpellingStore
    vendor_name: str = "Fencepost"
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
