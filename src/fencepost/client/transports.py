"""
How devices send: over MQTT, AMQP or HTTPS, each with an identity and a key of its own, many in one process.

Agents send as the module `azureiotsecurity` of their device, ThreadX firmware as the device itself, and both
mark what they send as security messages.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Literal
from typing import Protocol as Shape

from msgspec import Struct

from fencepost.client.access import Access, trust
from fencepost.client.device_keys import DeviceKeys
from fencepost.client.endpoint import PATIENCE, Endpoint, refusal
from fencepost.client.hub import path_of
from fencepost.client.mqtt import MqttClient
from fencepost.client.mqtt_link import Login
from fencepost.client.pool import Pool
from fencepost.client.requests import Requests
from fencepost.model.errors import OperatorError, Problem
from fencepost.model.identity import SECURITY_INTERFACE, SECURITY_MODULE, IdentityKey
from fencepost.wire.mqtt.properties import PropertyBag, encode_bag

API = "2021-04-12"
PORTS = {"mqtt": 8883, "amqp": 5671}
"""What clients of an IoT Hub know."""
CONNECTIONS = 500
THREADX = {"mti": "2.3-1-0-0"}
"""What the firmware says of its messages besides: their schema."""
_UNAUTHORIZED = 401

Protocol = Literal["mqtt", "amqp", "https"]
Sleep = Callable[[float], Awaitable[object]]


class Transport(Shape):
    """Takes messages of many devices; each returns when the service has it on disk."""

    async def send(self, device_id: str, body: bytes) -> None: ...

    async def close(self) -> None: ...


class MqttTransport:
    """Over MQTT; at most `most` connections are open at a time."""

    def __init__(self, keys: DeviceKeys, endpoint: Endpoint, most: int, sleep: Sleep = asyncio.sleep) -> None:
        self._keys = keys
        self._pool = Pool[IdentityKey, MqttClient](
            most, lambda key: MqttClient(endpoint, lambda: self._login(key), sleep=sleep)
        )

    async def send(self, device_id: str, body: bytes) -> None:
        """Return when a message is acknowledged; raises OperatorError."""
        key = sender_of(device_id, body)
        await self._keys.read(key)
        bag = PropertyBag({"interface-id": SECURITY_INTERFACE}, {**_properties(key)})
        async with self._pool.client(key) as client:
            await client.publish(f"{path_of(key)[1:]}/messages/events/{encode_bag(bag)}", body)

    async def close(self) -> None:
        await self._pool.close()

    def _login(self, key: IdentityKey) -> Login:
        username = f"{self._keys.host}/{key}/?api-version={API}"
        return Login(str(key), username, self._keys.token(key))


class AmqpTransport:
    """Over AMQP, which takes the extra `amqp`; at most `most` connections are open at a time."""

    def __init__(self, keys: DeviceKeys, endpoint: Endpoint, most: int, sleep: Sleep = asyncio.sleep) -> None:
        from fencepost.client.amqp import AmqpClient, Claim  # noqa: PLC0415 - it takes the extra

        def client_of(key: IdentityKey) -> AmqpClient:
            address = f"amqps://{keys.host}{path_of(key)}/messages/events"
            return AmqpClient(
                endpoint, address, lambda: Claim(keys.resource(key), keys.token(key)), sleep=sleep
            )

        self._keys = keys
        self._pool = Pool(most, client_of)

    async def send(self, device_id: str, body: bytes) -> None:
        """Return when a message is accepted; raises OperatorError."""
        key = sender_of(device_id, body)
        await self._keys.read(key)
        async with self._pool.client(key) as client:
            await client.send(body, interface=SECURITY_INTERFACE, properties=_properties(key))

    async def close(self) -> None:
        await self._pool.close()


class HttpsTransport:
    """Over HTTPS, on the connections of `requests`."""

    def __init__(self, keys: DeviceKeys, requests: Requests) -> None:
        self._keys = keys
        self._requests = requests

    async def send(self, device_id: str, body: bytes) -> None:
        """Return when a message is taken; raises OperatorError."""
        key = sender_of(device_id, body)
        await self._keys.read(key)
        own = {f"iothub-app-{name}": value for name, value in _properties(key).items()}
        answer = await self._requests.answered(
            "POST",
            f"{path_of(key)}/messages/events",
            PATIENCE,
            known={_UNAUTHORIZED},
            params={"api-version": API},
            content=body,
            headers={
                "Authorization": self._keys.token(key),
                "iothub-interface-id": SECURITY_INTERFACE,
                **own,
            },
        )
        if answer.status == _UNAUTHORIZED:
            raise refusal(self._requests.url, str(key), "401")

    async def close(self) -> None:
        """The connections are those of the requests."""


class Door(Struct, frozen=True):
    """
    Which way devices send: `port` None is the one that clients of an IoT Hub know.

    At most `connections` devices are connected at a time; over HTTPS they share those of the requests.
    """

    protocol: Protocol
    port: int | None = None
    connections: int = CONNECTIONS

    def transport(self, keys: DeviceKeys, access: Access, requests: Requests) -> Transport:
        """Return a way to send to the service of an access; raises OperatorError where AMQP is not installed."""
        if self.protocol == "https":
            return HttpsTransport(keys, requests)
        verified = trust(access)
        context = verified if isinstance(verified, ssl.SSLContext) else ssl.create_default_context()
        endpoint = Endpoint(keys.host, self.port or PORTS[self.protocol], context)
        if self.protocol == "mqtt":
            return MqttTransport(keys, endpoint, self.connections, requests.sleep)
        try:
            return AmqpTransport(keys, endpoint, self.connections, requests.sleep)
        except ModuleNotFoundError:
            reason = (
                "AMQP needs an extra: pip install 'fencepost[amqp]' (it is compiled: a C compiler and "
                "OpenSSL's headers are needed)"
            )
            raise OperatorError([Problem("--amqp", reason)]) from None


def sender_of(device_id: str, body: bytes) -> IdentityKey:
    """Return who sends a message: its agent, or with FlatBuffers the device itself."""
    return IdentityKey(device_id, SECURITY_MODULE if body.startswith(b"{") else None)


def _properties(key: IdentityKey) -> dict[str, str]:
    return THREADX if key.module_id is None else {}
