"""Tokens that are put on the node `$cbs`, and what they open."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.gateway.amqp.client import Hub, RefusedError, audience_of, break_down, hub, written
from tests.gateway.rig import HOST, run

from fencepost.gateway.amqp.cbs import MOST_LINKS
from fencepost.model.entry import Operated
from fencepost.model.identity import SECURITY_MODULE, IdentityKey
from fencepost.model.sas import sign

CAM, OTHER = IdentityKey("cam-1"), IdentityKey("cam-2")
MODULE = IdentityKey("cam-1", SECURITY_MODULE)
EVENTS = "/devices/cam-1/messages/events"
DENIED = (401, "Unauthorized")


def policy_token(one: Hub, name: str, resource: str = HOST, lives: float = 600) -> str:
    key = getattr(one.rig.installation.hub, name).primary
    return sign(resource, key, round(one.rig.clock().timestamp() + lives), name)


def test_a_token_opens_the_links_of_its_identity(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client()
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await client.sender(EVENTS)
            assert await client.put_token(audience_of(CAM), await one.rig.token(CAM)) == (200, "OK")
            link = await client.sender(EVENTS)
            assert await client.send(link, written(b"x")) == "accepted"
            session = one.gateway.sessions.of(CAM)
            assert session is not None
            assert session.channel == "amqp"

    run(work())


@pytest.mark.parametrize(
    "audience",
    [
        f"{HOST}/devices/cam-1",
        f"{HOST}%2fdevices%2fcam-1",
        f"amqps://{HOST}/devices/cam-1",
    ],
)
def test_an_audience_may_be_written_in_many_ways(tmp_path: Path, audience: str) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client()
            assert await client.put_token(audience, await one.rig.token(CAM)) == (200, "OK")

    run(work())


def test_a_token_that_proves_nothing_is_unauthorized(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            await one.rig.add("cam-2")
            client = await one.client()
            token = await one.rig.token(CAM)
            assert await client.put_token(audience_of(OTHER), token) == DENIED
            assert await client.put_token(audience_of(CAM), await one.rig.token(CAM, lives=-1)) == DENIED
            assert await client.put_token(audience_of(IdentityKey("nobody")), token) == DENIED
            assert await client.put_token(audience_of(CAM), token + "x") == DENIED
            assert one.gateway.counters.unauthorized == 4

    run(work())


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"type": "jwt"}, 401),
        ({"operation": "delete-token"}, 400),
        ({"name": 5}, 400),
        ({"name": f"{HOST}/elsewhere"}, 401),
    ],
)
def test_other_requests_are_answered_with_their_status(
    tmp_path: Path, asked: dict[str, Any], status: int
) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client()
            assert (await client.put_token(audience_of(CAM), await one.rig.token(CAM), **asked))[0] == status

    run(work())


def test_a_store_that_is_away_is_no_refusal(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            token = await one.rig.token(CAM)

            break_down(one.gateway.registry, "find")
            client = await one.client()
            assert (await client.put_token(audience_of(CAM), token))[0] == 503

    run(work())


@pytest.mark.parametrize("number", ["text", 5, UUID(int=7)])
def test_an_answer_has_the_id_of_its_request_and_the_type_of_it(tmp_path: Path, number: Any) -> None:
    """The C SDK numbers its requests, and takes no text for an answer."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.client()
            sender, receiver = await client.sender("$cbs"), await client.receiver("$cbs")
            await client.send(sender, written("x", id=number, properties={"operation": "put-token"}))
            answer = await client.next(receiver)
            assert answer.properties.correlation_id == number
            assert type(answer.properties.correlation_id) is type(number)

    run(work())


