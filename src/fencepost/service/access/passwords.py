"""Passwords, checked at the same pace whether there is one or not, and few at a time: each takes much memory."""

import asyncio
from collections.abc import Callable
from secrets import token_urlsafe
from typing import TypeVar

from fencepost.service.access.ports import PasswordHashes
from fencepost.service.pipeline import Busy

AT_ONCE = 2
WAITING = 32

T = TypeVar("T")


class Passwords:
    """Hashes passwords, in threads; raises Busy where too many wait already."""

    def __init__(self, hashes: PasswordHashes) -> None:
        self._hashes = hashes
        self._nobodys: str | None = None
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hashed(self, password: str) -> str:
        """Return a hash to be kept."""
        return await self._in_turn(lambda: self._hashes.made(password))

    async def matches(self, known: str | None, password: str) -> bool:
        """Whether a password is the one of a hash; without a hash it is not, and that takes as long."""
        found = await self._in_turn(lambda: self._hashes.matches(known or self._hash_of_nobody(), password))
        return found and known is not None

    def is_outdated(self, known: str) -> bool:
        """Whether a hash was made in a way that is no longer ours."""
        return self._hashes.is_outdated(known)

    def _hash_of_nobody(self) -> str:
        if self._nobodys is None:
            self._nobodys = self._hashes.made(token_urlsafe())
        return self._nobodys

    async def prepare(self) -> None:
        """Make the hash that those without one are checked against, so that the first of them waits no longer."""
        await asyncio.to_thread(self._hash_of_nobody)

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING:
            raise Busy("too many passwords are being checked", retry_after=2)
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
