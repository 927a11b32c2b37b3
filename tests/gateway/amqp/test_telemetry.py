"""Device-to-cloud messages over AMQP."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from proton import Message
from tests.gateway.amqp.client import RefusedError, hub, written
from tests.gateway.rig import run
from tests.said import message, process

from fencepost.gateway.amqp.telemetry import CREDIT, read_telemetry
from fencepost.model.entry import Operated, Received
from fencepost.model.errors import DeviceError
from fencepost.model.identity import SECURITY_INTERFACE, IdentityKey
from fencepost.model.rule import AllowlistRule, SecurityGroup

GROUP = SecurityGroup(name="default", rules=(AllowlistRule(type="ProcessNotAllowed", allow=("/usr/bin/*",)),))
CAM = IdentityKey("cam-1")
MODULE = IdentityKey("cam-1", "azureiotsecurity")
EVENTS = "/devices/cam-1/messages/events"
MODULE_EVENTS = "/devices/cam-1/modules/azureiotsecurity/messages/events"
SECURE = {"iothub-interface-id": SECURITY_INTERFACE}


def test_S30_a_security_message_is_on_disk_before_it_is_accepted_and_judged(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path, GROUP) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(MODULE)
            link = await client.sender(MODULE_EVENTS)
            body = message(process("/opt/x/evil"))
            assert await client.send(link, written(body, annotations=SECURE)) == "accepted"
            (entry,) = one.rig.entries(Received)
            assert (entry.device_id, entry.body, entry.via) == ("cam-1", body, "amqp")
            await one.rig.until(one.rig.alerts)

    run(work())
