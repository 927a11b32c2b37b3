"""
How often somebody may try: the more failures, the longer the wait, by name and by address.

Whoever has come in from an address is counted apart there, so that strangers elsewhere do not keep them out. The
memory is bounded: of what was tried longest ago nothing is known any more.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from math import ceil

from msgspec import Struct

from fencepost.model.errors import FencepostError

FREE_OF_NAME, FREE_OF_ADDRESS = 5, 30
"""Failures before one has to wait; many people may come from one address."""
FIRST, LONGEST = timedelta(seconds=2), timedelta(minutes=15)
"""The first wait, which doubles with every failure, and the longest; in the latter's time a failure is forgotten."""
ROOM = 20_000
_NETWORK_BYTES = 8


class TooMany(FencepostError):  # noqa: N818 - an answer
    """Too many attempts; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many attempts have failed: wait {retry_after} s")
        self.retry_after = retry_after


class _Record(Struct):
    failures: float  # of which some is forgotten already
    last_at: datetime


class Attempt:
    """One attempt, which counts as a failure until it is `forgiven`: many at once are no way round."""

    def __init__(
        self, throttle: "Throttle", address: bytes, name: bytes | None, at_home: bytes | None
    ) -> None:
        self._throttle = throttle
        self._address = address
        self._name = name
        self._at_home = at_home

    def forgiven(self) -> None:
        """Take back what was counted: the name starts anew, the address loses this one."""
        self._throttle.forgive(self._address, self._name, self._at_home)


class Throttle:
    """Counts attempts; `clock` gives aware UTC."""

    def __init__(self, clock: Callable[[], datetime], room: int = ROOM) -> None:
        self._clock = clock
        self._room = room
        self._records: OrderedDict[bytes, _Record] = OrderedDict()
        self._homes: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def attempt(self, address: str, name: str | None = None) -> Attempt:
        """
        Count an attempt from an address, and under a name; raises TooMany where it comes too early.

        Without a name, which is for what nobody can guess, no stranger keeps others out.
        """
        now = self._clock()
        network = _network(address)
        of_address = _key("address", network)
        of_name = _key("name", name.casefold()) if name is not None else None
        at_home = _key("home", f"{network} {name.casefold()}") if name is not None else None
        if at_home in self._homes:
            of_name = at_home
        free = {of_address: FREE_OF_ADDRESS, **({of_name: FREE_OF_NAME} if of_name is not None else {})}
        if (longest := max(self._wait(key, number, now) for key, number in free.items())) > timedelta():
            raise TooMany(ceil(longest.total_seconds()))
        for key in free:
            self._count(key, now)
        return Attempt(self, of_address, of_name, at_home)

    def forgive(self, address: bytes, name: bytes | None, at_home: bytes | None) -> None:
        """See `Attempt.forgiven`."""
        if name is not None:
            self._records.pop(name, None)
        if at_home is not None:
            self._homes[at_home] = None
            self._homes.move_to_end(at_home)
            while len(self._homes) > self._room:
                self._homes.popitem(last=False)
        record = self._records.get(address)
        if record is not None:
            record.failures = max(record.failures - 1, 0)

    def _wait(self, key: bytes, free: int, now: datetime) -> timedelta:
        record = self._records.get(key)
        if record is None or record.failures <= free - 1:
            return timedelta()
        wait: timedelta = min(FIRST * 2 ** min(record.failures - free, 32), LONGEST)
        return record.last_at + wait - now

    def _count(self, key: bytes, now: datetime) -> None:
        known = self._records.pop(key, None)
        still = max(known.failures - (now - known.last_at) / LONGEST, 0) if known is not None else 0
        self._records[key] = _Record(still + 1, now)
        while len(self._records) > self._room:
            self._records.popitem(last=False)


def _key(kind: str, text: str) -> bytes:
    return blake2b(f"{kind}:{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _network(address: str) -> str:
    """Return what of an address stands for who uses it: all of IPv4, the first half of IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or parsed.packed[:_NETWORK_BYTES].hex())
