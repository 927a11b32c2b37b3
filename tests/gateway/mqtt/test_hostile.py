"""What a hostile client gets us to hold, to write down, and to keep: little, and not for long."""

import asyncio
import json
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from tests.gateway.rig import HOST, Rig, rig, run

from fencepost.gateway.mqtt import protocol
from fencepost.gateway.mqtt.protocol import MqttProtocol
from fencepost.model.entry import Operated
from fencepost.model.identity import IdentityKey
from fencepost.service.operations import STRANGERS_A_SECOND
from fencepost.service.pipeline import Busy
from fencepost.wire.mqtt.packets import Puback, Publish, Subscription, Will
from fencepost.wire.mqtt.writing import connect, publish, subscribe

CAM, OTHER = IdentityKey("cam-1"), IdentityKey("cam-2")


def protocols(one: Rig) -> list[MqttProtocol]:
    inside = [connection._inner for connection in one.front._listeners[0]._inside]
    return [inner for inner in inside if isinstance(inner, MqttProtocol)]


async def held(one: Rig, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let reports wait until the event that is returned is set."""
    go, report = asyncio.Event(), one.registry.report

    async def slowly(key: IdentityKey, patch: bytes) -> int:
        await go.wait()
        return await report(key, patch)

    monkeypatch.setattr(one.registry, "report", slowly)
    return go


def test_subscriptions_count_for_what_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            await device.subscribe("$iothub/twin/res/#")
            go = await held(one, monkeypatch)
            device.publish("$iothub/twin/PATCH/properties/reported/?$rid=1", b"{}", qos=0)
            filters = [Subscription(f"{'x' * 2000}/{n}/#", 1) for n in range(100)]
            for number in range(1, 60):
                device.write(subscribe(number, filters))
            await asyncio.sleep(0.3)
            (inner,) = protocols(one)
            assert inner._is_paused
            assert inner._waiting < 600_000
            go.set()
            assert (await device.next(Publish)).topic.startswith("$iothub/twin/res/204/")
            for _ in range(1, 60):
                await device.next()

    run(work())


def test_nothing_is_read_behind_a_connect_until_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            token, go = (await one.token(CAM)).encode(), asyncio.Event()
            find = one.registry.find

            async def slowly(key: IdentityKey) -> Any:
                await go.wait()
                return await find(key)

            monkeypatch.setattr(one.registry, "find", slowly)
            device = await one.stranger()
            hello = connect("cam-1", username=f"{HOST}/cam-1/", password=token, keep_alive=60)
            topic = "devices/cam-1/messages/events/"
            messages = [publish(topic, bytes(1000), qos=1, packet_id=n) for n in range(1, 1001)]
            device.write(hello + b"".join(messages))
            await asyncio.sleep(0.2)
            (inner,) = protocols(one)
            assert len(inner._inbox) == 0
            assert inner._waiting < 1000
            go.set()
            await device.next()
            assert [(await device.next(Puback)).packet_id for _ in messages] == list(range(1, 1001))

    run(work())


def test_strangers_who_have_gone_are_not_kept_while_the_store_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "FIRST_PACKET", 0.5)

    async def work() -> None:
        async with rig(tmp_path) as one:
            hang = Event()
            monkeypatch.setattr(one.store, "identity", lambda _: hang.wait(20) and None)
            strangers = [await one.stranger() for _ in range(30)]
            for number, device in enumerate(strangers):
                device.write(connect(f"cam-{number}", username=f"{HOST}/cam-{number}/", password=b"x" * 3000))
            await asyncio.sleep(0.1)
            for device in strangers:
                device.reset()
            await one.until(lambda: one.front.traffic["mqtt"].open == 0)
            await one.until(lambda: not any("MqttProtocol" in repr(task) for task in asyncio.all_tasks()))
            hang.set()

    run(work())


def test_strangers_do_not_fill_the_journal(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            for _ in range(4 * STRANGERS_A_SECOND):
                one.gateway.operations.note_unauthorized("cam-1")
            await asyncio.sleep(0.1)
            noted = [entry for entry in one.entries(Operated) if entry.operation == "UnauthorizedOperations"]
            assert STRANGERS_A_SECOND <= len(noted) <= 2 * STRANGERS_A_SECOND
            assert one.gateway.operations.dropped == 4 * STRANGERS_A_SECOND - len(noted)

    run(work())


def test_a_will_on_anothers_topic_is_an_unauthorized_operation(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            await one.add("cam-2")
            device = await one.stranger()
            with pytest.raises(ConnectionError):
                await device.sign_in(
                    CAM,
                    (await one.token(CAM)).encode(),
                    will=Will("devices/cam-2/messages/events/", b"not mine"),
                )
            await one.until(lambda: one.entries(Operated))
            assert [entry.device_id for entry in one.entries(Operated)] == ["cam-1"]
            assert one.gateway.sessions.count() == 0

    run(work())


def test_a_client_that_does_not_read_its_answers_gets_no_more_of_them(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            big = json.dumps({f"k{n}": "x" * 4000 for n in range(7)}).encode()
            device = await one.device(CAM)
            await device.subscribe("$iothub/twin/res/#")
            await device.answer("$iothub/twin/PATCH/properties/reported/?$rid=1", big)
            device._writer.transport.pause_reading()  # type: ignore[attr-defined]
            for number in range(3000):
                device.publish(f"$iothub/twin/GET/?$rid={number}", qos=0)
            await asyncio.sleep(0.5)
            (inner,) = protocols(one)
            assert inner.is_clogged
            assert inner.transport.get_write_buffer_size() < 4 << 20
            device._writer.transport.resume_reading()  # type: ignore[attr-defined]
            for number in range(3000):
                assert (await device.next(Publish)).topic == f"$iothub/twin/res/200/?$rid={number}"

    run(work())


def test_a_message_that_found_no_room_before_its_connection_ended_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With QoS 0 nobody sends it again."""

    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            device = await one.device(CAM)

            async def refusing(items: Any, **how: Any) -> int:
                raise Busy("no room", 0.05)  # type: ignore[arg-type]

            monkeypatch.setattr(one.pipeline, "submit", refusing)
            for _ in range(3):
                device.publish("devices/cam-1/messages/events/", b"x", qos=0)
            await asyncio.sleep(0.1)
            device.reset()
            await one.until(lambda: one.gateway.counters.lost_messages == 3)
            monkeypatch.undo()

    run(work())
