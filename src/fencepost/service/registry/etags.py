"""What tells versions and namesakes apart."""

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import blake2b
from secrets import token_bytes

_BYTES = 9
_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


def new_etag() -> str:
    """Return an etag that no version had before: 12 letters of base64."""
    return b64encode(token_bytes(_BYTES)).decode()


def twin_etag(generation_id: str, version: int) -> str:
    """Return the etag of one version of the twin of one generation of an identity."""
    return b64encode(blake2b(f"{generation_id}:{version}".encode(), digest_size=_BYTES).digest()).decode()


class Generations:
    """Hands out generation ids: as IoT Hub's they are a count of 100 ns since the year 1; none comes twice."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, now: datetime) -> str:
        """Return an id; ids grow, also where the clock stands still."""
        since = now - _YEAR_ONE
        ticks = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 10
        self._last = max(self._last + 1, ticks)
        return str(self._last)
