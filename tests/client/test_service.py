"""A running service is put groups, sent messages, and asked for alerts, over real HTTPS."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

import pytest
from tests.client.loopback import Loopback, problem

from fencepost.client.service import Receipt, Service
from fencepost.model.alert import Alert
from fencepost.model.errors import OperatorError
from fencepost.simulation.legacy import LegacyAgent
from fencepost.simulation.threadx import Flow, ThreadXModule

GROUP = {"members": {"globs": ["*"]}, "rules": [{"type": "ProcessNotAllowed", "allow": ["sh"]}]}
T = TypeVar("T")
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def within(loopback: Loopback, talk: Callable[[Service], Awaitable[T]]) -> T:
    async def go() -> T:
        async with Service(loopback.access) as service:
            return await talk(service)

    return asyncio.run(go())


def starting(*programs: str) -> bytes:
    agent, now = LegacyAgent("c", "cam-1", Random(1)), datetime.now(UTC)  # noqa: S311
    return agent.message([agent.process(now, f"/bin/{program}", program) for program in programs])


async def alerts_of(service: Service, since: datetime) -> list[Alert]:
    async with aclosing(service.alerts(since)) as alerts:
        return [alert async for alert in alerts]


def test_messages_of_both_formats_are_taken_and_counted(loopback: Loopback) -> None:
    flow = Flow("10.0.0.5", 50_123, "10.0.0.9", 8883, 1, 2)
    threadx = ThreadXModule(Random(1)).message(datetime.now(UTC), [flow], minute=False)  # noqa: S311

    async def talk(service: Service) -> list[Receipt]:
        return [await service.send("cam/1 ü", starting("sh", "nc")), await service.send("plc-1", threadx)]

    assert within(loopback, talk) == [Receipt(messages=1, events=2), Receipt(messages=1, events=1)]
    assert sorted(loopback.replay.detector.device_ids()) == ["cam/1 ü", "plc-1"]


def test_what_is_rejected_is_told(loopback: Loopback) -> None:
    receipt = within(loopback, lambda service: service.send("cam-1", b'{"Events": 7}'))
    assert (receipt.rejects_total, receipt.quarantined, receipt.rejects[0].reason) == (
        1,
        1,
        "it cannot be decoded",
    )


def test_alerts_are_read_over_all_pages_with_all_that_is_known_of_them(loopback: Loopback) -> None:
    async def talk(service: Service) -> list[Alert]:
        await service.put_group("everything", GROUP)
        await service.send("cam-1", starting("sh", *(f"nc{number}" for number in range(20))))
        return await alerts_of(service, EARLIEST)

    alerts = within(loopback, talk)
    assert {alert.value for alert in alerts} == {f"/bin/nc{number}" for number in range(20)}
    assert alerts == [view_back(alert) for alert in loopback.replay.alerts()]
    assert loopback.bodies == {"everything": GROUP}


def view_back(alert: Alert) -> Alert:
    """Return what an alert is once what is not public of it is left out."""
    from msgspec import structs  # noqa: PLC0415

    return structs.replace(
        alert, subjects=(), firm=None, shortfalls=(), ended_by=None, merged_into=None, ordinal=1
    )


def test_alerts_of_long_ago_are_left_out(loopback: Loopback) -> None:
    async def talk(service: Service) -> list[Alert]:
        await service.put_group("everything", GROUP)
        await service.send("cam-1", starting("nc"))
        return await alerts_of(service, datetime.now(UTC) + timedelta(minutes=1))

    assert within(loopback, talk) == []


def test_alerts_are_told_as_they_open_and_change(loopback: Loopback) -> None:
    async def talk(service: Service) -> list[tuple[str | None, int]]:
        await service.put_group("everything", GROUP)
        opened, told = asyncio.Event(), []

        async def listen() -> None:
            async with aclosing(service.follow(opened.set)) as alerts:
                async for alert in alerts:
                    told.append((alert.value, alert.count))
                    if len(told) == 3:
                        return

        listening = asyncio.create_task(listen())
        await opened.wait()
        for programs in (("nc",), ("socat", "sh"), ("nc", "sh", "sh")):
            await service.send("cam-1", starting(*programs))
        await asyncio.wait_for(listening, 5)
        return told

    assert within(loopback, talk) == [("/bin/nc", 1), ("/bin/socat", 1), ("/bin/nc", 2)]


def test_a_message_for_a_busy_service_is_sent_again(loopback: Loopback) -> None:
    loopback.scripted += [problem(503, "the disk is full", retry_after="0"), problem(429, "slowly")]

    async def talk(service: Service) -> tuple[Receipt, int]:
        return await service.send("cam-1", starting("sh")), service.repeated

    receipt, repeated = within(loopback, talk)
    assert (receipt.messages, repeated, len(loopback.requests)) == (1, 2, 3)


def test_a_service_that_starts_is_waited_for_and_one_that_is_not_there_is_not(loopback: Loopback) -> None:
    within(loopback, lambda service: service.until_ready(patience=1))
    gone = loopback.access

    async def talk() -> None:
        async with Service(gone) as service:
            await service.until_ready(patience=60)

    loopback.__exit__(None, None, None)
    with pytest.raises(OperatorError, match="nobody listens there"):
        asyncio.run(talk())


def test_a_service_of_another_kind_is_recognized(loopback: Loopback) -> None:
    loopback.scripted.append((200, {}, b"<html>welcome</html>"))
    with pytest.raises(OperatorError, match="not what this version understands"):
        within(loopback, lambda service: alerts_of(service, EARLIEST))
