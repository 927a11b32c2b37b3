"""A service of our own: `fencepost serve` as a child of this process, on a data folder of its own."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from fencepost.model.errors import FencepostError

USUAL_PORT, USUAL_MQTT, USUAL_AMQP = 8443, 8883, 5671
LOG = "serve.log"
STARTING = 30.0
ENDING = 10.0
LAST_LINES = 10


class Announcement(Struct, frozen=True):
    """What a service says when it takes messages."""

    url: str
    ca_file: str | None = None


class ServiceEnded(FencepostError):  # noqa: N818 - a state of the world
    """The child is gone; the text says what it said last."""


class Served:
    """
    `fencepost serve` on a data folder that has been prepared; it writes its log there.

    It is in a session of its own, so that a Ctrl-C is ours alone, and knows no setting of ours but `port`.
    """

    def __init__(self, data: Path, port: int) -> None:
        self._data = data
        self._port = port or free_port(USUAL_PORT)
        self._process: Process | None = None
        self._listening: asyncio.Task[bytes] | None = None

    async def start(self) -> Announcement:
        """Return when it takes messages; raises ServiceEnded if it does not come to that."""
        command = (sys.executable, "-m", "fencepost", "serve", "--data", str(self._data), "--json")
        with (self._data / LOG).open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdout=PIPE, stderr=log, start_new_session=True, env=self._environment(os.environ)
            )
        out = self._process.stdout
        if out is None:
            raise AssertionError
        try:
            said = await asyncio.wait_for(out.readline(), STARTING)
        except TimeoutError:
            raise ServiceEnded(f"`fencepost serve` was not ready after {STARTING:g} s") from None
        if not said:
            await self._process.wait()
            raise self._ended()
        self._listening = asyncio.create_task(out.read())
        return msgspec.json.decode(said, type=Announcement)

    async def until_end(self) -> ServiceEnded:
        """Return when it has ended by itself, with what it said last."""
        if self._process is not None:
            await self._process.wait()
        return self._ended()

    async def stop(self) -> None:
        """End it; after ten seconds by force."""
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), ENDING)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._listening is not None:
            await self._listening

    def _environment(self, ours: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in ours.items() if not name.startswith("FENCEPOST_")}
        ports = {
            "FENCEPOST_HTTP_PORT": self._port,
            "FENCEPOST_MQTT_PORT": free_port(USUAL_MQTT),
            "FENCEPOST_AMQP_PORT": free_port(USUAL_AMQP),
        }
        return {**kept, **{name: str(port) for name, port in ports.items()}, "FENCEPOST_LOG_FORMAT": "text"}

    def _ended(self) -> ServiceEnded:
        lines = (self._data / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
        code = self._process.returncode if self._process is not None else None
        said = "\n".join(lines[-LAST_LINES:]) or "(nothing)"
        return ServiceEnded(f"`fencepost serve` has ended with {code}. It said last:\n{said}")


def free_port(usual: int) -> int:
    """Return a usual port if it is free, else 0, which stands for any that is."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", usual))
        except OSError:
            return 0
    return usual
