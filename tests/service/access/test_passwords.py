"""Passwords are checked few at a time."""

import asyncio
from threading import Event, Lock

import pytest

from fencepost.service.access.passwords import AT_ONCE, WAITING, Passwords
from fencepost.service.pipeline import Busy


class Slow:
    """Hashes that take until they may go on."""

    def __init__(self) -> None:
        self.may_go_on = Event()
        self.running = self.most = 0
        self._lock = Lock()

    def made(self, password: str) -> str:
        return password

    def matches(self, known: str, password: str) -> bool:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.may_go_on.wait(30)
        with self._lock:
            self.running -= 1
        return known == password

    def is_outdated(self, known: str) -> bool:
        return False


def test_two_are_checked_at_once_some_wait_and_more_are_sent_away() -> None:
    slow = Slow()

    async def go() -> list[bool]:
        passwords = Passwords(slow)
        tasks = [asyncio.create_task(passwords.matches("right", "right")) for _ in range(WAITING)]
        while slow.running < AT_ONCE:
            await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await passwords.matches("right", "right")
        slow.may_go_on.set()
        done = await asyncio.gather(*tasks)
        assert await passwords.matches("right", "right"), "there is room again"
        return done

    assert all(asyncio.run(go()))
    assert slow.most == AT_ONCE


def test_where_there_is_no_hash_no_password_is_right() -> None:
    slow = Slow()
    slow.may_go_on.set()

    async def go() -> None:
        passwords = Passwords(slow)
        assert not await passwords.matches(None, "anything")
        assert await passwords.matches("right", "right")
        assert not await passwords.matches("right", "wrong")

    asyncio.run(go())