def test_a_request_is_settled_before_it_is_answered(tmp_path: Path) -> None:
    """By the order of the frames: the C SDK takes it for a failure otherwise."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client()
            for _ in range(5):
                client.heard = b""
                await client.put_token(audience_of(CAM), await one.rig.token(CAM))
                disposition, transfer = client.heard.index(b"\0\x53\x15"), client.heard.index(b"\0\x53\x14")
                assert disposition < transfer

    run(work())


def test_what_is_no_message_is_rejected(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.client()
            assert await client.send(await client.sender("$cbs"), b"junk") == "amqp:decode-error"

    run(work())


def test_many_identities_share_a_connection(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            keys = [await one.rig.add(f"cam-{number}") for number in range(20)]
            client = await one.signed_in(*keys)
            for key in keys:
                session = client.new_session()
                link = await client.sender(f"/devices/{key.device_id}/messages/events", session=session)
                assert await client.send(link, written(b"x")) == "accepted"
            assert one.gateway.sessions.count() == 20
            assert [entry.device_id for entry in one.rig.entries(Operated)] == [key.device_id for key in keys]

    run(work())


def test_an_expired_token_ends_the_links_of_its_identity_and_no_others(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            await one.rig.add("cam-2")
            client = await one.signed_in(OTHER)
            assert (await client.put_token(audience_of(CAM), await one.rig.token(CAM, lives=1)))[0] == 200
            stays = await client.sender("/devices/cam-2/messages/events")
            links = [await client.sender(EVENTS), await client.receiver("/devices/cam-1/twin")]
            assert [await client.ended(link) for link in links] == ["amqp:unauthorized-access"] * 2
            assert one.gateway.sessions.of(CAM) is None
            assert await client.send(stays, written(b"x")) == "accepted"
            with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                await client.sender(EVENTS)

    run(work())


def test_the_last_tokens_end_is_the_connections(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client()
            await client.put_token(audience_of(CAM), await one.rig.token(CAM, lives=1))
            await client.sender(EVENTS)
            assert await client.closed() == "amqp:unauthorized-access"

    run(work())


def test_a_renewed_token_replaces_the_one_before(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client()
            await client.put_token(audience_of(CAM), await one.rig.token(CAM, lives=1))
            link = await client.sender(EVENTS)
            await client.put_token(audience_of(CAM), await one.rig.token(CAM, lives=600))
            await asyncio.sleep(1.6)
            assert await client.send(link, written(b"x")) == "accepted"

    run(work())


def test_a_policy_for_the_hub_opens_the_links_of_every_device(tmp_path: Path) -> None:
    """A gateway of the SDK for .NET may hold the key of a policy instead of each device's."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.client()
            assert await client.put_token(HOST, policy_token(one, "device")) == (200, "OK")
            assert await client.send(await client.sender(EVENTS), written(b"x")) == "accepted"
            for address in ("/devices/nobody/messages/events", "/messages/devicebound"):
                with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                    await client.sender(address)

    run(work())


def test_a_policy_that_ends_takes_its_links_along(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            await one.rig.add("cam-2")
            client = await one.signed_in(OTHER)
            await client.put_token(HOST, policy_token(one, "iothubowner", lives=1))
            stays = await client.sender("/devices/cam-2/messages/events")
            links = [await client.sender(EVENTS), await client.sender("/messages/devicebound")]
            assert [await client.ended(link) for link in links] == ["amqp:unauthorized-access"] * 2
            assert await client.send(stays, written(b"x")) == "accepted"

    run(work())


def test_a_stranger_has_a_few_attempts(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.client()
            for _ in range(5):
                assert await client.put_token(audience_of(CAM), "nothing") == DENIED
            assert await client.closed() == "amqp:unauthorized-access"
            assert one.gateway.counters.unauthorized == 5

    run(work())


def test_there_are_so_many_links_to_cbs_at_most(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.client()
            links = [await client.sender("$cbs") for _ in range(MOST_LINKS)]
            with pytest.raises(RefusedError, match="amqp:resource-limit-exceeded"):
                await client.receiver("$cbs")
            await client.detach(links[0])
            await client.receiver("$cbs")

    run(work())
