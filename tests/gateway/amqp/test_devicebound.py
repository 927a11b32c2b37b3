"""Cloud-to-device messages over AMQP."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from proton import Delivery
from tests.gateway.amqp.client import Hub, RefusedError, hub, replace
from tests.gateway.rig import now, run

from fencepost.gateway.cloud_messages import UNDER_WAY
from fencepost.model.entry import Operated
from fencepost.model.errors import StoreUnavailable
from fencepost.model.identity import SECURITY_MODULE, IdentityKey

CAM = IdentityKey("cam-1")
DEVICEBOUND = "/devices/cam-1/messages/devicebound"


async def say(one: Hub, body: bytes = b"hello", system: Any = None, properties: Any = None) -> None:
    await one.gateway.downlink.send("cam-1", body, system or {}, properties or {}, now() + timedelta(hours=1))


async def left(one: Hub) -> int:
    return await one.gateway.downlink.pending("cam-1")


def operations(one: Hub) -> list[str]:
    return [entry.operation for entry in one.rig.entries(Operated)]


def test_a_message_arrives_with_its_properties_and_is_completed(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.receiver(DEVICEBOUND)
            system = {
                "message-id": "m1",
                "correlation-id": "c1",
                "user-id": "me",
                "content-type": "text/plain",
                "content-encoding": "utf-8",
                "ack": "full",
            }
            await say(one, b"hello", system, {"colour": "red"})
            delivery, message = await client.next_delivery(link)
            said = message.properties
            assert (said.message_id, said.correlation_id, said.user_id) == ("m1", "c1", b"me")
            assert (said.to, said.content_type, said.content_encoding) == (DEVICEBOUND, "text/plain", "utf-8")
            assert message.application == {"colour": "red", "iothub-ack": "full"}
            assert message.body() == b"hello"
            about = message.annotations
            assert abs(about["iothub-enqueuedtime"] / 1000 - now().timestamp()) < 60
            assert (about["x-opt-sequence-number"], about["iothub-deliverycount"]) == (1, 1)
            client.settle(delivery, Delivery.ACCEPTED)
            await one.rig.until(lambda: operations(one))
            assert operations(one) == ["AmqpC2DMessages"]
            assert await left(one) == 0

    run(work())


def test_a_rejected_message_does_not_come_again_and_is_counted(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            await say(one)
            link = await client.receiver(DEVICEBOUND)
            await client.next(link, Delivery.REJECTED)
            await one.rig.until(lambda: operations(one))
            assert operations(one) == ["AmqpC2DRejectedMessages"]
            assert await left(one) == 0

    run(work())


@pytest.mark.parametrize("state", [Delivery.RELEASED, Delivery.MODIFIED])
def test_an_abandoned_message_comes_again(tmp_path: Path, state: int) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            await say(one)
            link = await client.receiver(DEVICEBOUND)
            await client.next(link, state)
            again = await client.next(link)
            assert again.annotations["iothub-deliverycount"] == 2

    run(work())


def test_no_more_is_sent_than_there_is_credit_for(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.receiver(DEVICEBOUND, credit=2)
            for number in range(4):
                await say(one, b"%d" % number)
            assert [(await client.next(link)).body() for _ in range(2)] == [b"0", b"1"]
            assert await client.hears_nothing(link)
            link.flow(2)
            client.flush()
            assert [(await client.next(link)).body() for _ in range(2)] == [b"2", b"3"]

    run(work())


def test_only_some_are_under_way_at_a_time(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            for number in range(UNDER_WAY + 3):
                await say(one, b"%d" % number)
            link = await client.receiver(DEVICEBOUND, credit=100)
            came = [await client.next_delivery(link) for _ in range(UNDER_WAY)]
            assert await client.hears_nothing(link)
            for delivery, _ in came:
                client.settle(delivery, Delivery.ACCEPTED)
            assert [(await client.next(link)).body() for _ in range(3)] == [b"10", b"11", b"12"]

    run(work())


def test_what_a_device_leaves_unsettled_is_given_back_when_it_goes(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            await say(one)
            await client.next(await client.receiver(DEVICEBOUND), None)
            client.close()
            await one.rig.until(lambda: one.gateway.sessions.of(CAM) is None)
            again = await one.signed_in(CAM)
            assert (await again.next(await again.receiver(DEVICEBOUND))).body() == b"hello"

    run(work())


def test_a_device_that_takes_settled_messages_only_has_them_completed_for_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            await say(one)
            link = await client.receiver(DEVICEBOUND, snd_settle_mode=1)
            assert (await client.next(link, None)).body() == b"hello"
            await one.rig.until(lambda: operations(one) == ["AmqpC2DMessages"])

    run(work())


def test_credit_that_is_to_be_used_at_once_is_given_back(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            await say(one)
            link = await client.receiver(DEVICEBOUND, credit=0)
            link.drain(5)
            client.flush()
            assert (await client.next(link)).body() == b"hello"
            await client.until(lambda: link.credit == 0)

    run(work())


def test_every_message_has_a_tag_of_16_bytes(tmp_path: Path) -> None:
    """The SDK for .NET makes a GUID of it."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            await say(one)
            delivery, _ = await client.next_delivery(await client.receiver(DEVICEBOUND))
            assert client.tag_size(delivery) == 16

    run(work())


def test_nothing_comes_for_inputs(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            key = IdentityKey("cam-1", SECURITY_MODULE)
            client = await one.signed_in(key)
            link = await client.receiver(f"/devices/cam-1/modules/{SECURITY_MODULE}/messages/events")
            await say(one)
            assert await client.hears_nothing(link)

    run(work())


def test_another_ones_messages_cannot_be_taken(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            await one.rig.add("cam-2")
            await say(one)
            client = await one.signed_in(IdentityKey("cam-2"))
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await client.receiver(DEVICEBOUND)
            module = await one.signed_in(IdentityKey("cam-1", SECURITY_MODULE))
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await module.receiver(DEVICEBOUND)
            assert await left(one) == 1

    run(work())


def test_a_store_that_was_away_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        monkeypatch.setattr("fencepost.gateway.amqp.devicebound.AGAIN", 0.01)
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            await say(one)
            take = one.gateway.downlink.take
            asked = []

            async def away(*args: Any) -> Any:
                asked.append(args)
                if len(asked) < 3:
                    raise StoreUnavailable("away")
                return await take(*args)

            replace(one.gateway.downlink, "take", away)
            client = await one.signed_in(CAM)
            assert (await client.next(await client.receiver(DEVICEBOUND))).body() == b"hello"

    run(work())
