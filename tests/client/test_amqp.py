"""A client over AMQP says what keeps it out; what it sends is tested with a real service in test_transports."""

import asyncio
import ssl

import pytest
from tests.client.test_mqtt import Broker, at_once, obliging

pytest.importorskip("proton", reason="AMQP takes the extra fencepost[amqp]")

from fencepost.client.amqp import AmqpClient, Claim
from fencepost.client.endpoint import Endpoint
from fencepost.model.errors import OperatorError

CLAIM = Claim("localhost/devices/cam-1", "secret")


def failure(endpoint: Endpoint) -> str:
    async def go() -> str:
        client = AmqpClient(endpoint, "devices/cam-1/messages/events", lambda: CLAIM, sleep=at_once)
        with pytest.raises(OperatorError) as caught:
            await client.send(b"{}", patience=0.3)
        await client.close()
        return str(caught.value)

    return asyncio.run(go())


def test_where_nobody_listens() -> None:
    trust = ssl.create_default_context()
    assert "localhost:1: nobody listens there" in failure(Endpoint("localhost", 1, trust))


def test_another_protocol_is_no_connection() -> None:
    """A server of MQTT closes the connection; one that says something else is not understood."""

    async def go() -> str:
        async with Broker(obliging).running() as endpoint:
            return await asyncio.to_thread(failure, endpoint)

    reason = asyncio.run(go())
    assert "closed the connection" in reason or "connection is broken" in reason


def test_another_certificate_is_told_at_once() -> None:
    async def go() -> str:
        async with Broker(obliging).running() as endpoint:
            stranger = Endpoint("127.0.0.1", endpoint.port, ssl.create_default_context())
            return await asyncio.to_thread(failure, stranger)

    assert "not signed by the authority" in asyncio.run(go())


def test_nothing_secret_is_shown() -> None:
    assert "secret" not in repr(CLAIM)
