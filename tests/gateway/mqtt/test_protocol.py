"""Who gets in, how long they may stay, and what strangers cannot do to us."""

import asyncio
import gc
import json
import random
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.rig import HOST, SECURITY, Device, Rig, rig, run
from tests.net.test_tls import Files
from tests.said import message, process

from fencepost.config.service import Gateway
from fencepost.gateway.mqtt import protocol
from fencepost.model.entry import Operated, Received
from fencepost.model.identity import Authentication, IdentityKey
from fencepost.model.sas import derived_key, sign
from fencepost.service.pipeline import Busy
from fencepost.service.registry import Draft, TwinPatch
from fencepost.wire.mqtt.packets import Connack, Pingresp, Puback
from fencepost.wire.mqtt.writing import connect, pingreq, puback, publish

CAM = IdentityKey("cam-1")
MODULE = IdentityKey("cam-1", "azureiotsecurity")
EVENTS = "devices/cam-1/messages/events/"


async def answered(one: Rig, key: IdentityKey, token: str, **how: Any) -> int:
    """Return the return code of a CONNECT; a refused one is closed."""
    device = await one.stranger()
    code = (await device.sign_in(key, token.encode(), **how)).code
    if code:
        assert await device.is_closed()
    return code


# who gets in


@pytest.mark.parametrize("of", ["primary", "secondary"])
@pytest.mark.parametrize("key", [CAM, MODULE], ids=str)
def test_an_identity_gets_in_by_either_of_its_keys(tmp_path: Path, key: IdentityKey, of: str) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            assert await answered(one, key, await one.token(key, of=of)) == 0
            assert one.gateway.sessions.of(key) is not None

    run(work())


def test_a_token_counts_as_its_resource_was_written(tmp_path: Path) -> None:
    """The C client does not encode it, the .NET one in lower case: the signature is over what stands there."""

    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            secret = (await one.registry.identity(CAM)).authentication.primary_key or ""
            expiry = round(time.time()) + 600
            for resource in (
                HOST,  # as the legacy C agent asks for its module's key
                f"{HOST}/devices/cam-1",
                f"{HOST}%2fdevices%2fcam-1",
                f"{HOST.upper()}%2Fdevices%2Fcam-1",
            ):
                assert await answered(one, CAM, signed(resource, secret, expiry)) == 0
            assert await answered(one, CAM, signed(f"{HOST}/devices/cam-1", secret, 253_402_300_799_000)) == 0

    run(work())


def signed(resource: str, secret: str, expiry: int) -> str:
    """Return a token whose resource stands there as it is given."""
    import hmac  # noqa: PLC0415 - by hand, to be independent of our own
    from base64 import b64decode  # noqa: PLC0415
    from urllib.parse import quote  # noqa: PLC0415

    digest = hmac.digest(b64decode(secret), f"{resource}\n{expiry}".encode(), "sha256")
    return f"SharedAccessSignature se={expiry}&sr={resource}&sig={quote(b64encode(digest).decode(), safe='')}"


