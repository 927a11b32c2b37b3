"""The twin over AMQP: what the SDKs for JavaScript and C send and expect."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.gateway.amqp.client import Client, Hub, RefusedError, break_down, hub, written
from tests.gateway.rig import run

from fencepost.gateway.amqp.message import AmqpMessage
from fencepost.gateway.amqp.twin import MOST_CHANGES
from fencepost.model.entry import Operated, TwinServed
from fencepost.model.identity import SECURITY_MODULE, IdentityKey
from fencepost.service.registry import TwinPatch
from fencepost.wire.twin import SECTION

CAM, OTHER = IdentityKey("cam-1"), IdentityKey("cam-2")
MODULE = IdentityKey("cam-1", SECURITY_MODULE)
NOTIFICATIONS = "/notifications/twin/properties/desired"


class Twin:
    """The pair of links as the SDK for JavaScript makes it."""

    def __init__(self, client: Client, requests: Any, answers: Any) -> None:
        self.client, self.requests, self.answers = client, requests, answers

    @classmethod
    async def of(cls, client: Client, key: IdentityKey = CAM, *, end: str = "", credit: int = 10) -> "Twin":
        below = f"/modules/{key.module_id}" if key.module_id else ""
        address = f"/devices/{key.device_id}{below}/twin{end}"
        properties = {
            "com.microsoft:channel-correlation-id": f"twin:{uuid4()}",
            "com.microsoft:api-version": "2021-04-12",
        }
        how = {"properties": properties, "snd_settle_mode": 1}
        requests = await client.sender(address, **how)
        return cls(client, requests, await client.receiver(address, credit, **how))

    def ask(self, operation: str, resource: str | None = None, body: Any = b" ", **parts: Any) -> str:
        """Send a request and return its correlation id."""
        number = parts.pop("correlation_id", str(uuid4()))
        about = {"operation": operation} | ({"resource": resource} if resource else {})
        encoded = written(body, annotations=about, correlation_id=number, **parts)
        self.client.post(self.requests, encoded, is_settled=True)
        return str(number)

    async def answer(self, *request: Any) -> tuple[int, int | None, Any]:
        """Return status, version and body of the answer to a request."""
        number = self.ask(*request)
        message = await self.client.next(self.answers, None)
        assert message.properties.correlation_id == number
        about = message.annotations
        return about["status"], about.get("version"), json.loads(message.body() or b"null")

    async def change(self) -> AmqpMessage:
        message = await self.client.next(self.answers, None)
        assert message.properties.correlation_id is None
        return message


async def subscribed(one: Hub, key: IdentityKey = CAM, **how: Any) -> Twin:
    twin = await Twin.of(await one.signed_in(key), key, **how)
    assert (await twin.answer("PUT", NOTIFICATIONS))[0] in range(200, 300)
    return twin


def test_a_twin_is_read_and_reported_to(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            twin = await Twin.of(await one.signed_in(CAM))
            nothing = {"desired": {"$version": 1}, "reported": {"$version": 1}}
            assert await twin.answer("GET") == (200, None, nothing)
            assert await twin.answer("PATCH", "/properties/reported", b'{"a":{"b":1}}') == (204, 2, None)
            _, _, body = await twin.answer("GET", None, None)
            assert body["reported"] == {"a": {"b": 1}, "$version": 2}
            assert [entry.operation for entry in one.rig.entries(Operated)] == ["TwinUpdates"]

    run(work())


def test_the_c_sdk_writes_whole_addresses_and_reads_strict_types(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(MODULE)
            address = f"amqps://localhost/devices/cam-1/modules/{SECURITY_MODULE}/twin/"
            requests = await client.sender(address)
            answers = await client.receiver(address)
            twin = Twin(client, requests, answers)
            status, _, body = await twin.answer("GET")
            assert (status, SECTION in body["desired"]) == (200, True)

    run(work())


def test_an_agent_that_reads_its_twin_may_take_the_time_that_it_says(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            twin = await Twin.of(await one.signed_in(MODULE), MODULE)
            await twin.answer("GET")
            (entry,) = one.rig.entries(TwinServed)
            assert entry.device_id == "cam-1"

    run(work())


@pytest.mark.parametrize(
    "request_",
    [
        ("PATCH", "/properties/reported", b"{"),
        ("PATCH", "/properties/reported", b"[]"),
        ("PATCH", "/properties/desired", b"{}"),
        ("PATCH", None, b"{}"),
        ("POST", None, b"{}"),
        ("PUT", "/elsewhere", b"{}"),
    ],
)
def test_what_cannot_be_done_is_answered_with_400(tmp_path: Path, request_: Any) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            twin = await Twin.of(await one.signed_in(CAM))
            assert await twin.answer(*request_) == (400, None, None)
            assert (await twin.answer("GET"))[0] == 200

    run(work())


def test_a_store_that_is_away_is_answered_with_503(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            twin = await Twin.of(await one.signed_in(CAM))

            break_down(one.gateway.registry, "report")
            assert await twin.answer("PATCH", "/properties/reported", b"{}") == (503, None, None)

    run(work())


def test_changes_are_pushed_while_they_are_subscribed_to(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            twin = await Twin.of(await one.signed_in(CAM))
            await one.rig.registry.patch_twin(CAM, TwinPatch(desired={"early": 1}), "tests")
            assert (await twin.answer("PUT", NOTIFICATIONS))[0] == 204
            await one.rig.registry.patch_twin(CAM, TwinPatch(desired={"speed": 3}), "tests")
            change = await twin.change()
            assert json.loads(change.body()) == {"speed": 3, "$version": 3}
            assert change.annotations == {"resource": "/properties/desired", "version": 3}
            assert (await twin.answer("DELETE", NOTIFICATIONS))[0] == 204
            await one.rig.registry.patch_twin(CAM, TwinPatch(desired={"late": 1}), "tests")
            assert await twin.client.hears_nothing(twin.answers)

    run(work())


def test_the_legacy_agents_are_pushed_the_whole_section(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            twin = await subscribed(one, MODULE)
            patch = {SECTION: {"highPriorityMessageFrequency": {"value": "PT1M"}}}
            await one.rig.registry.patch_twin(MODULE, TwinPatch(desired=patch), "tests")
            section = json.loads((await twin.change()).body())[SECTION]
            assert section["highPriorityMessageFrequency"] == {"value": "PT1M"}
            assert section["lowPriorityMessageFrequency"] == {"value": "PT5H"}

    run(work())


def test_another_ones_twin_cannot_be_read_or_written(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            await one.rig.add("cam-2")
            client = await one.signed_in(CAM)
            await client.sender("/devices/cam-1/messages/events")
            for attach in (client.sender, client.receiver):
                for address in ("/devices/cam-2/twin", f"/devices/cam-1/modules/{SECURITY_MODULE}/twin"):
                    with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                        await attach(address)
            await one.rig.until(lambda: len(one.rig.entries(Operated)) == 4)
            operations = {(entry.device_id, entry.operation) for entry in one.rig.entries(Operated)}
            assert operations == {("cam-1", "UnauthorizedOperations")}

    run(work())


def test_answers_wait_for_credit(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            twin = await Twin.of(await one.signed_in(CAM), credit=0)
            await twin.client.until(lambda: twin.requests.credit > 0)
            twin.ask("GET")
            assert await twin.client.hears_nothing(twin.answers)
            twin.answers.flow(1)
            twin.client.flush()
            assert (await twin.client.next(twin.answers)).annotations["status"] == 200

    run(work())


def test_a_device_that_does_not_take_its_changes_loses_the_link(tmp_path: Path) -> None:
    """It reads its twin again when it comes back."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            twin = await subscribed(one, credit=1)
            session = one.gateway.sessions.of(CAM)
            assert session is not None
            for number in range(2 * MOST_CHANGES):
                session.push_desired({"n": number, "$version": number})
                await asyncio.sleep(0)
            assert await twin.client.ended(twin.answers) == "amqp:resource-limit-exceeded"

    run(work())
