"""What IoT Hub does for each topic, tried on a whole front door."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.rig import SECURITY, Device, Rig, rig, run
from tests.said import message, process

from fencepost.app.front_door import FrontDoor
from fencepost.app.sockets import Sockets
from fencepost.model.entry import Operated, Received, TwinServed
from fencepost.model.errors import StoreUnavailable
from fencepost.model.identity import IdentityKey
from fencepost.model.rule import AllowlistRule, SecurityGroup
from fencepost.service.registry import TwinPatch
from fencepost.service.sessions import NotListening
from fencepost.wire.mqtt.packets import SERVER_UNAVAILABLE, Pingresp, Puback, Publish, Unsuback, Will
from fencepost.wire.mqtt.writing import disconnect, pingreq, puback, unsubscribe
from fencepost.wire.twin import SECTION

GROUP = SecurityGroup(name="default", rules=(AllowlistRule(type="ProcessNotAllowed", allow=("/usr/bin/*",)),))
CAM, OTHER = IdentityKey("cam-1"), IdentityKey("cam-2")
MODULE = IdentityKey("cam-1", "azureiotsecurity")
EVENTS = "devices/cam-1/messages/events/"
MODULE_EVENTS = "devices/cam-1/modules/azureiotsecurity/messages/events/"


def test_S30_a_security_message_is_on_disk_before_its_puback_and_judged(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(MODULE)
            body = message(process("/opt/x/evil"))
            number = device.publish(f"{MODULE_EVENTS}{SECURITY}", body)
            assert (await device.next(Puback)).packet_id == number
            (entry,) = one.entries(Received)
            assert (entry.device_id, entry.body, entry.via) == ("cam-1", body, "mqtt")
            await one.until(one.alerts)
            assert one.alerts()[0].value == "/opt/x/evil"

    run(work())


def test_other_telemetry_is_counted_and_not_kept(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            device.publish(EVENTS, message(process("/opt/x/evil")))
            device.publish(f"{EVENTS}%24.ct=application%2Fjson&site=7", b"warm", retain=True)
            await device.next(Puback)
            await device.next(Puback)
            assert one.entries(Received) == []
            assert [entry.operation for entry in one.entries(Operated)] == ["MqttD2CMessages"] * 2
            assert one.gateway.uplink.telemetry["mqtt"] == 2

    run(work())


def test_pubacks_come_in_the_order_of_the_publishes(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            sent = [device.publish(f"{EVENTS}{SECURITY if n % 3 else ''}", b"{}") for n in range(300)]
            assert [(await device.next(Puback)).packet_id for _ in sent] == sent

    run(work())


def test_qos_0_has_no_puback(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            device.publish(EVENTS, b"x", qos=0)
            device.write(pingreq())
            await device.next(Pingresp)
            await one.until(lambda: one.entries(Operated))
            assert await device.hears_nothing()

    run(work())


def test_messages_before_a_disconnect_are_taken(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(CAM, will=Will(EVENTS, b"gone"))
            device.publish(EVENTS, b"x", qos=0)
            device.write(disconnect())
            assert await device.is_closed()
            await one.until(lambda: one.entries(Operated))
            await asyncio.sleep(0.05)
            assert len(one.entries(Operated)) == 1  # no will

    run(work())


@pytest.mark.parametrize(
    "go",
    [lambda device: device.reset(), lambda device: device.publish("nowhere")],
    ids=["lost", "thrown out"],
)
def test_a_will_is_sent_for_who_goes_without_a_disconnect(tmp_path: Path, go: Callable[[Any], Any]) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            will = Will(f"{MODULE_EVENTS}{SECURITY}", message(process("/opt/x/evil")))
            go(await one.device(MODULE, will=will))
            await one.until(one.alerts)

    run(work())


@pytest.mark.parametrize(
    ("topic", "qos"),
    [
        (EVENTS, 2),
        ("anything/else", 1),
        ("$iothub/twin/res/200/?$rid=1", 1),
        ("$iothub/twin/GET/", 0),
        ("$dps/registrations/PUT/iotdps-register/?$rid=1", 0),
    ],
)
def test_what_iot_hub_does_not_do_closes_the_connection(tmp_path: Path, topic: str, qos: int) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            device.publish(topic, b"x", qos)
            assert await device.is_closed()
            assert one.gateway.counters.forbidden == 1
            assert one.gateway.sessions.count() == 0

    run(work())


# twins


def test_a_twin_is_read_reported_and_pushed(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            assert await device.subscribe(
                "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"
            ) == (1, 1)
            answer = await device.answer("$iothub/twin/GET/?$rid=a-7", b" ")
            assert answer.topic == "$iothub/twin/res/200/?$rid=a-7"
            assert json.loads(answer.payload) == {"desired": {"$version": 1}, "reported": {"$version": 1}}
            answer = await device.answer(
                "$iothub/twin/PATCH/properties/reported/?$rid=8", b'{"t": {"c": 21}}'
            )
            assert (answer.topic, answer.payload) == ("$iothub/twin/res/204/?$rid=8&$version=2", b"")
            assert (await one.registry.twin(CAM)).reported.values == {"t": {"c": 21}}
            await one.registry.patch_twin(CAM, TwinPatch(desired={"every": 5}), "tests")
            pushed = await device.next(Publish)
            assert pushed.topic == "$iothub/twin/PATCH/properties/desired/?$version=2"
            assert json.loads(pushed.payload) == {"every": 5, "$version": 2}

    run(work())


def test_a_report_that_is_no_json_is_answered_400(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            await device.subscribe("$iothub/twin/res/#")
            for number, body in enumerate([b"{", b"[]", b'{"a":' * 5000, b'{"$x": 1}']):
                answer = await device.answer(f"$iothub/twin/PATCH/properties/reported/?$rid={number}", body)
                assert answer.topic == f"$iothub/twin/res/400/?$rid={number}"

    run(work())


def test_S06_the_security_module_that_reads_its_twin_is_taken_at_its_word(tmp_path: Path) -> None:
    """And a change of its section is pushed whole, for the agents take what is missing for the default."""

    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(MODULE)
            await device.subscribe("$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#")
            answer = await device.answer("$iothub/twin/GET/?$rid=1")
            whole = json.loads(answer.payload)["desired"][SECTION]
            assert whole["highPriorityMessageFrequency"] == {"value": "PT7M"}
            patch = {SECTION: {"lowPriorityMessageFrequency": {"value": "PT1H"}}}
            await one.registry.patch_twin(MODULE, TwinPatch(desired=patch), "tests")
            pushed = json.loads((await device.next(Publish)).payload)
            assert pushed[SECTION] == {**whole, "lowPriorityMessageFrequency": {"value": "PT1H"}}
            delays = [entry.delays["ConnectionCreate"].total_seconds() for entry in one.entries(TwinServed)]
            assert delays == [6.25 * 3600, 2.25 * 3600]

    run(work())


# direct methods


def test_a_direct_method_is_called_and_answered(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            session = one.gateway.sessions.of(CAM)
            assert session is not None
            with pytest.raises(NotListening):
                await session.invoke("reboot", b"{}", 1)
            await device.subscribe("$iothub/methods/POST/#")
            call = asyncio.create_task(session.invoke("reboot now", b'{"in": 5}', 5))
            asked = await device.next(Publish)
            assert asked.payload == b'{"in": 5}'
            assert asked.topic.startswith("$iothub/methods/POST/reboot%20now/?$rid=")
            rid = asked.topic.partition("$rid=")[2]
            device.publish(f"$iothub/methods/res/201/?$rid={rid}", b'"ok"', qos=0)
            assert await call == (201, b'"ok"')
            with pytest.raises(TimeoutError):
                await session.invoke("reboot", b"{}", 0.05)
            call = asyncio.create_task(session.invoke("reboot", b"{}", 5))
            await device.next(Publish)
            await device.next(Publish)
            device.close()
            with pytest.raises(NotListening):
                await call

    run(work())


# cloud-to-device messages


async def send_down(one: Rig, body: bytes, device_id: str = "cam-1") -> None:
    await one.gateway.downlink.send(
        device_id, body, {"message-id": "m1", "ack": "full"}, {"why": "a b"}, None
    )


def test_cloud_messages_come_in_order_and_are_settled_by_their_puback(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            await send_down(one, b"early")
            device = await one.device(CAM)
            assert await device.subscribe("devices/cam-1/messages/devicebound/#", qos=2) == (1,)
            first = await device.next(Publish)
            assert (first.payload, first.qos) == (b"early", 1)
            assert first.topic.startswith("devices/cam-1/messages/devicebound/")
            assert "%24.mid=m1" in first.topic
            assert "why=a%20b" in first.topic
            assert "iothub-ack=full" in first.topic
            await send_down(one, b"late")
            second = await device.next(Publish)
            assert second.payload == b"late"
            device.write(puback(first.packet_id))
            device.write(puback(second.packet_id))
            device.write(puback(999))
            await one.until(lambda: len(one.entries(Operated)) == 2)
            assert await one.gateway.downlink.pending("cam-1") == 0
            assert {entry.operation for entry in one.entries(Operated)} == {"MqttC2DMessages"}

    run(work())


def test_what_was_not_acknowledged_comes_again(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            await send_down(one, b"once")
            first = await one.device(CAM)
            await first.subscribe("devices/cam-1/messages/devicebound/#")
            await first.next(Publish)
            first.reset()
            await one.until(lambda: one.gateway.sessions.count() == 0)
            second = await one.device(CAM)
            await second.subscribe("devices/cam-1/messages/devicebound/#")
            assert (await second.next(Publish)).payload == b"once"

    run(work())


def test_clean_session_0_keeps_the_subscription_and_clean_session_1_ends_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            topic = "devices/cam-1/messages/devicebound/#"
            token = (await one.token(CAM)).encode()
            seen = []
            for is_clean, subscribes in ((False, True), (False, False), (True, False), (False, False)):
                device = await one.stranger()
                answer = await device.sign_in(CAM, token, clean_session=is_clean)
                seen.append(answer.session_present)
                if subscribes:
                    await device.subscribe(topic)
                await send_down(one, b"x")
                if answer.session_present or subscribes:
                    device.write(puback((await device.next(Publish)).packet_id))
                else:
                    assert await device.hears_nothing()
                    await one.gateway.downlink.purge("cam-1", "tests")
                device.write(disconnect())
                await device.is_closed()
            assert seen == [False, True, False, False]

    run(work())


def test_who_unsubscribes_gets_no_more(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device = await one.device(CAM, clean_session=False)
            await device.subscribe("devices/cam-1/messages/devicebound/#")
            device.write(unsubscribe(7, ["devices/cam-1/messages/devicebound/#"]))
            await device.next()
            await send_down(one, b"x")
            assert await device.hears_nothing()

    run(work())


# subscriptions that outlive their connection


EVERYTHING = (
    "devices/cam-1/messages/devicebound/#",
    "$iothub/twin/res/#",
    "$iothub/twin/PATCH/properties/desired/#",
    "$iothub/methods/POST/#",
)


async def returned(one: Rig, key: IdentityKey = CAM, *, clean_session: bool = False) -> tuple[Device, bool]:
    """Return an identity that signs in (again), and whether it is told that its session is present."""
    device = await one.stranger()
    token = (await one.token(key)).encode()
    answer = await device.sign_in(key, token, clean_session=clean_session)
    assert answer.code == 0
    return device, answer.session_present


async def gone(one: Rig, device: Device) -> None:
    device.write(disconnect())
    assert await device.is_closed()
    await one.until(lambda: one.gateway.sessions.count() == 0)


async def restart(one: Rig) -> None:
    """Put another front door in the place of this one; only the stores are the same."""
    await one.front.close()
    one.sockets.__exit__(None, None, None)
    one.front = FrontDoor(one.settings, one.installation, one.pipeline, one.store, one.clock)
    one.gateway, one.registry = one.front.gateway, one.front.gateway.registry
    one.sockets = Sockets(one.settings)
    one.front.open(one.sockets, 10)
    listener = one.sockets.of("mqtt")
    assert listener is not None
    one.port = listener.getsockname()[1]


async def listens(one: Rig, device: Device) -> bool:
    """Whether all that there is comes to a device, each thing once."""
    await send_down(one, b"down")
    number = (message := await device.next(Publish)).packet_id
    device.write(puback(number))
    patched = await one.registry.patch_twin(CAM, TwinPatch(desired={"every": number}), "tests")
    pushed = await device.next(Publish)
    twin = await device.answer("$iothub/twin/GET/?$rid=1")
    session = one.gateway.sessions.of(CAM)
    assert session is not None
    call = asyncio.create_task(session.invoke("reboot", b"{}", 5))
    asked = await device.next(Publish)
    device.publish(f"$iothub/methods/res/200/?$rid={asked.topic.partition('$rid=')[2]}", b"1", qos=0)
    assert await call == (200, b"1")
    return (
        message.payload == b"down"
        and pushed.topic.endswith(f"$version={patched.desired.version}")
        and twin.topic == "$iothub/twin/res/200/?$rid=1"
    )


@pytest.mark.parametrize("restarts", [False, True])
def test_clean_session_0_goes_on_with_every_subscription(tmp_path: Path, restarts: bool) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device, present = await returned(one)
            assert not present
            assert await device.subscribe(*EVERYTHING) == (1, 1, 1, 1)
            for _ in range(2):
                await gone(one, device)
                if restarts:
                    await restart(one)
                device, present = await returned(one)
                assert present
                assert await listens(one, device)

    run(work())


def test_a_connection_that_is_taken_over_leaves_its_subscriptions_to_the_next(tmp_path: Path) -> None:
    """As a client does that renews its token, and does not say so on the old one."""

    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device, _ = await returned(one)
            await device.subscribe(*EVERYTHING)
            await send_down(one, b"under way")
            assert (await device.next(Publish)).payload == b"under way"
            again, present = await returned(one)
            assert present
            assert (await again.next(Publish)).payload == b"under way"
            assert await listens(one, again)

    run(work())


def test_cloud_messages_come_as_they_were_subscribed_to(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("a:b")
            key = IdentityKey("a:b")
            device, _ = await returned(one, key)
            await device.subscribe("devices/a%3Ab/messages/devicebound/#", qos=0)
            await gone(one, device)
            device, _ = await returned(one, key)
            await send_down(one, b"x", "a:b")
            came = await device.next(Publish)
            assert came.topic.startswith("devices/a%3Ab/messages/devicebound/")
            assert came.qos == 0

    run(work())


def test_a_modules_subscriptions_are_its_own_and_one_of_a_kind(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            module, _ = await returned(one, MODULE)
            inputs = "devices/cam-1/modules/azureiotsecurity/inputs/#"
            await module.subscribe("devices/cam-1/modules/azureiotsecurity/#", "nonsense/#")
            await module.subscribe(inputs, qos=0)
            assert one.store.subscriptions(MODULE) == {inputs: 0}
            await gone(one, module)
            assert [(await returned(one, key))[1] for key in (CAM, MODULE)] == [False, True]

    run(work())


def test_what_was_unsubscribed_from_is_not_gone_on_with(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device, _ = await returned(one)
            await device.subscribe(*EVERYTHING)
            device.write(unsubscribe(7, [EVERYTHING[0], EVERYTHING[2], "nonsense/#"]))
            await device.next(Unsuback)
            await gone(one, device)
            device, present = await returned(one)
            assert present
            await send_down(one, b"x")
            await one.registry.patch_twin(CAM, TwinPatch(desired={"every": 5}), "tests")
            assert (await device.answer("$iothub/twin/GET/?$rid=1")).topic.startswith("$iothub/twin/res/200/")
            device.write(unsubscribe(8, [EVERYTHING[1], EVERYTHING[3]]))
            await device.next(Unsuback)
            await gone(one, device)
            assert (await returned(one))[1] is False

    run(work())


def test_a_deleted_identity_leaves_no_subscriptions_to_its_namesake(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device, _ = await returned(one)
            await device.subscribe(*EVERYTHING)
            await one.registry.delete(CAM, "tests")
            assert await device.is_closed()
            await one.add("cam-1")
            assert (await returned(one))[1] is False

    run(work())


def test_only_what_changes_a_subscription_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device, _ = await returned(one, clean_session=True)
            await device.subscribe(*EVERYTHING)
            assert one.store.subscriptions(CAM) == {}
            await gone(one, device)
            device, _ = await returned(one)
            await device.subscribe(*EVERYTHING)
            await gone(one, device)
            monkeypatch.setattr(one.store, "put_subscriptions", None)
            for _ in range(2):
                device, present = await returned(one)
                assert present
                assert await device.subscribe(*EVERYTHING) == (1, 1, 1, 1)
                device.write(unsubscribe(9, ["nonsense/#"]))
                await device.next(Unsuback)
                await gone(one, device)

    run(work())


def test_while_subscriptions_cannot_be_kept_or_read_the_client_is_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> dict[str, int]:
        raise StoreUnavailable("away")

    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            device, _ = await returned(one)
            with monkeypatch.context() as patched:
                patched.setattr(one.store, "put_subscriptions", away)
                with pytest.raises(ConnectionError):
                    await device.subscribe(*EVERYTHING)
            token = (await one.token(CAM)).encode()
            with monkeypatch.context() as patched:
                patched.setattr(one.store, "subscriptions", away)
                for is_clean in (False, True):
                    answer = await (await one.stranger()).sign_in(CAM, token, clean_session=is_clean)
                    assert answer.code == SERVER_UNAVAILABLE
                assert one.gateway.sessions.count() == 0
            device, present = await returned(one)
            assert not present
            await device.subscribe(*EVERYTHING)
            assert await listens(one, device)

    run(work())


# a device and what is another's


@pytest.mark.parametrize(
    "subscribed",
    [
        "devices/cam-2/messages/devicebound/#",
        "devices/cam-1/modules/azureiotsecurity/#",
        "devices/cam-2/modules/azureiotsecurity/inputs/#",
    ],
)
def test_a_subscription_to_anothers_messages_is_an_unauthorized_operation(
    tmp_path: Path, subscribed: str
) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            await one.add("cam-2")
            device = await one.device(CAM)
            with pytest.raises(ConnectionError):
                await device.subscribe(subscribed)
            await one.until(lambda: one.entries(Operated))
            assert [(e.device_id, e.operation) for e in one.entries(Operated)] == [
                ("cam-1", "UnauthorizedOperations")
            ]
            assert one.gateway.counters.unauthorized == 1
            device.close()

    run(work())


@pytest.mark.parametrize(
    "topic", ["devices/cam-2/messages/events/", MODULE_EVENTS, "devices/CAM-1/messages/events/"]
)
def test_a_publish_to_anothers_topic_is_an_unauthorized_operation(tmp_path: Path, topic: str) -> None:
    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            await one.add("cam-2")
            device = await one.device(CAM)
            device.publish(EVENTS, b"mine")
            device.publish(f"{topic}{SECURITY}", message(process("/opt/x/evil")))
            await device.next(Puback)
            assert await device.is_closed()
            await one.until(lambda: len(one.entries(Operated)) == 2)
            assert [(e.device_id, e.operation) for e in one.entries(Operated)] == [
                ("cam-1", "MqttD2CMessages"),
                ("cam-1", "UnauthorizedOperations"),
            ]
            assert one.entries(Received) == []

    run(work())


def test_twins_methods_and_cloud_messages_reach_nobody_else(tmp_path: Path) -> None:
    """Twin and method topics name no device: each connection is a world of its own."""

    async def work() -> None:
        async with rig(tmp_path, GROUP) as one:
            await one.add("cam-1")
            await one.add("cam-2")
            everything = (
                "$iothub/twin/res/#",
                "$iothub/twin/PATCH/properties/desired/#",
                "$iothub/methods/POST/#",
            )
            mine, others = await one.device(CAM), await one.device(OTHER)
            module = await one.device(MODULE)
            for device in (mine, others, module):
                await device.subscribe(*everything)
            await others.subscribe("devices/cam-2/messages/devicebound/#")
            await one.registry.patch_twin(CAM, TwinPatch(desired={"secret": "of cam-1"}), "tests")
            assert b"of cam-1" in (await mine.next(Publish)).payload
            assert b"of cam-1" in (await mine.answer("$iothub/twin/GET/?$rid=1")).payload
            assert b"of cam-1" not in (await others.answer("$iothub/twin/GET/?$rid=1")).payload
            assert b"of cam-1" not in (await module.answer("$iothub/twin/GET/?$rid=1")).payload
            await mine.answer("$iothub/twin/PATCH/properties/reported/?$rid=2", b'{"mine": 1}')
            assert (await one.registry.twin(OTHER)).reported.values == {}
            session = one.gateway.sessions.of(CAM)
            assert session is not None
            call = asyncio.create_task(session.invoke("reboot", b"{}", 0.2))
            rid = (await mine.next(Publish)).topic.partition("$rid=")[2]
            others.publish(f"$iothub/methods/res/200/?$rid={rid}", b'"forged"', qos=0)
            with pytest.raises(TimeoutError):
                await call
            await send_down(one, b"for cam-1")
            assert await others.hears_nothing()
            assert await module.hears_nothing()

    run(work())
