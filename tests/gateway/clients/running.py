"""The client programs of this folder, run on the SDKs against a hub."""

import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests.gateway.clients.hub import Hub, Registered
from tests.program import Program

from fencepost.model.identity import Channel

Language = Literal["python", "node"]
_HERE = Path(__file__).parent


class Flavour(NamedTuple):
    """One SDK of devices on one transport."""

    language: Language
    transport: str

    def __str__(self) -> str:
        return f"{self.language}-{self.transport}"

    @property
    def channel(self) -> Channel:
        return "https" if self.transport == "http" else "amqp" if "amqp" in self.transport else "mqtt"

    @property
    def needs_https(self) -> bool:
        return self.transport.endswith("ws") or self.transport == "http"

    @property
    def options(self) -> dict[str, Any]:
        """What `open` takes of it."""
        if self.language == "node":
            return {"transport": self.transport}
        return {"websockets": True} if self.transport == "mqtt-ws" else {}


PYTHON = Flavour("python", "mqtt")
FLAVOURS = (
    PYTHON,
    Flavour("python", "mqtt-ws"),
    *(Flavour("node", name) for name in ("mqtt", "mqtt-ws", "amqp", "amqp-ws", "http")),
)
CONVERSING = tuple(flavour for flavour in FLAVOURS if flavour.transport != "http")
"""Those with twins and methods."""
SETTLING = (Flavour("node", "amqp"), Flavour("node", "http"))
"""Those that reject messages and give them back."""


class Clients:
    """
    The clients of one test; `close` ends them.

    `places` gives the interpreter of a language's SDKs, or their folder; it may skip the test.
    """

    def __init__(self, hub: Hub, folder: Path, places: Callable[[Language], Path]) -> None:
        self._hub = hub
        self._folder = folder
        self._places = places
        self._running: list[Program] = []
        self._numbers = count(1)

    def device(self, flavour: Flavour, registered: Registered, **options: Any) -> Program:
        """Return a device that is about to connect."""
        program = self.start(flavour.language, "device")
        self.open(program, flavour, registered, **options)
        return program

    def open(self, program: Program, flavour: Flavour, registered: Registered, **options: Any) -> None:
        """Make another client in a program."""
        if flavour.language == "python":
            options["ca_file"] = self._hub.ca_file
        arguments = {"connection_string": registered.connection_string, **flavour.options, **options}
        program.do("open", **arguments)

    def service(self, language: Language) -> Program:
        """Return an owner's program that knows the hub's connection string."""
        program = self.start(language, "service")
        program.do("open", connection_string=self._hub.connection_string)
        return program

    def start(self, language: Language, name: str) -> Program:
        """Return a program of this folder, running."""
        log = self._folder / f"{name}-{next(self._numbers)}.log"
        program = Program(self._command(language, name), self._environment(language), log)
        self._running.append(program)
        return program

    def close(self) -> None:
        for program in self._running:
            program.close()

    def _command(self, language: Language, name: str) -> list[str]:
        if language == "python":
            return [str(self._places(language)), "-m", f"tests.gateway.clients.python.{name}"]
        return [shutil.which("node") or "node", str(_HERE / "node" / f"{name}.js")]

    def _environment(self, language: Language) -> dict[str, str]:
        own = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "LANG": "C.UTF-8"}
        if language == "python":
            return {**own, "REQUESTS_CA_BUNDLE": self._hub.ca_file}
        return {**own, "NODE_PATH": str(self._places(language)), "NODE_EXTRA_CA_CERTS": self._hub.ca_file}
