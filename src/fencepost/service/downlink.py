"""Cloud-to-device messages: kept until the device has them, has refused them, or they have expired."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal, ParamSpec, TypeVar
from uuid import uuid4

from fencepost.model.errors import FencepostError, OperatorError, Problem, StoreUnavailable
from fencepost.model.identity import Channel, CloudMessage, IdentityKey, Operation
from fencepost.model.registry import Taken
from fencepost.service.commands import Missing
from fencepost.service.registry.identities import audit_of
from fencepost.service.registry.ports import MessageStore, Note
from fencepost.service.sessions import Sessions

MOST_PENDING = 50
MOST_BYTES = 64 << 10
"""Messages of one device, and bytes of one with its properties, as with IoT Hub."""
LOCKED_FOR = timedelta(seconds=60)
KEPT_FOR = timedelta(hours=1)
"""How long a message that names no expiry waits for its device."""
MOST_DELIVERIES = 10
PATIENCE = 5.0
"""Seconds that a message waits for its turn to be written."""

P = ParamSpec("P")
T = TypeVar("T")
Settlement = Literal["completed", "rejected", "abandoned"]

_DELIVERED: dict[Channel, Operation] = {
    "mqtt": "MqttC2DMessages",
    "amqp": "AmqpC2DMessages",
    "https": "HttpC2DMessages",
}
_REJECTED: dict[Channel, Operation] = {
    "mqtt": "MqttC2DRejectedMessages",
    "amqp": "AmqpC2DRejectedMessages",
    "https": "HttpC2DRejectedMessages",
}


class Full(FencepostError):  # noqa: N818 - an answer
    """As many messages wait for the device as may."""


class Downlink:
    """
    The queues of all devices. `clock` gives aware UTC; `note` journals operations that the hub rules count.

    Everything raises StoreUnavailable while the control store is away. `dropped` counts the messages that
    expired or were delivered too often since the start.
    """

    def __init__(
        self, store: MessageStore, sessions: Sessions, clock: Callable[[], datetime], note: Note
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock
        self._note = note
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._writing = asyncio.Lock()
        self.dropped = 0

    async def send(
        self,
        device_id: str,
        body: bytes,
        system: dict[str, str],
        properties: dict[str, str],
        expires_at: datetime | None,
    ) -> CloudMessage:
        """
        Keep a message for a device, wake its session, and return the message with its sequence.

        Raises Missing, Full where 50 wait already, and OperatorError for one of more than 64 KiB.
        """
        _refuse_large(body, system, properties)
        now = self._clock()
        message = CloudMessage(
            sequence=0,
            device_id=device_id,
            body=body,
            system=system,
            properties=properties,
            enqueued_at=now,
            expires_at=expires_at or now + KEPT_FOR,
        )
        kept = await self._write(self._store.enqueue_message, message, MOST_PENDING)
        if kept == "full" and await self._drop_dead(device_id):
            kept = await self._write(self._store.enqueue_message, message, MOST_PENDING)
        if kept == "full":
            raise Full(f"{MOST_PENDING} messages wait for {device_id} already")
        if kept == "missing":
            raise _no_device(device_id)
        self._wake(device_id)
        return kept

    async def take(self, device_id: str, channel: Channel | None = None) -> CloudMessage | None:
        """
        Return the oldest free message, locked for 60 seconds, None where there is none.

        A message that nobody settles is free again after that, and the session is woken. After ten deliveries
        or its expiry it is dropped, and counted as rejected on `channel`, or the session's without it.
        """
        if not await asyncio.to_thread(self._store.has_messages, device_id):
            return None
        now = self._clock()
        taken: Taken = await self._write(
            self._store.take_message, device_id, str(uuid4()), now, now + LOCKED_FOR, MOST_DELIVERIES
        )
        await self._count_dropped(device_id, taken.dropped, channel)
        if taken.free_at is not None:
            self._wake_in(device_id, taken.free_at - now)
        return taken.message

    async def settle(self, device_id: str, lock: str, outcome: Settlement, channel: Channel) -> None:
        """
        Say what became of a message that was taken: it is gone, or `abandoned` free for the next taker.

        Raises Missing for a lock that was never given, or not for this device, or that is over.
        """
        keep = outcome == "abandoned"
        now = self._clock()
        if not await self._write(self._store.settle_message, device_id, lock, now, keep=keep):
            raise Missing("no message is locked so")
        if keep:
            self._wake(device_id)
        else:
            await self._note(device_id, (_DELIVERED if outcome == "completed" else _REJECTED)[channel])

    async def pending(self, device_id: str) -> int:
        """Return how many messages wait for a device, those that somebody has taken among them."""
        return await asyncio.to_thread(self._store.waiting_messages, device_id, self._clock())

    async def purge(self, device_id: str, actor: str) -> int:
        """Take all messages of a device away, and return their number; raises Missing."""
        record = audit_of("purge messages", IdentityKey(device_id), actor, self._clock())
        number = await self._write(self._store.purge_messages, device_id, record)
        if number is None:
            raise _no_device(device_id)
        await self._note(device_id, "QueuePurges")
        return number

    async def _write(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """
        Return what some work on the store returns, which is done in a thread, one after the other.

        Only one connection writes: who waits for it takes no thread from those that read, such as devices that
        sign in. Who is cancelled leaves its turn to the work that it began.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._writing.acquire()
        except TimeoutError:
            raise StoreUnavailable("the control store is busy with other messages") from None
        work_under_way = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
        work_under_way.add_done_callback(self._end_turn)
        return await asyncio.shield(work_under_way)

    def _end_turn(self, done: "asyncio.Future[Any]") -> None:
        self._writing.release()
        if not done.cancelled():
            done.exception()  # whoever still waits has it

    def _wake(self, device_id: str) -> None:
        if (session := self._sessions.of(IdentityKey(device_id))) is not None:
            session.wake()

    def _wake_in(self, device_id: str, delay: timedelta) -> None:
        """One alarm a device, and only where somebody is there to hear it."""
        if self._sessions.of(IdentityKey(device_id)) is None or device_id in self._alarms:
            return
        seconds = max(delay.total_seconds(), 0.0)
        self._alarms[device_id] = asyncio.get_running_loop().call_later(seconds, self._ring, device_id)

    def _ring(self, device_id: str) -> None:
        del self._alarms[device_id]
        self._wake(device_id)

    async def _drop_dead(self, device_id: str) -> int:
        number = await self._write(self._store.drop_dead_messages, device_id, self._clock(), MOST_DELIVERIES)
        await self._count_dropped(device_id, number, None)
        return number

    async def _count_dropped(self, device_id: str, number: int, channel: Channel | None) -> None:
        """What expired while its device was away was rejected on no channel: it is only counted."""
        self.dropped += number
        if channel is None and (session := self._sessions.of(IdentityKey(device_id))) is not None:
            channel = session.channel
        if channel is not None:
            for _ in range(number):
                await self._note(device_id, _REJECTED[channel])


def _refuse_large(body: bytes, system: dict[str, str], properties: dict[str, str]) -> None:
    texts = [*system.values(), *properties, *properties.values()]
    if len(body) + sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) > MOST_BYTES:
        raise OperatorError([Problem("", f"a message with its properties has at most {MOST_BYTES} bytes")])


def _no_device(device_id: str) -> Missing:
    return Missing(f"there is no device {device_id}")
