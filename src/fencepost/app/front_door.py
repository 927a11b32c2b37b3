"""The front door put together: registry, credentials, and the listeners for devices."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from msgspec import structs

from fencepost.app.sockets import HAS_AMQP, PROTOCOLS, Protocol, Sockets
from fencepost.config.service import Gateway as GatewaySettings
from fencepost.config.service import Settings, is_local
from fencepost.gateway.credentials import Credentials, Unauthorized
from fencepost.gateway.gateway import Counters, Gateway
from fencepost.gateway.mqtt.protocol import MqttProtocol
from fencepost.gateway.uplink import Uplink
from fencepost.gateway.websocket import WebSockets
from fencepost.model.access import Principal
from fencepost.model.identity import IdentityKey
from fencepost.net.entrance import Admission
from fencepost.net.listener import TlsListener
from fencepost.net.tls import PeerCertificate, server_context
from fencepost.net.traffic import Traffic
from fencepost.service.downlink import Downlink
from fencepost.service.operations import Operations
from fencepost.service.pipeline import Pipeline
from fencepost.service.policies import Permission, Policies, Policy
from fencepost.service.provisioning import Provisioning
from fencepost.service.registry import Registry
from fencepost.service.sessions import Sessions
from fencepost.service.subscriptions import Subscriptions
from fencepost.setup.credentials import HubKeys
from fencepost.setup.installation import Installation
from fencepost.store.control import ControlStore
from fencepost.web.api.service import Counters as RequestCounters
from fencepost.web.azure.iothub import HubService

PERMISSIONS: dict[str, frozenset[Permission]] = {
    "iothubowner": frozenset({"RegistryRead", "RegistryWrite", "ServiceConnect", "DeviceConnect"}),
    "service": frozenset({"ServiceConnect"}),
    "device": frozenset({"DeviceConnect"}),
    "registryRead": frozenset({"RegistryRead"}),
    "registryReadWrite": frozenset({"RegistryRead", "RegistryWrite"}),
}
"""What the shared access policies of a new IoT Hub allow."""
DEVICE_AUTHORITIES = GatewaySettings().device_ca_file


class FrontDoor:
    """What devices and their owners' programs reach; `open` it when messages can be taken."""

    def __init__(
        self,
        settings: Settings,
        installation: Installation,
        pipeline: Pipeline,
        store: ControlStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._installation = installation
        hub = installation.hub
        hosts = known_hosts(settings, installation)
        operations = Operations(pipeline, clock)
        self.sessions = Sessions(clock)
        self.policies = Policies(_policies_of(hub), hosts, clock)
        registry = Registry(store, pipeline, self.sessions, clock, operations.note)
        self.gateway = Gateway(
            credentials=Credentials(registry, self.policies, operations, hosts, clock),
            uplink=Uplink(pipeline, self.sessions, clock, settings.ingest.max_message_bytes),
            registry=registry,
            sessions=self.sessions,
            downlink=Downlink(store, self.sessions, clock, operations.note),
            operations=operations,
            provisioning=Provisioning(
                registry,
                hub.id_scope,
                (hub.enrollment.primary, hub.enrollment.secondary),
                hub_name(settings, installation),
                clock,
            ),
            counters=Counters(),
            clock=clock,
            max_message_bytes=settings.ingest.max_message_bytes,
        )
        self.traffic: dict[Protocol, Traffic] = {"mqtt": Traffic(), "amqp": Traffic()}
        self._subscriptions = Subscriptions(store)
        self.web_sockets = WebSockets({"mqtt": self._mqtt, **self._amqp_inside()})
        self._listeners: list[TlsListener] = []

    def open(self, sockets: Sockets, connections: int) -> None:
        """Let devices in, so many by each protocol; raises OperatorError for certificates that cannot be used."""
        http, gateway = self._settings.http, self._settings.gateway
        wanted = {name: listener for name in PROTOCOLS if (listener := sockets.of(name)) is not None}
        if not wanted:
            return
        context = server_context(http.certificate, http.key, self.authorities())
        admission = Admission(connections=connections, of_one_address=gateway.max_connections_per_address)
        made: dict[Protocol, Callable[[], asyncio.Protocol]] = {"mqtt": self._mqtt, "amqp": self._amqp}
        for name, listener in wanted.items():
            one = TlsListener(listener, context, made[name], admission, self.traffic[name])
            one.open()
            self._listeners.append(one)

    def hub_service(
        self, principal_of: Callable[[str], Principal | None], counters: RequestCounters
    ) -> HubService:
        """Return what programs of the owner call; `principal_of` is asked of bearer tokens."""
        gateway = self.gateway
        return HubService(
            registry=gateway.registry,
            downlink=gateway.downlink,
            sessions=gateway.sessions,
            operations=gateway.operations,
            policies=self.policies,
            clock=gateway.clock,
            principal_of=principal_of,
            own_token=self._is_own_token,
            own_certificate=self._is_own_certificate,
            body_seconds=self._settings.http.request_timeout.total_seconds(),
            counters=counters,
        )

    def authorities(self) -> Path | None:
        """Return the file of the authorities of devices; the usual one need not be there, one that was named must."""
        file = self._settings.gateway.device_ca_file
        usual = self._installation.folder / DEVICE_AUTHORITIES
        return None if file.resolve() == usual.resolve() and not file.exists() else file

    async def _is_own_token(self, key: IdentityKey, token: str) -> bool:
        try:
            await self.gateway.credentials.by_token(key, token)
        except Unauthorized:
            return False
        return True

    async def _is_own_certificate(self, key: IdentityKey, certificate: PeerCertificate) -> bool:
        try:
            await self.gateway.credentials.by_certificate(key, certificate)
        except Unauthorized:
            return False
        return True

    async def close(self) -> None:
        """Let everybody go; their last messages are still taken."""
        self.web_sockets.close()
        await asyncio.gather(*(one.close() for one in self._listeners))

    def _mqtt(self) -> asyncio.Protocol:
        return MqttProtocol(self.gateway, self._subscriptions, self.traffic["mqtt"])

    def _amqp(self) -> asyncio.Protocol:
        from fencepost.gateway.amqp import amqp_protocol  # noqa: PLC0415 - it takes the extra

        return amqp_protocol(self.gateway, self.traffic["amqp"])

    def _amqp_inside(self) -> dict[str, Callable[[], asyncio.Protocol]]:
        return {"AMQPWSB10": self._amqp} if HAS_AMQP else {}


def known_hosts(settings: Settings, installation: Installation) -> Callable[[str], bool]:
    """Return what says whether a host of a token is one of our names, in any case; a wildcard is for one label."""
    names = {*installation.hostnames, *settings.gateway.hostnames, hub_name(settings, installation)}
    known = frozenset(name.lower() for name in names)
    return lambda host: host in known or f"*.{host.partition('.')[2]}" in known


def hub_name(settings: Settings, installation: Installation) -> str:
    """Return the host name that devices are assigned to."""
    return installation.hub_name(local_only=is_local(settings))


def _policies_of(keys: HubKeys) -> Iterator[Policy]:
    for name, permissions in PERMISSIONS.items():
        pair = structs.asdict(keys)[name]
        yield Policy(name, pair.primary, pair.secondary, permissions)
