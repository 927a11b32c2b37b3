"""Listeners hear every change, or are cut off and know it."""

import asyncio
from typing import Any

import pytest

from fencepost.service import feed as feeds
from fencepost.service.feed import ROOM, Feed

CHANGE: Any = ("alert", 1)


def test_all_listeners_hear_a_change() -> None:
    async def run() -> None:
        feed = Feed()
        listeners = [feed.listen() for _ in range(3)]
        feed.publish([CHANGE])
        assert [await one.changes.get() for one in listeners if one is not None] == [CHANGE] * 3

    asyncio.run(run())


def test_one_who_does_not_keep_up_is_cut_off_and_delays_nobody() -> None:
    async def run() -> None:
        feed = Feed()
        slow, quick = feed.listen(), feed.listen()
        assert slow is not None
        assert quick is not None
        for _ in range(ROOM + 1):
            feed.publish([CHANGE])
            await quick.changes.get()
        heard = [await slow.changes.get() for _ in range(ROOM + 1)]
        assert heard == [CHANGE] * ROOM + [None]
        assert len(feed) == 1

    asyncio.run(run())


def test_there_are_not_more_listeners_than_can_be_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LISTENERS", 2)
    feed = Feed()
    assert feed.listen() is not None
    last = feed.listen()
    assert last is not None
    assert feed.listen() is None
    feed.leave(last)
    assert feed.listen() is not None
