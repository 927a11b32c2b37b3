"""Listeners hear every change, or are cut off and know it."""

import asyncio
import gc
from typing import Any, cast

import pytest

from fencepost.service import feed as feeds
from fencepost.service.feed import OF_ONE, ROOM, Feed, Listener

CHANGE: Any = ("alert", 1)


def test_all_listeners_hear_a_change() -> None:
    async def run() -> None:
        feed = Feed()
        listeners = [feed.listen("anna") for _ in range(3)]
        feed.publish([CHANGE])
        assert [await one.changes.get() for one in listeners if one is not None] == [CHANGE] * 3

    asyncio.run(run())


def test_one_who_does_not_keep_up_is_cut_off_and_delays_nobody() -> None:
    async def run() -> None:
        feed = Feed()
        slow, quick = feed.listen("anna"), feed.listen("ben")
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
    first, last = feed.listen("anna"), feed.listen("ben")
    assert first is not None
    assert last is not None
    assert feed.listen("carla") is None
    feed.leave(last)
    assert feed.listen("carla") is not None


def test_nobody_takes_the_places_of_all_others() -> None:
    feed = Feed()
    held = [feed.listen("anna") for _ in range(OF_ONE)]
    assert None not in held
    assert feed.listen("anna") is None
    assert feed.listen("ben") is not None
    feed.leave(cast("Listener", held[0]))
    assert feed.listen("anna") is not None


def test_a_listener_that_nobody_holds_any_longer_takes_no_place() -> None:
    feed = Feed()
    listener = feed.listen("anna")
    assert len(feed) == 1
    del listener
    gc.collect()
    assert len(feed) == 0
