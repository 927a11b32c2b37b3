"""A command that runs for long ends when it is told to, and at once when it is told twice."""

import asyncio
import os
import signal

import pytest

from fencepost.cli.signals import SIGNALS, stop_on_signals


async def told(*numbers: signal.Signals) -> bool:
    with stop_on_signals() as stop:
        for number in numbers:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.02)
        return stop.is_set()


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_is_heard_and_nothing_is_interrupted(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert asyncio.run(told(number))
    assert signal.getsignal(signal.SIGINT) is before


def test_without_a_signal_nothing_stops() -> None:
    assert not asyncio.run(told())


def test_a_second_interrupt_is_not_waited_for() -> None:
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(told(signal.SIGINT, signal.SIGINT))
