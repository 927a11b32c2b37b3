"""Devices send over MQTT, AMQP and HTTPS to a real service, as themselves, and are told when they may not."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from msgspec import structs
from tests.serving import Serving, until

from fencepost.client.access import Access
from fencepost.client.device_keys import DeviceKeys
from fencepost.client.hub import Hub
from fencepost.client.hub_shapes import HubIdentity
from fencepost.client.requests import Requests
from fencepost.client.transports import Door, Protocol, Transport, sender_of
from fencepost.model.errors import OperatorError
from fencepost.model.identity import IdentityKey
from fencepost.simulation.legacy import LegacyAgent
from fencepost.simulation.threadx import Flow, ThreadXModule

needs_amqp = pytest.mark.skipif(
    importlib.util.find_spec("proton") is None, reason="AMQP takes the extra fencepost[amqp]"
)
WAYS = ["mqtt", pytest.param("amqp", marks=needs_amqp), "https"]


class Served:
    """A real service with all its ways in."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.access = Access(
            serving.url,
            json.loads((serving.folder / "tokens.json").read_bytes())["admin"],
            serving.folder / "tls" / "ca.pem",
        )
        told = until(
            lambda: next((line for line in serving.log().splitlines() if '"listening"' in line), None)
        )
        self.ports = json.loads(told)

    def door(self, way: Protocol, connections: int = 10) -> Door:
        return Door(way, None if way == "https" else self.ports[way], connections)

    @asynccontextmanager
    async def opened(self, door: Door, *device_ids: str) -> AsyncIterator[tuple[Transport, Hub, DeviceKeys]]:
        async with Requests(self.access, connections=4) as requests:
            hub = Hub(requests)
            keys = DeviceKeys(hub, "localhost", lambda: datetime.now(UTC))
            transport = door.transport(keys, self.access, requests)
            try:
                await keys.register(device_ids)
                yield transport, hub, keys
            finally:
                await transport.close()

    def connected(self) -> int:
        answer = self.serving.admin.get("/statistics/service", params={"api-version": "2021-04-12"})
        return int(answer.json()["connectedDeviceCount"])

    def device(self, device_id: str) -> dict[str, int]:
        self.serving.settle()
        found: dict[str, int] = self.serving.admin.get(f"/v1/devices/{device_id}").json()["device"]
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("doors") / "data"
    serving = Serving(folder, mqtt_port="0", amqp_port="0", log_format="json")
    yield Served(serving)
    assert serving.stop() == 0


def legacy(device_id: str) -> bytes:
    agent, now = LegacyAgent("c", device_id, Random(1)), datetime.now(UTC)  # noqa: S311
    return agent.message([agent.process(now, "/bin/sh", "sh"), agent.process(now, "/bin/ls", "ls")])


def threadx() -> bytes:
    flow = Flow("10.0.0.5", 50_123, "10.0.0.9", 8883, 1, 2)
    return ThreadXModule(Random(2)).message(datetime.now(UTC), [flow], minute=False)  # noqa: S311


@pytest.mark.parametrize("way", WAYS)
def test_messages_of_agents_and_of_firmware_are_taken_and_understood(served: Served, way: Protocol) -> None:
    cam, plc = f"cam-{way}", f"plc-{way}"

    async def go() -> None:
        async with served.opened(served.door(way), cam, plc) as (transport, _, _):
            await transport.send(cam, legacy(cam))
            await transport.send(plc, threadx())

    asyncio.run(go())
    for device_id, events in ((cam, 2), (plc, 1)):
        found = served.device(device_id)
        assert (found["messages"], found["events"], found["rejected"]) == (1, events, 0)


@pytest.mark.parametrize("way", ["mqtt", pytest.param("amqp", marks=needs_amqp)])
def test_more_devices_than_connections_take_turns(served: Served, way: Protocol) -> None:
    ids = [f"turn-{way}-{number}" for number in range(6)]
    most = 0

    async def go() -> None:
        nonlocal most
        async with served.opened(served.door(way, connections=2), *ids) as (transport, _, _):
            for _ in range(2):
                for device_id in ids:
                    await transport.send(device_id, legacy(device_id))
                    most = max(most, served.connected())

    asyncio.run(go())
    assert {served.device(device_id)["messages"] for device_id in ids} == {2}
    assert 1 <= most <= 3  # one that has just been closed may still be seen


@pytest.mark.parametrize("way", WAYS)
def test_a_device_that_is_disabled_is_not_let_in(served: Served, way: Protocol) -> None:
    device_id = f"off-{way}"

    async def go() -> None:
        async with served.opened(served.door(way), device_id) as (transport, hub, _):
            known = await hub.identity(IdentityKey(device_id))
            await hub.update(structs.replace(known, status="disabled"))
            with pytest.raises(OperatorError, match=f"does not let .*{device_id}.* in .*: it is disabled"):
                await transport.send(device_id, legacy(device_id))

    asyncio.run(go())


@pytest.mark.parametrize("way", WAYS)
def test_a_device_whose_key_was_changed_is_not_let_in(served: Served, way: Protocol) -> None:
    device_id = f"key-{way}"

    async def go() -> None:
        async with served.opened(served.door(way), device_id) as (transport, hub, keys):
            key = sender_of(device_id, b"{}")
            await keys.read(key)
            await hub.delete(key)
            await hub.create(HubIdentity(device_id=device_id, module_id=key.module_id))
            with pytest.raises(OperatorError, match="does not let"):
                await transport.send(device_id, legacy(device_id))

    asyncio.run(go())


@pytest.mark.parametrize("way", ["mqtt", pytest.param("amqp", marks=needs_amqp)])
def test_a_connection_that_the_service_ends_is_made_again(served: Served, way: Protocol) -> None:
    """A key that is rotated ends the connection; the other key goes on to be good."""
    device_id = f"again-{way}"

    async def go() -> None:
        async with served.opened(served.door(way), device_id) as (transport, hub, _):
            await transport.send(device_id, legacy(device_id))
            for status in ("disabled", "enabled"):
                known = await hub.identity(IdentityKey(device_id))
                await hub.update(structs.replace(known, status=status))
            await transport.send(device_id, legacy(device_id))

    asyncio.run(go())
    assert served.device(device_id)["messages"] == 2


def test_without_the_extra_amqp_says_what_to_install(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fencepost.client.amqp", raising=False)
    monkeypatch.delitem(sys.modules, "fencepost.client.amqp_link", raising=False)
    monkeypatch.setitem(sys.modules, "proton", None)

    async def go() -> None:
        with pytest.raises(
            OperatorError, match=r"--amqp: .*pip install 'fencepost\[amqp\]' \(it is compiled: a C compiler"
        ):
            async with served.opened(Door("amqp")):
                pass

    asyncio.run(go())


def test_a_door_of_a_service_that_cannot_be_trusted_is_not_opened(served: Served, tmp_path: Path) -> None:
    access = structs.replace(served.access, ca=tmp_path / "missing.pem")

    async def go() -> None:
        async with Requests(served.access, connections=1) as requests:
            keys = DeviceKeys(Hub(requests), "localhost", lambda: datetime.now(UTC))
            with pytest.raises(OperatorError, match="there is no such file"):
                Door("mqtt").transport(keys, access, requests)

    asyncio.run(go())
