"""One after the other, each to its end."""

import asyncio

import pytest

from fencepost.service.registry.turns import Turns


def test_nobody_begins_before_another_has_ended_also_if_its_caller_is_gone() -> None:
    async def run() -> None:
        turns, told = Turns(), list[str]()

        async def work(name: str) -> str:
            told.append(f"{name} begins")
            await asyncio.sleep(0.01)
            told.append(f"{name} ends")
            return name

        first, second = (asyncio.create_task(turns.take(work, name)) for name in "ab")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        assert await turns.take(work, "c") == "c"
        assert told == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]
        assert first.cancelled()
        assert second.cancelled()

    asyncio.run(run())


def test_an_error_is_raised_to_its_caller_and_hinders_no_other() -> None:
    async def run() -> None:
        turns = Turns()

        async def work(number: int) -> int:
            return 1 // number

        with pytest.raises(ZeroDivisionError):
            await turns.take(work, 0)
        assert await turns.take(work, 1) == 1

    asyncio.run(run())
