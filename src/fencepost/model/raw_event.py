"""One row of the raw-event table, in the words that Azure's `SecurityIoTRawEvent` table uses."""

from datetime import datetime
from typing import Any

from msgspec import Struct, field


class RawEvent(Struct, frozen=True, kw_only=True):
    """
    One payload item of one event, complete, for people to search.

    `occurred_at` is aware UTC. `details` holds the payload as the device sent it, unknown members included.
    `msgspec.to_builtins` gives a dict with exactly the column names of the table.
    """

    device_id: str = field(name="DeviceId", default="")
    name: str = field(name="RawEventName")
    category: str = field(name="RawEventCategory")
    event_type: str = field(name="RawEventType")
    id: str = field(name="IoTRawEventId")
    occurred_at: datetime = field(name="TimeStamp")
    is_empty: bool = field(name="IsEmpty", default=False)
    agent_version: str = field(name="AgentVersion", default="")
    details: dict[str, Any] = field(name="EventDetails")
