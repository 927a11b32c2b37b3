"""Device-to-cloud messages over AMQP."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.amqp.client import Hub, hub, replace, written
from tests.gateway.rig import run
from tests.said import message, process

from fencepost.gateway.amqp import telemetry
from fencepost.gateway.amqp.telemetry import CREDIT, MOST_MESSAGES, read_telemetry
from fencepost.gateway.uplink import Message
from fencepost.model.entry import Operated, Received
from fencepost.model.errors import DeviceError
from fencepost.model.identity import SECURITY_INTERFACE, IdentityKey
from fencepost.model.rule import AllowlistRule, SecurityGroup
from fencepost.service.pipeline import Busy

GROUP = SecurityGroup(name="default", rules=(AllowlistRule(type="ProcessNotAllowed", allow=("/usr/bin/*",)),))
CAM = IdentityKey("cam-1")
MODULE = IdentityKey("cam-1", "azureiotsecurity")
EVENTS = "/devices/cam-1/messages/events"
MODULE_EVENTS = "/devices/cam-1/modules/azureiotsecurity/messages/events"
SECURE = {"iothub-interface-id": SECURITY_INTERFACE}


def batch(*messages: bytes) -> bytes:
    """Return a message of Microsoft's batch format, as the C SDK builds one."""
    return b"".join(b"\0\x53\x75\xb0" + len(one).to_bytes(4, "big") + one for one in messages)


def full(one: Hub, times: int) -> list[int]:
    """Let the uplink have no room so many times; returns how often it was asked."""
    asked: list[int] = []
    send_all = one.gateway.uplink.send_all

    async def busy(device_id: str, messages: Sequence[Message], channel: Any) -> None:
        asked.append(len(messages))
        if len(asked) <= times:
            raise Busy("full", 0)
        await send_all(device_id, messages, channel)

    replace(one.gateway.uplink, "send_all", busy)
    return asked


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


def test_nothing_is_accepted_while_the_journal_has_not_written_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            gate = asyncio.Event()
            append = one.rig.commits.append

            async def slow(items: Any) -> int:
                await gate.wait()
                return await append(items)

            replace(one.rig.commits, "append", slow)
            await client.until(lambda: link.credit > 0)
            delivery = client.post(link, written(b"{}", annotations=SECURE))
            await asyncio.sleep(0.1)
            assert not delivery.remote_state
            assert one.rig.entries(Received) == []
            gate.set()
            assert await client.outcome(delivery) == "accepted"

    run(work())


