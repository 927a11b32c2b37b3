"""What the IoT Hub's service calls need of the running service; `app` puts it together."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from msgspec import Struct, field

from fencepost.model.access import Principal
from fencepost.model.identity import IdentityKey
from fencepost.net.tls import PeerCertificate
from fencepost.service.downlink import Downlink
from fencepost.service.operations import Operations
from fencepost.service.policies import Policies
from fencepost.service.registry import Registry
from fencepost.service.sessions import Sessions
from fencepost.web.api.service import Counters


class HubService(Struct, frozen=True, kw_only=True, eq=False):
    """
    The parts that are called. `clock` gives aware UTC; a body has `body_seconds` to come in.

    `principal_of` says whom a bearer token of our own stands for. `own_token` says whether a shared access
    signature is an identity's own, as the devices' side checks it, and `own_certificate` whether a certificate is.
    """

    registry: Registry
    downlink: Downlink
    sessions: Sessions
    operations: Operations
    policies: Policies
    clock: Callable[[], datetime]
    principal_of: Callable[[str], Principal | None]
    own_token: Callable[[IdentityKey, str], Awaitable[bool]]
    own_certificate: Callable[[IdentityKey, PeerCertificate], Awaitable[bool]]
    body_seconds: float = 30.0
    counters: Counters = field(default_factory=Counters)
