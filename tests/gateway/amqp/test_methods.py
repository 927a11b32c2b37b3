"""Direct methods over AMQP."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import proton
import pytest
from proton import Delivery
from tests.gateway.amqp.client import Client, Hub, RefusedError, hub, written
from tests.gateway.rig import run

from fencepost.model.identity import IdentityKey
from fencepost.service.sessions import NotListening, Session

CAM = IdentityKey("cam-1")
METHODS = "/devices/cam-1/methods/devicebound"


class Listening:
    """A device that takes direct methods."""

    def __init__(self, client: Client, answers: Any, calls: Any, session: Session) -> None:
        self.client, self.answers, self.calls, self.session = client, answers, calls, session

    @classmethod
    async def at(cls, one: Hub, address: str = METHODS) -> "Listening":
        await one.rig.add("cam-1")
        client = await one.signed_in(CAM)
        properties = {
            "com.microsoft:channel-correlation-id": "cam-1",
            "com.microsoft:api-version": "2016-11-14",
        }
        answers = await client.sender(address, properties=properties)
        calls = await client.receiver(address, properties=properties)
        session = one.gateway.sessions.of(CAM)
        assert session is not None
        return cls(client, answers, calls, session)

    def called(self, name: str = "reboot", payload: bytes = b"{}", timeout: float = 5) -> Any:
        return asyncio.create_task(self.session.invoke(name, payload, timeout))


def test_a_method_is_called_and_answered(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            device = await Listening.at(one, f"amqps://localhost{METHODS}")
            call = device.called("reboot", b'{"now":true}')
            request = await device.client.next(device.calls)
            assert request.application == {"IoThub-methodname": "reboot"}
            assert request.data == [b'{"now":true}']
            number = request.properties.correlation_id
            assert isinstance(number, UUID), "the C SDK takes nothing else"
            answer = written(b"[1]", correlation_id=number, properties={"IoThub-status": proton.int32(210)})
            assert await device.client.send(device.answers, answer) == "accepted"
            assert await call == (210, b"[1]")

    run(work())


@pytest.mark.parametrize("write", [str, lambda number: number.bytes], ids=["text", "bytes"])
def test_a_correlation_id_may_have_become_something_else(tmp_path: Path, write: Any) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            device = await Listening.at(one)
            call = device.called(payload=b"")
            request = await device.client.next(device.calls)
            assert request.data == [b""]
            number = write(request.properties.correlation_id)
            await device.client.send(
                device.answers, written("done", correlation_id=number, properties={"IoThub-status": 200})
            )
            assert await call == (200, b"done")

    run(work())


def test_calls_are_told_apart(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            device = await Listening.at(one)
            calls = [device.called(f"m{number}") for number in range(5)]
            requests = [await device.client.next(device.calls) for _ in calls]
            for request in reversed(requests):
                name = request.application["IoThub-methodname"]
                answer = written(
                    name.encode(),
                    correlation_id=request.properties.correlation_id,
                    properties={"IoThub-status": int(name[1:])},
                )
                await device.client.send(device.answers, answer)
            assert await asyncio.gather(*calls) == [(number, b"m%d" % number) for number in range(5)]

    run(work())


@pytest.mark.parametrize(
    "parts",
    [
        {"correlation_id": "no-uuid", "properties": {"IoThub-status": 200}},
        {"properties": {"IoThub-status": 200}},
        {"correlation_id": UUID(int=5), "properties": {"IoThub-status": "200"}},
        {"correlation_id": UUID(int=5)},
    ],
)
def test_an_answer_to_nothing_is_rejected(tmp_path: Path, parts: dict[str, Any]) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            device = await Listening.at(one)
            assert await device.client.send(device.answers, written(b"", **parts)) == "amqp:invalid-field"

    run(work())


def test_a_late_answer_is_taken_and_forgotten(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            device = await Listening.at(one)
            with pytest.raises(TimeoutError):
                await device.called(timeout=0.05)
            request = await device.client.next(device.calls)
            number = request.properties.correlation_id
            answer = written(b"", correlation_id=number, properties={"IoThub-status": 200})
            assert await device.client.send(device.answers, answer) == "accepted"

    run(work())


def test_a_device_that_turns_a_call_down_does_not_listen(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            device = await Listening.at(one)
            call = device.called()
            await device.client.next(device.calls, Delivery.REJECTED)
            with pytest.raises(NotListening):
                await call

    run(work())


def test_a_call_ends_with_the_connection(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            device = await Listening.at(one)
            call = device.called()
            await device.client.next(device.calls)
            device.client.close()
            with pytest.raises(NotListening):
                await call
            assert one.gateway.sessions.of(CAM) is None

    run(work())


def test_a_device_without_both_links_does_not_listen(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            await client.receiver(METHODS)
            session = one.gateway.sessions.of(CAM)
            assert session is not None
            with pytest.raises(NotListening):
                await session.invoke("reboot", b"", 1)

    run(work())


def test_another_ones_methods_cannot_be_taken(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            device = await Listening.at(one)
            await one.rig.add("cam-2")
            for attach in (device.client.sender, device.client.receiver):
                with pytest.raises(RefusedError, match="amqp:unauthorized-access"):
                    await attach("/devices/cam-2/methods/devicebound")

    run(work())