def test_the_marker_may_be_an_annotation_or_a_property(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            await client.send(link, written(b"{1}", annotations=SECURE))
            await client.send(link, written(b"{2}", properties=SECURE))
            await client.send(link, written(b"{3}", properties={"iothub-interface-id": 5}))
            await client.send(link, written("{4}"))
            assert [entry.body for entry in one.rig.entries(Received)] == [b"{1}", b"{2}"]
            assert [entry.operation for entry in one.rig.entries(Operated)] == ["AmqpD2CMessages"] * 2

    run(work())


def test_messages_are_journalled_in_their_order(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            bodies = [b"{%d}" % number + b" " * (number % 7 * 9000) for number in range(300)]
            sent = []
            for body in bodies:
                await client.until(lambda: link.credit > 0)
                sent.append(client.post(link, written(body, annotations=SECURE)))
            assert [await client.outcome(delivery) for delivery in sent] == ["accepted"] * 300
            assert [entry.body for entry in one.rig.entries(Received)] == bodies

    run(work())


def test_a_message_that_is_settled_already_is_taken_all_the_same(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            await client.until(lambda: link.credit > 0)
            for _ in range(CREDIT):
                client.post(link, written(b"{}", annotations=SECURE), is_settled=True)
            await one.rig.until(lambda: len(one.rig.entries(Received)) == CREDIT)
            await client.until(lambda: link.credit > 0)

    run(work())


def test_a_batch_is_taken_message_by_message(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(MODULE)
            link = await client.sender(MODULE_EVENTS)
            inner = [written(b"{%d}" % number, annotations=SECURE) for number in range(20)]
            assert await client.send(link, batch(*inner, written(b"21 C"))) == "accepted"
            assert [entry.body for entry in one.rig.entries(Received)] == [b"{%d}" % n for n in range(20)]
            assert len(one.rig.entries(Operated)) == 1

    run(work())


def test_a_message_of_the_largest_size_goes_in_several_frames_and_one_more_byte_does_not(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            most = one.gateway.max_message_bytes
            assert link.remote_max_message_size > most
            body = bytes(most)
            assert await client.send(link, written(body, annotations=SECURE)) == "accepted"
            assert await client.send(link, written(body + b"x")) == "amqp:link:message-size-exceeded"
            assert await client.send(link, written(b"small")) == "accepted"
            assert [len(entry.body) for entry in one.rig.entries(Received)] == [most]

    run(work())


def test_a_message_without_end_ends_its_link(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            await client.until(lambda: link.credit > 0)
            link.delivery(b"endless")
            link.stream(bytes(1 << 20))
            client.flush()
            assert await client.ended(link) == "amqp:link:message-size-exceeded"
            again = await client.sender(EVENTS)
            assert await client.send(again, written(b"small")) == "accepted"

    run(work())


def test_a_message_that_is_given_up_half_way_costs_no_credit(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            for number in range(CREDIT + 5):
                await client.until(lambda: link.credit > 0)
                delivery = link.delivery(b"%d" % number)
                link.stream(bytes(100_000))
                client.flush()
                delivery.abort()
                client.flush()
            assert await client.send(link, written(b"small")) == "accepted"

    run(work())


def test_what_cannot_be_read_is_rejected_and_the_link_goes_on(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            assert await client.send(link, b"junk") == "amqp:decode-error"
            assert await client.send(link, written({"a": 1})) == "amqp:decode-error"
            assert await client.send(link, written(b"small")) == "accepted"

    run(work())


def test_a_device_waits_while_there_is_no_room(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            asked = full(one, 3)
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            assert await client.send(link, written(b"{}", annotations=SECURE)) == "accepted"
            assert len(asked) == 4
            assert len(one.rig.entries(Received)) == 1

    run(work())


def test_a_message_is_turned_down_when_there_is_no_room_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not released: the SDK for JavaScript takes that for success."""

    async def work() -> None:
        monkeypatch.setattr(telemetry, "PATIENCE", 0.0)
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            full(one, 10**9)
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            assert await client.send(link, written(b"{}")) == "com.microsoft:device-container-throttled"
            assert one.gateway.uplink.telemetry["amqp"] == 0

    run(work())


def test_no_more_is_read_than_there_is_room_for(tmp_path: Path) -> None:
    """Credit is given back only for what is journalled."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            full(one, 10**9)
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            await client.until(lambda: link.credit > 0)
            for _ in range(CREDIT):
                client.post(link, written(bytes(1000)))
            await asyncio.sleep(0.2)
            client.flush()
            assert link.credit == 0

    run(work())


def test_more_than_there_is_credit_for_ends_the_connection(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            full(one, 10**9)
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS, session=client.new_session())
            await client.until(lambda: link.credit > 0)
            client.overrun(1, written(b"{}"), CREDIT + 1)
            assert await client.closed() == "amqp:link:transfer-limit-exceeded"

    run(work())


@pytest.mark.parametrize(
    ("encoded", "said"),
    [
        (written(b"{}"), [Message(b"{}")]),
        (written(b"\0\x53 is how this begins"), [Message(b"\0\x53 is how this begins")]),
        (batch(written(b"a"), b"\0\x53\x75junk"), [Message(written(b"a") + b"\0\x53\x75junk")]),
        (batch(written(b"a")), [Message(b"a")]),
        (
            batch(written(b"a", annotations=SECURE), written(b"b")),
            [Message(b"a", SECURITY_INTERFACE), Message(b"b")],
        ),
    ],
)
def test_only_whole_messages_within_a_message_are_a_batch(encoded: bytes, said: list[Message]) -> None:
    assert read_telemetry(encoded) == said


def test_a_batch_has_so_many_messages_at_most() -> None:
    with pytest.raises(DeviceError, match="too many"):
        read_telemetry(batch(*[written(b"")] * (MOST_MESSAGES + 1)))


def test_a_settled_message_before_the_end_of_the_connection_is_taken(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            await client.has_credit(link)
            client.post(link, written(b"{last}", annotations=SECURE), is_settled=True)
            client.connection.close()
            client.flush()
            await one.rig.until(lambda: one.rig.entries(Received))
            assert not one.traffic.open

    run(work())


def test_a_large_batch_is_read_without_others_waiting(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            await one.rig.add("cam-1")
            client = await one.signed_in(CAM)
            link = await client.sender(EVENTS)
            assert await client.send(link, batch(*[written(b"{}")] * 9000)) == "accepted"
            assert one.gateway.uplink.telemetry["amqp"] == 9000

    run(work())