def test_a_policy_that_may_connect_devices_gets_any_of_them_in(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            hub, expiry = one.installation.hub, round(time.time()) + 600
            for name, pair, code in (
                ("device", hub.device, 0),
                ("iothubowner", hub.iothubowner, 0),
                ("service", hub.service, 5),
                ("registryReadWrite", hub.registryReadWrite, 5),
                ("device", hub.service, 5),
            ):
                assert await answered(one, CAM, sign(HOST, pair.secondary, expiry, name)) == code
            assert (
                await answered(one, CAM, sign(f"{HOST}/devices/cam-2", hub.device.primary, expiry, "device"))
                == 5
            )
            stranger = IdentityKey("nobody")
            assert await answered(one, stranger, sign(HOST, hub.device.primary, expiry, "device")) == 5

    run(work())


async def of_another_host(one: Rig) -> str:
    return await one.token(CAM, host="elsewhere.example")


async def expired(one: Rig) -> str:
    return await one.token(CAM, lives=-1)


async def of_the_module(one: Rig) -> str:
    return await one.token(MODULE)


async def of_another_device(one: Rig) -> str:
    await one.add("cam-2")
    return await one.token(IdentityKey("cam-2"))


async def with_another_key(one: Rig) -> str:
    return sign(f"{HOST}/devices/cam-1", b64encode(b"x" * 32).decode(), round(time.time()) + 600)


async def garbage(one: Rig) -> str:
    return "SharedAccessSignature " + "x" * 3000


async def re_encoded(one: Rig) -> str:
    return (await one.token(CAM)).replace("%2F", "%2f", 1)


@pytest.mark.parametrize(
    "made",
    [
        of_another_host,
        expired,
        of_the_module,
        of_another_device,
        with_another_key,
        garbage,
        re_encoded,
    ],
)
def test_a_token_that_is_not_good_is_answered_5_and_is_an_unauthorized_operation(
    tmp_path: Path, made: Callable[[Rig], Any]
) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            assert await answered(one, CAM, await made(one)) == 5
            await one.until(lambda: one.entries(Operated))
            assert [(e.device_id, e.operation) for e in one.entries(Operated)] == [
                ("cam-1", "UnauthorizedOperations")
            ]
            assert one.gateway.counters.unauthorized == 1

    run(work())


def test_an_unknown_device_is_answered_as_one_with_a_wrong_key_and_leaves_no_trace(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            token = sign(f"{HOST}/devices/nobody", b64encode(b"x" * 32).decode(), round(time.time()) + 600)
            assert await answered(one, IdentityKey("nobody"), token) == 5
            await asyncio.sleep(0.05)
            assert one.entries(Operated) == []
            assert not one.pipeline.processor.detector.knows("nobody")

    run(work())


def test_a_disabled_device_is_refused_and_so_is_its_module(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            tokens = {key: await one.token(key) for key in (CAM, MODULE)}
            connected = await one.device(MODULE)
            identity = await one.registry.identity(CAM)
            draft = Draft(key=CAM, authentication=identity.authentication, status="disabled")
            await one.registry.update(draft, "tests")
            assert await connected.is_closed()
            for key, token in tokens.items():
                assert await answered(one, key, token) == 5

    run(work())


@pytest.mark.parametrize(
    ("client_id", "username", "code"),
    [
        ("cam-1", f"{HOST}/cam-1/?api-version=2019-10-01&DeviceClientType=py%2F1", 0),
        ("cam-1", f"{HOST}/cam-1/api-version=2016-11-14", 0),
        ("cam-1", f"{HOST}/cam-1", 0),
        ("cam-1", f"{HOST}/cam-1?api-version=2018-06-30", 0),
        ("cam-1", f"{HOST}/cam-2/?api-version=2019-10-01", 5),
        ("cam-1", f"{HOST}/cam-1/azureiotsecurity/?api-version=2019-10-01", 5),
        ("cam-1", "", 5),
        ("cam-1", f"{HOST}/cam-1x", 5),
        ("cam-1/", f"{HOST}/cam-1/", 5),
        ("cam-1/azureiotsecurity", f"{HOST}/cam-1/?api-version=2019-10-01", 5),
        ("CAM-1", f"{HOST}/CAM-1/?api-version=2019-10-01", 5),
        ("", f"{HOST}//?api-version=2019-10-01", 2),
    ],
)
def test_client_id_and_user_name_are_of_one_identity(
    tmp_path: Path, client_id: str, username: str, code: int
) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            token = await one.token(CAM)
            assert await answered(one, CAM, token, client_id=client_id, username=username) == code

    run(work())


def test_the_former_hubs_name_counts_where_it_is_set(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(
            tmp_path,
            gateway=Gateway(
                hostnames=("contoso.azure-devices.net",), device_ca_file=tmp_path / "data/tls/devices.pem"
            ),
        ) as one:
            await one.add("cam-1")
            token = await one.token(CAM, host="Contoso.azure-devices.net")
            username = "contoso.azure-devices.net/cam-1/?api-version=2019-10-01"
            assert await answered(one, CAM, token, username=username) == 0

    run(work())


@pytest.mark.parametrize("which", ["sha1", "sha256"])
def test_a_self_signed_certificate_is_known_by_its_thumbprint(tmp_path: Path, which: str) -> None:
    async def work() -> None:
        import hashlib  # noqa: PLC0415 - only here

        files = Files(tmp_path)
        good, der = files.client("any name", is_signed=False)
        other, _ = files.client("other", is_signed=False)
        thumbprint = hashlib.new(which, der).hexdigest()
        async with rig(tmp_path) as one:
            known = Authentication(type="selfSigned", secondary_thumbprint=thumbprint)
            await one.add("cam-1", authentication=known)
            await one.device(CAM, password=b"", client=good)
            for client in (other, None):
                device = await one.stranger(client)
                assert (await device.sign_in(CAM, None)).code == 5
            device = await one.stranger(good)
            assert (await device.sign_in(MODULE, None)).code == 5  # the module has keys of its own

    run(work())


def test_a_certificate_of_an_authority_of_devices_is_known_by_its_name(tmp_path: Path) -> None:
    async def work() -> None:
        files = Files(tmp_path)
        good, _ = files.client("cam-1", is_signed=True)
        forged, _ = files.client("cam-1 ", is_signed=False)
        others, _ = files.client("cam-2", is_signed=True)
        old, _ = files.client("cam-1  ", is_signed=True, days=-1)
        async with rig(tmp_path, gateway=Gateway(device_ca_file=files.devices)) as one:
            await one.add("cam-1", authentication=Authentication(type="certificateAuthority"))
            await one.device(CAM, password=b"", client=good)
            for client in (forged, others, old, None):
                device = await one.stranger(client)
                assert (await device.sign_in(CAM, None)).code == 5

    run(work())


def test_a_device_with_a_key_does_not_get_in_by_a_certificate(tmp_path: Path) -> None:
    async def work() -> None:
        files = Files(tmp_path)
        client, _ = files.client("cam-1", is_signed=True)
        async with rig(tmp_path, gateway=Gateway(device_ca_file=files.devices)) as one:
            await one.add("cam-1")
            device = await one.stranger(client)
            assert (await device.sign_in(CAM, None)).code == 5

    run(work())


def test_a_device_of_an_enrollment_registers_and_connects(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            hub, expiry = one.installation.hub, round(time.time()) + 600
            own = derived_key(hub.enrollment.primary, "new-1")
            username = f"{hub.id_scope}/registrations/new-1/api-version=2019-03-31&ClientVersion=x"

            async def asked(key: str, scope: str = hub.id_scope) -> tuple[Device, int]:
                device = await one.stranger()
                token = sign(f"{scope}/registrations/new-1", key, expiry, "registration")
                user = username.replace(hub.id_scope, scope)
                answer = await device.sign_in(IdentityKey("new-1"), token.encode(), username=user)
                return device, answer.code

            assert (await asked(b64encode(b"y" * 32).decode()))[1] == 5
            assert (await asked(own, "0neOTHER"))[1] == 5
            device, code = await asked(own)
            assert code == 0
            assert await device.subscribe("$dps/registrations/res/#", "$iothub/twin/res/#") == (1, 0x80)
            answer = await device.answer(
                "$dps/registrations/PUT/iotdps-register/?$rid=1", b'{"registrationId":"new-1"}'
            )
            assert answer.topic == "$dps/registrations/res/200/?$rid=1"
            said = json.loads(answer.payload)
            assert (said["status"], said["registrationState"]["deviceId"]) == ("assigned", "new-1")
            token = sign(f"{said['registrationState']['assignedHub']}/devices/new-1", own, expiry)
            assert await answered(one, IdentityKey("new-1"), token) == 0

    run(work())


# how long


def test_a_second_connect_of_an_identity_ends_the_first(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            first, module = await one.device(CAM), await one.device(MODULE)
            second = await one.device(CAM)
            assert await first.is_closed()
            second.write(pingreq())
            await second.next(Pingresp)
            module.write(pingreq())
            await module.next(Pingresp)
            assert one.gateway.sessions.count() == 2

    run(work())


def test_a_token_that_expires_ends_the_connection(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            began = time.time()
            device = await one.device(CAM, password=(await one.token(CAM, lives=2)).encode())
            assert await device.is_closed()
            assert 0.5 < time.time() - began < 4

    run(work())


@pytest.mark.parametrize("how", ["rotated", "deleted"])
def test_new_keys_and_a_deletion_end_the_connection(tmp_path: Path, how: str) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            if how == "rotated":
                renewed = Authentication(primary_key=b64encode(bytes(32)).decode())
                await one.registry.update(Draft(key=CAM, authentication=renewed), "tests")
            else:
                await one.registry.delete(CAM, "tests")
            assert await device.is_closed()

    run(work())


def test_who_is_silent_for_one_and_a_half_keep_alives_is_closed(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            device = await one.device(CAM, keep_alive=1)
            for _ in range(4):
                await asyncio.sleep(0.5)
                device.write(pingreq())
                await device.next(Pingresp)
            began = time.monotonic()
            assert await device.is_closed()
            assert 1.2 < time.monotonic() - began < 3
            assert one.front.traffic["mqtt"].late == 1

    run(work())


def test_who_does_not_say_connect_in_time_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "FIRST_PACKET", 0.1)

    async def work() -> None:
        async with rig(tmp_path) as one:
            silent, slow = await one.stranger(), await one.stranger()
            for byte in connect("cam-1", username="x")[:8]:
                slow.write(bytes([byte]))
                await asyncio.sleep(0.02)
            assert await silent.is_closed()
            assert await slow.is_closed()
            assert one.front.traffic["mqtt"].late == 2

    run(work())


# what strangers say


def test_another_version_of_mqtt_is_answered_1(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            for level in (3, 5):
                device = await one.stranger()
                device.write(b"\x10\x0f\0\x04MQTT" + bytes([level]) + b"\x02\0\x3c\0\x03abc")
                assert (await device.next(Connack)).code == 1
                assert await device.is_closed()

    run(work())


@pytest.mark.parametrize(
    "said",
    [
        pingreq(),
        publish(EVENTS, b"x"),
        b"\x10\xff\xff\xff\xff\x01",
        b"\xf0\x00",
        b"\x30\xff\xff\x7f" + b"x" * 9,
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["ping", "publish", "length of five bytes", "reserved", "two megabytes", "http"],
)
def test_what_does_not_begin_with_connect_is_closed(tmp_path: Path, said: bytes) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            device = await one.stranger()
            device.write(said)
            assert await device.is_closed()

    run(work())


def test_a_second_connect_on_a_connection_closes_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            device.write(connect("cam-1", username="x"))
            assert await device.is_closed()

    run(work())


@pytest.mark.parametrize(("size", "is_taken"), [(262_144, True), (262_145, False), (400_000, False)])
def test_a_message_has_256_kibibytes_at_most(tmp_path: Path, size: int, is_taken: bool) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            device.publish(f"{EVENTS}{SECURITY}", b" " * size)
            if is_taken:
                await device.next(Puback)
            else:
                assert await device.is_closed()
            assert [len(entry.body) for entry in one.entries(Received)] == ([size] if is_taken else [])

    run(work())


def test_as_many_properties_as_a_topic_holds_are_read(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            device.publish(
                f"{EVENTS}{'&'.join(f'k{n}=v' for n in range(7500))}&{SECURITY}", message(process("/x"))
            )
            await device.next(Puback)
            assert len(one.entries(Received)) == 1

    run(work())


def test_while_there_is_no_room_nothing_more_is_read_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            submit, is_full = one.pipeline.submit, True

            async def hesitating(items: Any, **how: Any) -> int:
                if is_full:
                    raise Busy("no room", 0.05)  # type: ignore[arg-type]
                return await submit(items, **how)

            monkeypatch.setattr(one.pipeline, "submit", hesitating)
            sent = [device.publish(f"{EVENTS}{SECURITY}", bytes(10_000)) for _ in range(500)]
            await asyncio.sleep(0.3)
            (inside,) = one.front._listeners[0]._inside
            inner: Any = inside._inner
            assert inner._is_paused
            assert inner._waiting < 400_000
            is_full = False
            assert [(await device.next(Puback)).packet_id for _ in sent] == sent
            assert len(one.entries(Received)) == 500

    run(work())


def test_who_does_not_read_is_closed_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "CLOGGED", 0.3)

    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            await one.registry.patch_twin(
                CAM, TwinPatch(desired={"much": "x" * 4000, "more": "y" * 4000}), "tests"
            )
            device = await one.device(CAM)
            await device.subscribe("$iothub/twin/res/#")
            device._writer.transport.pause_reading()  # type: ignore[attr-defined]
            for number in range(4000):
                device.publish(f"$iothub/twin/GET/?$rid={number}", qos=0)
            await one.until(lambda: one.gateway.sessions.count() == 0)
            assert one.front.traffic["mqtt"].late == 1

    run(work())


def test_300_malformed_connections_leave_nothing_behind(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - to be the same again
    good = connect(
        "cam-1", username=f"{HOST}/cam-1/?api-version=2021-04-12", password=b"x" * 200, keep_alive=60
    )

    def spoilt() -> bytes:
        data = bytearray(good + publish(EVENTS, bytes(100)) + puback(3))
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data[: chance.randrange(1, len(data))]) if chance.random() < 0.5 else bytes(data)

    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            await one.device(CAM)
            tasks = len(asyncio.all_tasks())
            for _ in range(30):
                strangers = [await one.stranger() for _ in range(10)]
                for device in strangers:
                    device.write(spoilt() if chance.random() < 0.8 else chance.randbytes(300))
                await asyncio.sleep(0.02)
                for device in strangers:
                    device.reset()
            await one.until(lambda: one.front.traffic["mqtt"].open == 1)
            await one.until(lambda: len(asyncio.all_tasks()) <= tasks)
            gc.collect()
            left = [made for made in gc.get_objects() if isinstance(made, protocol.MqttProtocol)]
            assert len(left) == 1
            assert one.gateway.sessions.count() == 1

    run(work())


def test_the_end_of_the_service_closes_all_connections(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            device = await one.device(CAM)
            device.publish(EVENTS, b"last", qos=1)
            await device.next(Puback)
            began = time.monotonic()
            await one.front.close()
            assert time.monotonic() - began < 2
            assert await device.is_closed()

    run(work())


def test_who_is_disabled_while_it_is_let_in_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with rig(tmp_path) as one:
            await one.add("cam-1")
            token = await one.token(MODULE)
            identity, by_token = await one.registry.identity(CAM), one.gateway.credentials.by_token

            async def slowly(key: IdentityKey, shown: str) -> Any:
                granted = await by_token(key, shown)
                draft = Draft(key=CAM, authentication=identity.authentication, status="disabled")
                await one.registry.update(draft, "tests")
                return granted

            monkeypatch.setattr(one.gateway.credentials, "by_token", slowly)
            assert await answered(one, MODULE, token) == 5
            assert one.gateway.sessions.count() == 0

    run(work())
