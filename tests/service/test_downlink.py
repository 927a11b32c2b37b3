"""Messages to devices: each comes to its end, and the hub rules hear of it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from tests.service.registry.world import Connected
from tests.store.conftest import postgresql, postgresql_url, url
from tests.store.control.test_registry import identity, put

from fencepost.model.errors import OperatorError, StoreUnavailable
from fencepost.model.identity import Channel, CloudMessage, IdentityKey, Operation
from fencepost.service import downlink as module
from fencepost.service.commands import Missing
from fencepost.service.downlink import MOST_PENDING, Downlink, Full, Settlement
from fencepost.service.sessions import Sessions
from fencepost.store.control import ControlStore

__all__ = ["postgresql", "postgresql_url", "url"]

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class World:
    def __init__(self, store: ControlStore) -> None:
        self.store = store
        self.now = NOON
        self.notes: list[tuple[str, Operation]] = []
        self.sessions = Sessions(lambda: self.now)
        self.downlink = Downlink(store, self.sessions, lambda: self.now, self.note)

    async def note(self, device_id: str, operation: Operation) -> None:
        self.notes.append((device_id, operation))

    def connect(self, channel: Channel = "mqtt") -> Connected:
        session = Connected(channel)
        self.sessions.enter(IdentityKey("cam-1"), session)
        return session

    async def send(self, body: bytes = b"x", expires_in: timedelta | None = None) -> CloudMessage:
        expires_at = None if expires_in is None else self.now + expires_in
        return await self.downlink.send("cam-1", body, {"message-id": "m"}, {"p": "v"}, expires_at)

    async def take(self, channel: Channel | None = None) -> CloudMessage:
        message = await self.downlink.take("cam-1", channel)
        assert message is not None
        return message

    async def settle(self, message: CloudMessage, outcome: Settlement, channel: Channel = "mqtt") -> None:
        await self.downlink.settle("cam-1", message.lock or "", outcome, channel)


def run(url: str, story: Callable[[World], Awaitable[None]]) -> None:
    async def told(store: ControlStore) -> None:
        async with asyncio.timeout(30):
            await story(World(store))

    with ControlStore.open(url) as store:
        put(store, identity("cam-1"), identity("cam-2"))
        asyncio.run(told(store))


def test_a_message_waits_for_its_device_and_wakes_it(url: str) -> None:
    async def story(made: World) -> None:
        first = await made.send(b"one")
        session = made.connect()
        second = await made.send(b"two")
        assert session.woken == 1
        assert second.sequence > first.sequence
        assert first.expires_at == NOON + timedelta(hours=1)
        assert await made.downlink.pending("cam-1") == 2
        taken = await made.take()
        assert (taken.body, taken.system, taken.properties) == (b"one", {"message-id": "m"}, {"p": "v"})
        assert (taken.delivery_count, taken.locked_until) == (1, NOON + 60 * SECOND)
        assert (await made.take()).body == b"two"
        assert await made.downlink.take("cam-1") is None
        assert await made.downlink.take("cam-2") is None

    run(url, story)


@pytest.mark.parametrize(
    ("channel", "completed", "rejected"),
    [
        ("mqtt", "MqttC2DMessages", "MqttC2DRejectedMessages"),
        ("amqp", "AmqpC2DMessages", "AmqpC2DRejectedMessages"),
        ("https", "HttpC2DMessages", "HttpC2DRejectedMessages"),
    ],
)
def test_what_became_of_a_message_is_an_operation_of_its_channel(
    tmp_path: Path, channel: Channel, completed: Operation, rejected: Operation
) -> None:
    async def story(made: World) -> None:
        for _ in range(3):
            await made.send()
        await made.settle(await made.take(), "completed", channel)
        await made.settle(await made.take(), "rejected", channel)
        session = made.connect()
        await made.settle(await made.take(), "abandoned", channel)
        assert session.woken == 1
        assert made.notes == [("cam-1", completed), ("cam-1", rejected)]
        assert await made.downlink.pending("cam-1") == 1

    run(f"sqlite:///{tmp_path / 'control.db'}", story)


def test_a_lock_is_of_one_device_and_of_one_minute(url: str) -> None:
    async def story(made: World) -> None:
        await made.send()
        taken = await made.take()
        assert taken.lock is not None
        for device_id, lock in (("cam-2", taken.lock), ("cam-1", "no-such"), ("cam-1", "")):
            with pytest.raises(Missing):
                await made.downlink.settle(device_id, lock, "completed", "mqtt")
        made.now += 60 * SECOND
        with pytest.raises(Missing):
            await made.settle(taken, "completed")
        again = await made.take()
        assert again.delivery_count == 2
        await made.settle(again, "completed")
        with pytest.raises(Missing):
            await made.settle(again, "completed")
        assert made.notes == [("cam-1", "MqttC2DMessages")]

    run(url, story)


def test_a_session_is_woken_when_a_lock_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else would tell it that a message is free again."""
    monkeypatch.setattr(module, "LOCKED_FOR", timedelta(milliseconds=20))

    async def story(made: World) -> None:
        session = made.connect()
        await made.send()
        await made.take()
        for _ in range(5):
            assert await made.downlink.take("cam-1") is None
        assert session.woken == 1
        async with asyncio.timeout(10):
            while session.woken < 2:
                await asyncio.sleep(0.005)
        assert made.downlink._alarms == {}
        made.now += SECOND
        assert (await made.take()).delivery_count == 2

    run(f"sqlite:///{tmp_path / 'control.db'}", story)


