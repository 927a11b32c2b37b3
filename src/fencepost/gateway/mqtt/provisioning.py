"""A device that asks where it belongs: the provisioning service over MQTT (DPS, symmetric keys)."""

from collections.abc import Sequence
from typing import Self

import msgspec

from fencepost.gateway.credentials import Unauthorized
from fencepost.gateway.gateway import Gateway
from fencepost.gateway.mqtt.link import Closing, Link
from fencepost.gateway.registrations import answer_of
from fencepost.model.errors import DeviceError
from fencepost.service.policies import NotAllowed
from fencepost.service.provisioning import Registration
from fencepost.wire.mqtt.packets import (
    FAILURE,
    Connect,
    Packet,
    Publish,
    Subscribe,
    Subscription,
    Unsubscribe,
)
from fencepost.wire.mqtt.writing import puback, publish, suback, unsuback
from fencepost.wire.topics import (
    ProvisioningAnswers,
    ProvisioningRegister,
    ProvisioningStatus,
    parse_filter,
    parse_topic,
    provisioning_answer_topic,
)


class RegistrationSession:
    """One registration on one connection: it was made, or found, when the client signed in."""

    def __init__(self, link: Link, registration: Registration) -> None:
        self._link = link
        self._registration = registration
        self._is_listening = False

    @classmethod
    async def opened(cls, gateway: Gateway, link: Link, connect: Connect) -> Self:
        """Return the session of a client that showed a token of the enrollment; raises Unauthorized."""
        id_scope = (connect.username or "").partition("/")[0]
        token = (connect.password or b"").decode("utf-8", "replace")
        try:
            registration = await gateway.provisioning.register(id_scope, connect.client_id, token)
        except NotAllowed as error:
            raise Unauthorized(error.reason) from None
        return cls(link, registration)

    async def handle(self, packets: Sequence[Packet]) -> None:
        for packet in packets:
            match packet:
                case Subscribe():
                    grants = [self._granted(one) for one in packet.subscriptions]
                    self._link.write(suback(packet.packet_id, grants))
                case Unsubscribe():
                    self._link.write(unsuback(packet.packet_id))
                case Publish() if packet.qos < 2:  # noqa: PLR2004 - QoS 2 is not spoken here
                    if packet.qos:
                        self._link.write(puback(packet.packet_id))
                    self._answer(packet)
                case _:
                    raise Closing(f"unexpected {type(packet).__name__.upper()}")

    async def end(self, *, is_clean: bool) -> None:
        """Nothing is left behind."""

    def _granted(self, asked: Subscription) -> int:
        if not isinstance(parse_filter(asked.topic_filter), ProvisioningAnswers):
            return FAILURE
        self._is_listening = True
        return min(asked.qos, 1)

    def _answer(self, packet: Publish) -> None:
        """Asked to register, or how far that is, the answer is the same: it is done."""
        try:
            topic = parse_topic(packet.topic)
        except DeviceError as error:
            raise Closing(error.reason) from None
        if not isinstance(topic, ProvisioningRegister | ProvisioningStatus):
            raise Closing("a topic that is not for registrations")
        if self._is_listening:
            body = msgspec.json.encode(answer_of(self._registration))
            self._link.write(publish(provisioning_answer_topic(200, topic.rid), body))
