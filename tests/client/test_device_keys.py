"""Devices are registered once, their keys read once, and their tokens are good for an hour."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from tests.client.test_hub import DEVICE, KEY, Answers, bad, good, refused, talk

from fencepost.client.device_keys import DeviceKeys
from fencepost.client.hub import Hub
from fencepost.model.errors import OperatorError
from fencepost.model.identity import IdentityKey
from fencepost.model.sas import parse_sas

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CAM, AGENT = IdentityKey("cam#1"), IdentityKey("cam#1", "azureiotsecurity")
MODULE: dict[str, Any] = {"deviceId": "cam#1", "moduleId": AGENT.module_id, **DEVICE}


def keys_of(hub: Hub) -> DeviceKeys:
    return DeviceKeys(hub, "fencepost.example", lambda: NOW)


def test_devices_are_registered_a_hundred_at_a_time_and_those_that_are_there_stay() -> None:
    answers = Answers(good({"isSuccessful": True}), refused("DeviceAlreadyExists"))
    talk(answers, lambda hub: keys_of(hub).register([f"cam-{number}" for number in range(150)]))
    assert [len(answers.body(number)) for number in (0, 1)] == [100, 50]
    assert answers.body(1)[0] == {"id": "cam-100", "importMode": "create"}


def test_devices_that_cannot_be_registered_are_named() -> None:
    with pytest.raises(OperatorError, match="dArgumentInvalid: words"):
        talk(Answers(refused("ArgumentInvalid")), lambda hub: keys_of(hub).register(["?"]))


def test_a_token_is_for_the_identity_on_this_host_and_for_an_hour() -> None:
    async def work(hub: Hub) -> tuple[str, str]:
        keys = keys_of(hub)
        for key in (CAM, AGENT, CAM):
            await keys.read(key)
        return keys.token(CAM), keys.token(AGENT)

    answers = Answers(good(DEVICE), good(MODULE))
    device, module = (parse_sas(token) for token in talk(answers, work))
    assert len(answers.requests) == 2
    assert device.resource == "fencepost.example/devices/cam#1"
    assert module.resource == "fencepost.example/devices/cam#1/modules/azureiotsecurity"
    for signature in (device, module):
        assert signature.is_signed_with(KEY)
        assert signature.expires_at == int(NOW.timestamp()) + 3600


def test_a_module_that_is_missing_is_made() -> None:
    answers = Answers(bad(404, "ModuleNotFound"), good(MODULE))
    talk(answers, lambda hub: keys_of(hub).read(AGENT))
    assert [method for method, _ in answers.said] == ["GET", "PUT"]


def test_a_device_without_keys_cannot_be_simulated() -> None:
    own = httpx2.Response(200, json={"deviceId": "cam#1", "authentication": {"type": "selfSigned"}})
    with pytest.raises(OperatorError, match="cam#1: it signs in without a key"):
        talk(Answers(own), lambda hub: keys_of(hub).read(CAM))
