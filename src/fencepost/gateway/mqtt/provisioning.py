"""A device that asks where it belongs: the provisioning service over MQTT (DPS, symmetric keys)."""

from collections.abc import Sequence
from typing import Self

import msgspec

from fencepost.gateway.credentials import Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.gateway.mqtt.link import Closing, Link
from fencepost.model.errors import DeviceError, FencepostError
from fencepost.service.policies import NotAllowed
from fencepost.wire.mqtt import (
    Connect,
    Packet,
    Publish,
    Subscribe,
    Unsubscribe,
    puback,
    publish,
    suback,
    unsuback,
)
from fencepost.wire.topics import (
    ProvisioningAnswers,
    ProvisioningRegister,
    ProvisioningStatus,
    parse_filter,
    parse_topic,
    provisioning_topic,
)

REFUSED = 0x80


class RegistrationSession:
    """One registration on one connection; the token was checked when it began."""

    def __init__(self, gateway: Gateway, link: Link, id_scope: str, registration_id: str, token: str) -> None:
        self._gateway = gateway
        self._link = link
        self._id_scope = id_scope
        self._registration_id = registration_id
        self._token = token
        self._is_listening = False

    @classmethod
    async def opened(cls, gateway: Gateway, link: Link, connect: Connect) -> Self:
        """Return a session of who showed a token of the enrollment; raises Unauthorized."""
        id_scope = (connect.username or "").partition("/")[0]
        token = (connect.password or b"").decode("utf-8", "replace")
        try:
            await gateway.provisioning.authorize(id_scope, connect.client_id, token)
        except NotAllowed as error:
            raise Unauthorized(str(error)) from None
        return cls(gateway, link, id_scope, connect.client_id, token)

    async def handle(self, packets: Sequence[Packet]) -> None:
        for packet in packets:
            match packet:
                case Subscribe():
                    grants = [self._granted(text, qos) for text, qos in packet.filters]
                    self._link.write(suback(packet.packet_id, grants))
                case Unsubscribe():
                    self._link.write(unsuback(packet.packet_id))
                case Publish() if packet.qos < 2:  # noqa: PLR2004 - QoS 2 is not spoken here
                    if packet.qos:
                        self._link.write(puback(packet.packet_id))
                    await self._published(packet)
                case _:
                    raise Closing(f"unexpected {type(packet).__name__.upper()}")

    async def end(self, *, is_clean: bool) -> None:
        """Nothing is left behind."""

    def _granted(self, text: str, qos: int) -> int:
        if not isinstance(parse_filter(text), ProvisioningAnswers):
            return REFUSED
        self._is_listening = True
        return min(qos, 1)

    async def _published(self, packet: Publish) -> None:
        try:
            topic = parse_topic(packet.topic)
        except DeviceError as error:
            raise Closing(error.reason) from None
        if not isinstance(topic, ProvisioningRegister | ProvisioningStatus):
            raise Closing("a topic that is not for registrations")
        status, body = await self._register()
        if self._is_listening:
            self._link.write(publish(provisioning_topic(status, topic.rid), body))

    async def _register(self) -> tuple[int, bytes]:
        """Return status and body; asked twice, the answer is the same."""
        try:
            registration = await self._gateway.provisioning.register(
                self._id_scope, self._registration_id, self._token
            )
        except NotAllowed:
            return 401, msgspec.json.encode({"errorCode": 401002, "message": "Unauthorized"})
        except FencepostError:
            return 503, msgspec.json.encode({"errorCode": 503001, "message": "Try again later"})
        return 200, msgspec.json.encode(registration.answer())
