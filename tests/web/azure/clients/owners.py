"""The owner's programs of this folder, run on Microsoft's clients against a running service."""

import os
import shutil
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests.program import Program
from tests.serving import Serving
from tests.web.azure.arm.calling import Arm

HERE = Path(__file__).parent
_numbers = count(1)


class Client(NamedTuple):
    """One of Microsoft's clients, in one version; its names are as its language writes them."""

    language: Literal["python", "node"]
    version: str
    versions: Path

    def __str__(self) -> str:
        return f"{self.language}-{self.version}"


CLIENTS = (
    Client("python", "7.0.0", HERE / "requirements-7.txt"),
    Client("python", "6.0.0", HERE / "requirements-6.txt"),
    Client("node", "5.0.0", HERE / "package.json"),
)


class Owner:
    """A program with a client of the ARM plane, which is spoken with in one way whatever its language."""

    def __init__(self, client: Client, place: Path, arm: Arm, folder: Path) -> None:
        self.client = client
        self.arm = arm
        log = folder / f"owner-{next(_numbers)}.log"
        self.program = Program(self._command(place), self._environment(place, arm.serving), log)

    @property
    def is_python(self) -> bool:
        return self.client.language == "python"

    def sign_in(self, token: str) -> "Owner":
        """Come in by a token that the program has."""
        place = {"url": self.arm.serving.url, "subscription_id": self.arm.place["subscription_id"]}
        self.program.do("open_with_token", **place, token=token)
        return self

    def sign_in_by_secret(self, client_id: str, client_secret: str) -> "Owner":
        """Come in by azure-identity."""
        self.program.do(
            "open_with_secret",
            url=self.arm.serving.url,
            subscription_id=self.arm.place["subscription_id"],
            tenant_id=self.arm.place["tenant_id"],
            client_id=client_id,
            client_secret=client_secret,
        )
        return self

    def do(self, group: str, name: str, *arguments: Any) -> Any:
        """Return what an operation gives; names are written as Python's client does."""
        return self.program.do("call", group=self.named(group), name=self.named(name), arguments=arguments)

    def refused(self, group: str, name: str, *arguments: Any) -> Any:
        """Return the error of an operation: its class, status and code, and the targets of its details."""
        return self.program.do("refused", group=self.named(group), name=self.named(name), arguments=arguments)

    def pages(self, group: str, name: str) -> list[int]:
        sizes: list[int] = self.program.do("pages", group=self.named(group), name=self.named(name))
        return sizes

    def named(self, name: str) -> str:
        """Return a name as the client's language writes it."""
        if self.is_python:
            return name
        first, *rest = name.split("_")
        return first + "".join(word.capitalize() for word in rest)

    def model(self, name: str, **members: Any) -> dict[str, Any]:
        """Return a model of 2019-08-01 or, as `VERSION:Name`, of another version."""
        if not self.is_python:
            return {self.named(key): value for key, value in members.items()}
        return {"$model": name if ":" in name else f"2019-08-01:{name}", **members}

    def in_group(self, name: str) -> tuple[str, ...]:
        """Return the arguments by which an alert is found at the level of the resource group."""
        location, group = self.arm.place["location"], self.arm.place["resource_group"]
        return (group, location, name) if self.is_python else (location, name, group)

    def properties(self, resource: Any) -> Any:
        """Return the properties of a resource as they are on the wire: in JavaScript they are its own members."""
        return resource["properties"] if self.is_python else resource

    def close(self) -> None:
        self.program.close()

    def _command(self, place: Path) -> list[str]:
        if self.is_python:
            return [str(place), "-m", "tests.web.azure.clients.python.security"]
        return [shutil.which("node") or "node", str(HERE / "node" / "security.js")]

    def _environment(self, place: Path, serving: Serving) -> dict[str, str]:
        authority = str(serving.folder / "tls" / "ca.pem")
        own = {"PATH": os.environ["PATH"], "HOME": str(serving.folder.parent), "LANG": "C.UTF-8"}
        if self.is_python:
            return {**own, "REQUESTS_CA_BUNDLE": authority}
        return {**own, "NODE_PATH": str(place), "NODE_EXTRA_CA_CERTS": authority}
