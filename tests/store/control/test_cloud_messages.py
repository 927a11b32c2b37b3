"""The queue of a device: in order, each message with one taker at a time, and none for ever."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.store.control.test_registry import identity, put

from fencepost.model.identity import CloudMessage
from fencepost.model.record import AuditRecord
from fencepost.model.registry import Taken
from fencepost.store.control import ControlStore

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MOST = 3


@pytest.fixture
def queue(store: ControlStore) -> ControlStore:
    """Give a store with two devices."""
    put(store, identity("cam-1"), identity("cam-2"))
    return store


def message(text: str, device_id: str = "cam-1", **members: Any) -> CloudMessage:
    return CloudMessage(
        **{
            "sequence": 0,
            "device_id": device_id,
            "body": text.encode(),
            "system": {"message-id": "m\0\ud800"},
            "properties": {"p": ""},
            "enqueued_at": NOON,
            "expires_at": NOON + 60 * MINUTE,
            **members,
        }
    )


def send(queue: ControlStore, *texts: str, device_id: str = "cam-1", **members: Any) -> list[int]:
    kept = [queue.enqueue_message(message(text, device_id, **members), 50) for text in texts]
    return [one.sequence for one in kept if isinstance(one, CloudMessage)]


def take(queue: ControlStore, lock: str, now: datetime = NOON, device_id: str = "cam-1") -> Taken:
    return queue.take_message(device_id, lock, now, now + MINUTE, MOST)


def body(taken: Taken) -> bytes | None:
    return taken.message.body if taken.message is not None else None


def test_messages_come_back_as_they_were_sent_oldest_first(queue: ControlStore) -> None:
    first, second = send(queue, "one", "two")
    send(queue, "other", device_id="cam-2")
    assert second > first
    taken = take(queue, "a")
    assert taken.message == message(
        "one", sequence=first, delivery_count=1, lock="a", locked_until=NOON + MINUTE
    )
    assert body(take(queue, "b")) == b"two"
    assert take(queue, "c") == Taken(None, 0, NOON + MINUTE)
    assert body(take(queue, "d", device_id="cam-2")) == b"other"
    assert take(queue, "e", device_id="cam-3") == Taken()


def test_numbers_are_never_given_again(queue: ControlStore) -> None:
    (first,) = send(queue, "one")
    take(queue, "a")
    queue.settle_message("cam-1", "a", NOON, keep=False)
    assert send(queue, "two")[0] > first


def test_there_is_room_for_so_many_messages_of_a_registered_device(queue: ControlStore) -> None:
    assert queue.enqueue_message(message("x", "stranger"), 50) == "missing"
    assert queue.enqueue_message(message("x", "nul \0"), 50) == "missing"
    for _ in range(2):
        assert isinstance(queue.enqueue_message(message("x"), 2), CloudMessage)
    assert queue.enqueue_message(message("x"), 2) == "full"
    assert isinstance(queue.enqueue_message(message("x", "cam-2"), 2), CloudMessage)


def test_a_lock_that_is_over_lets_the_next_one_take(queue: ControlStore) -> None:
    send(queue, "one")
    take(queue, "a")
    assert take(queue, "b", NOON + MINUTE - timedelta(microseconds=1)).message is None
    again = take(queue, "c", NOON + MINUTE)
    assert again.message is not None
    assert (again.message.lock, again.message.delivery_count) == ("c", 2)
    assert not queue.settle_message("cam-1", "a", NOON + MINUTE, keep=False)
    assert queue.settle_message("cam-1", "c", NOON + MINUTE, keep=False)
    assert not queue.has_messages("cam-1")


def test_only_who_has_the_lock_settles(queue: ControlStore) -> None:
    send(queue, "one")
    take(queue, "a")
    assert not queue.settle_message("cam-1", "", NOON, keep=False)
    assert not queue.settle_message("cam-1", "b", NOON, keep=False)
    assert not queue.settle_message("cam-2", "a", NOON, keep=False)
    assert not queue.settle_message("cam-1", "a", NOON + MINUTE, keep=True)
    assert queue.settle_message("cam-1", "a", NOON, keep=True)
    assert not queue.settle_message("cam-1", "a", NOON, keep=True)
    assert body(take(queue, "b")) == b"one"


def test_what_expired_or_came_too_often_is_dropped_and_told(queue: ControlStore) -> None:
    send(queue, "short", expires_at=NOON + MINUTE)
    send(queue, "often", "last")
    for number in range(MOST):
        assert body(take(queue, "short", NOON)) == b"short"
        assert body(take(queue, f"{number}", NOON)) == b"often"
        for lock in ("short", f"{number}"):
            assert queue.settle_message("cam-1", lock, NOON, keep=True)
    later = NOON + MINUTE
    assert queue.waiting_messages("cam-1", NOON) == 3
    assert queue.waiting_messages("cam-1", later) == 2
    taken = take(queue, "a", later)
    assert (body(taken), taken.dropped) == (b"last", 2)
    assert take(queue, "b", later).dropped == 0


def test_what_somebody_has_taken_does_not_expire_in_its_hands(queue: ControlStore) -> None:
    send(queue, "one", expires_at=NOON + timedelta(seconds=30))
    take(queue, "a")
    assert queue.drop_dead_messages("cam-1", NOON + timedelta(seconds=45), MOST) == 0
    assert queue.settle_message("cam-1", "a", NOON + timedelta(seconds=45), keep=True)
    assert queue.drop_dead_messages("cam-1", NOON + timedelta(seconds=45), MOST) == 1


def test_a_purge_takes_all_of_one_device_away_and_is_audited(queue: ControlStore) -> None:
    send(queue, "one", "two")
    send(queue, "other", device_id="cam-2")
    take(queue, "a")
    record = AuditRecord(
        position=0,
        at=NOON,
        actor="ann",
        action="purge messages",
        subject="device/cam-1",
        before=None,
        after=None,
        effect="",
    )
    assert queue.purge_messages("stranger", record) is None
    assert queue.purge_messages("cam-1", record) == 2
    assert queue.purge_messages("cam-1", record) == 0
    assert [one.effect for one in queue.audit().items] == [
        "0 messages were taken away",
        "2 messages were taken away",
    ]
    assert (queue.has_messages("cam-1"), queue.has_messages("cam-2")) == (False, True)
