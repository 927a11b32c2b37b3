"""What services send to devices over AMQP."""

from pathlib import Path
from typing import Any

import pytest
from tests.gateway.amqp.client import Client, Hub, RefusedError, break_down, hub, plain, written
from tests.gateway.amqp.test_cbs import policy_token
from tests.gateway.rig import run

from fencepost.gateway.amqp.connection import MOST_SERVICE_LINKS

DEVICEBOUND = "/devices/cam-1/messages/devicebound"


async def service(one: Hub) -> tuple[Client, Any]:
    client = await one.client()
    assert await client.put_token("https://localhost", policy_token(one, "service")) == (200, "OK")
    return client, await client.sender("amqps://localhost/messages/devicebound")


def test_a_message_is_kept_for_its_device_with_all_its_properties(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client, link = await service(one)
            message = written(
                "reboot",
                address=DEVICEBOUND,
                id="m1",
                correlation_id="c1",
                user_id=b"me",
                content_type="text/plain",
                content_encoding="utf-8",
                expiry_time=4_000_000_000,
                properties={"colour": "red", "n": 5, "is": True, "iothub-ack": "full"},
            )
            assert await client.send(link, message) == "accepted"
            kept = await one.gateway.downlink.take("cam-1")
            assert kept is not None
            assert kept.body == b"reboot"
            assert kept.system == {
                "message-id": "m1",
                "correlation-id": "c1",
                "user-id": "me",
                "to": DEVICEBOUND,
                "content-type": "text/plain",
                "content-encoding": "utf-8",
                "ack": "full",
            }
            assert kept.properties == {"colour": "red", "n": "5", "is": "true"}
            assert kept.expires_at.timestamp() == 4_000_000_000

    run(work())


@pytest.mark.parametrize(
    ("parts", "condition"),
    [
        ({}, "com.microsoft:argument-error"),
        ({"address": "/devices/cam-1/messages/events"}, "com.microsoft:argument-error"),
        ({"address": "/devices/cam-1/modules/m/messages/devicebound"}, "com.microsoft:argument-error"),
        ({"address": "/devices/nobody/messages/devicebound"}, "amqp:not-found"),
        ({"address": DEVICEBOUND, "body": b"x" * 70_000}, "com.microsoft:argument-error"),
        ({"address": DEVICEBOUND, "body": b"x" * 140_000}, "amqp:link:message-size-exceeded"),
        ({"address": DEVICEBOUND, "body": {"a": 1}}, "com.microsoft:argument-error"),
        ({"address": DEVICEBOUND, "expiry_time": 2**50}, "com.microsoft:argument-error"),
    ],
)
def test_what_cannot_be_kept_is_rejected_with_the_reason(
    tmp_path: Path, parts: dict[str, Any], condition: str
) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client, link = await service(one)
            assert await client.send(link, written(parts.pop("body", b"x"), **parts)) == condition
            assert await client.send(link, written(b"x", address=DEVICEBOUND)) == "accepted"

    run(work())


def test_junk_is_rejected(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client, link = await service(one)
            assert await client.send(link, b"junk") == "com.microsoft:argument-error"

    run(work())


def test_a_full_queue_is_told(tmp_path: Path) -> None:
    """With the condition that the SDK for JavaScript takes for a full queue."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client, link = await service(one)
            message = written(b"x", address=DEVICEBOUND)
            outcomes = [await client.send(link, message) for _ in range(51)]
            assert outcomes == ["accepted"] * 50 + ["amqp:resource-limit-exceeded"]

    run(work())


def test_a_store_that_is_away_is_told(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client, link = await service(one)

            break_down(one.gateway.downlink, "send")
            assert await client.send(link, written(b"x", address=DEVICEBOUND)) == "com.microsoft:timeout"

    run(work())


@pytest.mark.parametrize("device_id", ["a#b", "a%23b"])
def test_an_id_may_be_written_as_it_is_or_encoded(tmp_path: Path, device_id: str) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add(device_id)
            client, link = await service(one)
            message = written(b"x", address="/devices/a%23b/messages/devicebound")
            assert await client.send(link, message) == "accepted"
            assert await one.gateway.downlink.pending(device_id) == 1

    run(work())


def test_a_service_may_sign_in_with_sasl(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            frame = plain("service@sas.root.localhost", policy_token(one, "service"))
            client = await one.client(sasl=frame)
            link = await client.sender("/messages/devicebound")
            assert await client.send(link, written(b"x", address=DEVICEBOUND)) == "accepted"

    run(work())


def test_feedback_is_granted_and_there_is_none(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client, _ = await service(one)
            link = await client.receiver("/messages/serviceBound/feedback")
            assert await client.hears_nothing(link, 0.05)
            with pytest.raises(RefusedError, match="amqp:not-allowed"):
                await client.sender("/messages/servicebound/feedback")
            with pytest.raises(RefusedError, match="amqp:not-allowed"):
                await client.receiver("/messages/devicebound")

    run(work())


def test_a_service_has_so_many_links_at_most(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client, first = await service(one)
            for _ in range(MOST_SERVICE_LINKS - 1):
                await client.sender("/messages/devicebound")
            with pytest.raises(RefusedError, match="amqp:resource-limit-exceeded"):
                await client.sender("/messages/devicebound")
            await client.detach(first)
            await client.sender("/messages/devicebound")

    run(work())
