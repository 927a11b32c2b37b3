"""Work side by side: its results in order, and the first error as it was raised."""

import asyncio

import pytest

from fencepost.client.tasks import gathered


async def later(seconds: float, value: int) -> int:
    await asyncio.sleep(seconds)
    if value < 0:
        raise ValueError(value)
    return value


def test_results_come_in_the_order_of_the_work() -> None:
    assert asyncio.run(gathered([later(0.01, 1), later(0, 2)])) == [1, 2]
    assert asyncio.run(gathered([])) == []


def test_the_first_error_ends_the_rest_and_is_raised_as_it_is() -> None:
    async def go() -> None:
        with pytest.raises(ValueError, match="-1"):
            await gathered([later(30, 1), later(0, -1)])

    asyncio.run(asyncio.wait_for(go(), 5))
