"""Answers that are kept for who asks again: whatever came between, it is not done twice."""

from datetime import datetime

from msgspec import Struct


class KeptAnswer(Struct, frozen=True, kw_only=True):
    """
    What was answered to a request that came with a key.

    `fingerprint` tells the request from others. `status` is None while nothing was answered; `body` is None
    where the answer held a secret, which is not kept.
    """

    fingerprint: bytes
    begun_at: datetime
    status: int | None = None
    headers: dict[str, str] = {}
    body: bytes | None = None
