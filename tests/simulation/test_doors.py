"""A live fleet whose devices connect as real ones do, against a real service: exactly the scripted alerts come."""

import asyncio
import importlib.util
import json
from collections.abc import Iterator

import pytest
from tests.serving import Serving, until

from fencepost.client.access import Access
from fencepost.client.transports import Door, Protocol
from fencepost.simulation.groups import group_bodies
from fencepost.simulation.live import LivePlan
from fencepost.simulation.run import Findings, run_live
from fencepost.simulation.watch import Watch

needs_amqp = pytest.mark.skipif(
    importlib.util.find_spec("proton") is None, reason="AMQP takes the extra fencepost[amqp]"
)
SECONDS = 2.5


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("doors") / "data"
    running = Serving(folder, mqtt_port="0", amqp_port="0", log_format="json")
    yield running
    assert running.stop() == 0


def lived(serving: Serving, door: Door) -> Findings:
    token = json.loads((serving.folder / "tokens.json").read_bytes())["admin"]
    access = Access(serving.url, token, serving.folder / "tls" / "ca.pem")

    async def go() -> Findings:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(SECONDS, stop.set)
        plan = LivePlan(devices=5, rate=10.0)
        return await run_live(access, plan, groups=group_bodies(), watch=Watch(), stop=stop, door=door)

    return asyncio.run(go())


@pytest.mark.parametrize("way", ["mqtt", pytest.param("amqp", marks=needs_amqp), "https"])
def test_exactly_the_scripted_alerts_come_of_devices_that_connect_themselves(
    serving: Serving, way: Protocol
) -> None:
    told = until(lambda: next((line for line in serving.log().splitlines() if '"listening"' in line), None))
    findings = lived(serving, Door(way, json.loads(told)[way], connections=3))
    assert findings.is_right
    assert findings.expected >= 1
    assert findings.messages > 10
    assert findings.events is None
