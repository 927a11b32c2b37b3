"""What every transport of the front door works with; `app` puts it together."""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from fencepost.gateway.credentials import Credentials
from fencepost.gateway.uplink import Uplink
from fencepost.service.downlink import Downlink
from fencepost.service.operations import Operations
from fencepost.service.provisioning import Provisioning
from fencepost.service.registry import Registry
from fencepost.service.sessions import Sessions


class Counters(Struct):
    """What the front door has seen since the start."""

    connects: int = 0
    """Identities that signed in."""
    unauthorized: int = 0
    """Sign-ins and requests that were refused, and attempts on what is another's."""
    forbidden: int = 0
    """Connections closed for something that IoT Hub does not do, such as QoS 2."""
    lost_wills: int = 0
    """Wills that found no room."""
    lost_messages: int = 0
    """Messages that found no room, of connections that ended meanwhile; with QoS 1 they are sent again."""


class Gateway(Struct, frozen=True, kw_only=True, eq=False):
    """The parts of the front door. `clock` gives aware UTC; `max_message_bytes` bounds a message's body."""

    credentials: Credentials
    uplink: Uplink
    registry: Registry
    sessions: Sessions
    downlink: Downlink
    operations: Operations
    provisioning: Provisioning
    counters: Counters
    clock: Callable[[], datetime]
    max_message_bytes: int