def test_after_ten_deliveries_or_its_expiry_a_message_is_dropped_and_counted(url: str) -> None:
    async def story(made: World) -> None:
        await made.send(b"often")
        for count in range(1, 11):
            taken = await made.take()
            assert taken.delivery_count == count
            await made.settle(taken, "abandoned")
        await made.send(b"short", 5 * SECOND)
        await made.send(b"last")
        made.now += 5 * SECOND
        assert (await made.take("amqp")).body == b"last"
        assert made.downlink.dropped == 2
        assert made.notes == [("cam-1", "AmqpC2DRejectedMessages")] * 2

    run(url, story)


@pytest.mark.parametrize("is_connected", [True, False])
def test_what_expires_is_rejected_on_the_channel_of_the_session_if_there_is_one(
    tmp_path: Path, *, is_connected: bool
) -> None:
    async def story(made: World) -> None:
        if is_connected:
            made.connect("https")
        await made.send(b"short", SECOND)
        made.now += SECOND
        assert await made.downlink.pending("cam-1") == 0
        assert await made.downlink.take("cam-1") is None
        assert made.downlink.dropped == 1
        assert made.notes == [("cam-1", "HttpC2DRejectedMessages")] * is_connected

    run(f"sqlite:///{tmp_path / 'control.db'}", story)


def test_fifty_messages_wait_for_a_device_and_what_expired_makes_room(url: str) -> None:
    async def story(made: World) -> None:
        for number in range(MOST_PENDING):
            await made.send(expires_in=SECOND if number < 2 else None)
        for _ in range(2):
            with pytest.raises(Full, match="50 messages wait for cam-1 already"):
                await made.send()
        made.now += SECOND
        for _ in range(2):
            await made.send()
        with pytest.raises(Full):
            await made.send()
        assert await made.downlink.pending("cam-1") == MOST_PENDING
        await made.downlink.send("cam-2", b"", {}, {}, None)

    run(url, story)


def test_many_who_send_at_once_find_as_much_room_as_there_is(url: str) -> None:
    async def story(made: World) -> None:
        results = await asyncio.gather(*(made.send() for _ in range(80)), return_exceptions=True)
        kept = [result.sequence for result in results if isinstance(result, CloudMessage)]
        assert len(set(kept)) == MOST_PENDING
        assert sum(isinstance(result, Full) for result in results) == 30
        takers = await asyncio.gather(*(made.downlink.take("cam-1") for _ in range(60)))
        taken = [message.sequence for message in takers if message is not None]
        assert sorted(taken) == sorted(kept)

    run(url, story)


def test_a_message_has_64_kib_with_its_properties(tmp_path: Path) -> None:
    async def story(made: World) -> None:
        await made.downlink.send("cam-1", b"x" * (65536 - 6), {"mid": "ab"}, {"n": "ä", "o": ""}, None)
        for body, system, properties in (
            (b"x" * 65537, {}, {}),
            (b"x" * 65536, {"mid": "a"}, {}),
            (b"x" * 65535, {}, {"n": "a"}),
        ):
            with pytest.raises(OperatorError, match="at most 65536 bytes"):
                await made.downlink.send("cam-1", body, system, properties, None)

    run(f"sqlite:///{tmp_path / 'control.db'}", story)


def test_a_stranger_has_no_queue(url: str) -> None:
    async def story(made: World) -> None:
        with pytest.raises(Missing, match="there is no device stranger"):
            await made.downlink.send("stranger", b"", {}, {}, None)
        with pytest.raises(Missing):
            await made.downlink.purge("stranger", "ann")
        assert await made.downlink.pending("stranger") == 0
        assert await made.downlink.take("stranger") is None

    run(url, story)


def test_a_purge_is_an_operation_and_in_the_audit(url: str) -> None:
    async def story(made: World) -> None:
        await made.send()
        await made.send()
        assert await made.downlink.purge("cam-1", "ann") == 2
        assert await made.downlink.pending("cam-1") == 0
        assert made.notes == [("cam-1", "QueuePurges")]
        (row,) = made.store.audit().items
        assert (row.actor, row.action, row.subject) == ("ann", "purge messages", "device/cam-1")

    run(url, story)


def test_messages_wait_also_while_we_are_not_there(url: str) -> None:
    async def before(made: World) -> None:
        await made.send(b"one")
        await made.take()

    async def after(made: World) -> None:
        assert await made.downlink.take("cam-1") is None
        made.now += 60 * SECOND
        assert (await made.take()).body == b"one"

    run(url, before)
    run(url, after)


def test_messages_that_wait_for_the_store_take_no_threads_from_others(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, most, free = 0, 0, Event()
    enqueue = ControlStore.enqueue_message

    def slow(store: ControlStore, message: CloudMessage, room: int) -> object:
        nonlocal writing, most
        writing += 1
        most = max(most, writing)
        assert free.wait(20)
        writing -= 1
        return enqueue(store, message, room)

    async def story(made: World) -> None:
        monkeypatch.setattr(ControlStore, "enqueue_message", slow)
        sending = [asyncio.create_task(made.send()) for _ in range(40)]
        assert await made.downlink.pending("cam-1") == 0
        sending[0].cancel()
        assert await made.downlink.pending("cam-1") == 0
        free.set()
        await asyncio.gather(*sending[1:])
        assert most == 1
        assert await made.downlink.pending("cam-1") == 40

    run(url, story)


def test_a_message_does_not_wait_for_its_turn_without_end(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    free = Event()

    def stuck(*_: object) -> str:
        assert free.wait(20)
        return "missing"

    async def story(made: World) -> None:
        monkeypatch.setattr(module, "PATIENCE", 0.05)
        monkeypatch.setattr(ControlStore, "enqueue_message", stuck)
        first = asyncio.create_task(made.send())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable):
            await made.send()
        free.set()
        with pytest.raises(Missing):
            await first

    run(url, story)
