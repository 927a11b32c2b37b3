"""What no peer may do to us: bounds, deadlines, and nothing left behind."""

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.amqp.client import Client, Hub, RefusedError, break_down, hub, written
from tests.gateway.amqp.test_telemetry import full
from tests.gateway.rig import run

from fencepost.gateway.amqp import engine
from fencepost.gateway.amqp.engine import Engine
from fencepost.model.identity import IdentityKey

CAM = IdentityKey("cam-1")
EVENTS = "/devices/cam-1/messages/events"
TWIN = "/devices/cam-1/twin"


def of(one: Hub) -> Engine:
    """Return the engine of the one connection."""
    gc.collect()
    (found,) = (made for made in gc.get_objects() if isinstance(made, Engine))
    return found


async def device(one: Hub) -> Client:
    await one.rig.add("cam-1")
    return await one.signed_in(CAM)


def test_what_we_take_is_announced(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.client()
            assert client.transport.remote_max_frame_size == engine.LARGEST_FRAME
            assert client.transport.remote_channel_max == engine.MOST_SESSIONS - 1
            assert client.transport.remote_idle_timeout == engine.SILENCE / 2

    run(work())


def test_there_are_so_many_sessions_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await device(one)
            monkeypatch.setattr(engine, "MOST_SESSIONS", 3)
            for _ in range(3):
                client.new_session()
            assert await client.closed() == "amqp:resource-limit-exceeded"

    run(work())


def test_there_are_so_many_links_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await device(one)
            monkeypatch.setattr(engine, "MOST_LINKS", 4)
            await client.sender(EVENTS)
            await client.sender(EVENTS)
            with pytest.raises(RefusedError, match="amqp:resource-limit-exceeded"):
                await client.sender(EVENTS)
            assert client.is_closed or await client.closed()

    run(work())


def test_links_and_sessions_that_are_gone_count_no_more(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await device(one)
            for _ in range(50):
                session = client.new_session()
                await client.detach(await client.sender(EVENTS, session=session))
                await client.receiver(TWIN, session=session)
                with pytest.raises(RefusedError):
                    await client.sender("/elsewhere", session=session)
                session.close()
                client.flush()
            await client.sender(EVENTS)
            ours = of(one)
            assert (ours._link_count, len(ours._ends), len(ours._links)) == (3, 3, 1)
            assert one.gateway.sessions.count() == 1

    run(work())


def test_a_silent_peer_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        monkeypatch.setattr(engine, "SILENCE", 0.4)
        async with hub(tmp_path) as one:
            client = await one.client()
            assert await client.closed() == "amqp:resource-limit-exceeded"
            assert one.traffic.late == 1
            assert one.traffic.malformed == 0

    run(work())


def test_a_peer_that_has_nothing_to_say_but_says_so_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        monkeypatch.setattr(engine, "SILENCE", 0.4)
        async with hub(tmp_path) as one:
            client = await one.client()
            for _ in range(10):
                await asyncio.sleep(0.1)
                client.writer.write(b"\0\0\0\x08\x02\0\0\0")
            assert not client.is_closed

    run(work())


def test_a_peer_hears_from_us_as_often_as_it_wants(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.stranger()
            client.transport.idle_timeout = 1.0
            await client.open()
            before = client.transport.frames_input
            await asyncio.sleep(0.9)
            assert client.transport.frames_input - before >= 2

    run(work())


def test_a_peer_cannot_make_us_talk_without_end(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.stranger()
            client.transport.idle_timeout = 0.002
            await client.open()
            before = client.transport.frames_input
            await asyncio.sleep(0.3)
            assert client.transport.frames_input - before <= 4

    run(work())


def test_a_peer_that_reads_nothing_is_shown_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        monkeypatch.setattr(engine, "CLOGGED", 0.3)
        async with hub(tmp_path) as one:
            client = await device(one)
            requests, answers = await client.sender(TWIN), await client.receiver(TWIN, credit=100_000)
            about = {"operation": "PUT", "resource": "/notifications/twin/properties/desired"}
            await client.send(requests, written(b" ", annotations=about))
            await client.next(answers)
            client.stop_reading()
            for number in range(5000):
                session = one.gateway.sessions.of(CAM)
                if session is None:
                    break
                session.push_desired({"much": "x" * 30_000, "$version": number})
                await asyncio.sleep(0)
            await one.rig.until(lambda: not one.traffic.open)
            assert one.traffic.late == 1

    run(work())


def test_messages_without_an_end_are_held_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await device(one)
            monkeypatch.setattr(engine, "UNFINISHED", 250_000)
            for number in range(3):
                link = await client.sender(EVENTS)
                await client.has_credit(link)
                link.delivery(b"%d" % number)
                link.stream(bytes(100_000))
                client.flush()
            assert await client.closed() == "amqp:resource-limit-exceeded"

    run(work())


def test_what_was_begun_and_ended_counts_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await device(one)
            monkeypatch.setattr(engine, "UNFINISHED", 250_000)
            for _ in range(5):
                link = await client.sender(EVENTS)
                assert await client.send(link, written(bytes(200_000))) == "accepted"
                link.delivery(b"begun")
                link.stream(bytes(100_000))
                client.flush()
                await client.detach(link)
            assert of(one)._unfinished_bytes == 0

    run(work())


def test_nothing_is_read_while_much_waits_for_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        monkeypatch.setattr(engine, "HELD", 30_000)
        async with hub(tmp_path) as one:
            client = await device(one)
            asked = full(one, 20)
            link = await client.sender(EVENTS)
            await client.until(lambda: link.credit > 0)
            sent = [client.post(link, written(bytes(10_000))) for _ in range(10)]
            await one.rig.until(lambda: of(one)._is_paused)
            assert [await client.outcome(delivery) for delivery in sent] == ["accepted"] * 10
            assert len(asked) > 20
            assert (of(one)._held, of(one)._is_paused) == (0, False)

    run(work())


def test_a_message_on_a_link_that_is_not_attached_ends_the_connection(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.client()
            link = client.new_session().sender("early")
            link.target.address = EVENTS
            link.open()
            client.flush()
            client.overrun(1, written(b"{}"), 1)
            assert await client.closed() in {"amqp:not-allowed", "amqp:unauthorized-access"}
            assert one.gateway.uplink.telemetry["amqp"] == 0

    run(work())


def test_messages_that_were_on_their_way_when_a_link_ended_are_dropped(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await device(one)
            keep = await client.sender(EVENTS)
            link = await client.sender(EVENTS, session=client.new_session())
            await client.until(lambda: link.credit > 0)
            link.delivery(b"endless")
            link.stream(bytes(500_000))
            for _ in range(20):
                client.flush()
            assert await client.ended(link) == "amqp:link:message-size-exceeded"
            client.overrun(1, written(b"{}"), 0)
            assert await client.send(keep, written(b"x")) == "accepted"
            assert not client.is_closed

    run(work())


def test_a_fault_of_ours_ends_the_connection_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with hub(tmp_path) as one:
            client = await device(one)
            break_down(one.gateway.uplink, "send_all", RuntimeError("a fault of ours"))
            link = await client.sender(EVENTS)
            await client.until(lambda: link.credit > 0)
            client.post(link, written(b"x"))
            await client.closed()
            assert [str(context["exception"]) for context in told] == ["a fault of ours"]
            await one.rig.until(lambda: one.gateway.sessions.of(CAM) is None)

    run(work())


def test_a_lost_connection_leaves_no_task_and_no_session(tmp_path: Path) -> None:
    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await device(one)
            tasks = len(asyncio.all_tasks())
            full(one, 10**9)
            link = await client.sender(EVENTS)
            await client.receiver(TWIN)
            await client.until(lambda: link.credit > 0)
            client.post(link, written(b"x"))
            await one.rig.until(lambda: len(asyncio.all_tasks()) > tasks)
            client.reset()
            await one.rig.until(lambda: one.gateway.sessions.of(CAM) is None)
            await one.rig.until(lambda: len(asyncio.all_tasks()) < tasks)
            assert not one.traffic.open

    run(work())


def test_strangers_have_a_few_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        monkeypatch.setattr(engine, "MOST_OF_STRANGERS", 3)
        async with hub(tmp_path) as one:
            known = await device(one)
            for _ in range(10):
                known.new_session()
            await known.sender(EVENTS, session=known.new_session())
            stranger = await one.client()
            for _ in range(3):
                stranger.new_session()
            assert await stranger.closed() == "amqp:resource-limit-exceeded"

    run(work())


def test_a_peer_that_does_not_detach_what_was_refused_is_shown_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        monkeypatch.setattr(engine, "MOST_REFUSED", 3)
        async with hub(tmp_path) as one:
            client = await device(one)
            for number in range(4):
                link = client.session.sender(f"refused-{number}")
                link.target.address = "/elsewhere"
                link.open()
            assert await client.closed() == "amqp:resource-limit-exceeded"

    run(work())


def test_a_stranger_writes_nothing_to_our_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The library would, for a frame size that is too small."""

    async def work() -> None:
        async with hub(tmp_path) as one:
            client = await one.stranger()
            client.writer.write(b"AMQP\0\1\0\0")
            fields = b"\xa1\x01c\xa1\x01h\x52\x10"
            body = b"\0\x53\x10\xc0" + bytes([len(fields) + 1, 3]) + fields
            client.writer.write(bytes([0, 0, 0, len(body) + 8, 2, 0, 0, 0]) + body + b"\0\0\0\x05\x02\0\0\0")
            await client.is_gone()
            assert one.traffic.malformed == 1

    run(work())
    assert "WARNING" not in capfd.readouterr().err
