"""Access control on a real control store, with a clock that the test moves and hashes that take no time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from fencepost.model.access import AccessToken, Grant, Principal
from fencepost.model.record import AuditRecord
from fencepost.service.access import Access, Lifetimes, NewToken, NewUser, SignedIn
from fencepost.store.control import ControlStore
from fencepost.web.passwords import Argon2

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
TOKENS: Any = {"administrator": "fpa_" + "a" * 43, "ingest": "fpi_" + "i" * 43, "metrics": "fpm_" + "m" * 43}
EVERYTHING, VIEWER = (Grant("administrator"),), (Grant("viewer"),)
ROOT = "token/administrator"


class Counting(Argon2):
    """Remembers how often it was asked, and of which hashes."""

    def __init__(self, time_cost: int = 1) -> None:
        super().__init__(PasswordHasher(time_cost, memory_cost=8, parallelism=1))
        self.asked: list[str] = []

    def matches(self, known: str, password: str) -> bool:
        self.asked.append(known)
        return super().matches(known, password)


class Standing:
    """Access control as it stands; `open` it again as after a restart."""

    def __init__(self, folder: Path) -> None:
        self.now = NOON
        self.store = ControlStore.open(f"sqlite:///{folder / 'control.db'}")
        self.open()

    def open(self, lifetimes: Lifetimes | None = None, *, time_cost: int = 1) -> None:
        self.hashes = Counting(time_cost)
        self.access = Access(self.store, self.hashes, TOKENS, lambda: self.now, lifetimes)

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    async def user(self, name: str = "anna", *grants: Grant, password: str | None = PASSWORD) -> None:
        await self.access.users.add(NewUser(name=name, grants=grants or VIEWER, password=password), ROOT)

    async def signed_in(self, name: str = "anna", password: str = PASSWORD) -> SignedIn:
        return await self.access.sign_ins.by_password(name, password, "192.0.2.1")

    async def token(self, name: str, by: str, *grants: Grant, **members: Any) -> tuple[AccessToken, str]:
        """Make a token as whom a secret stands for."""
        draft = NewToken(name=name, grants=grants or VIEWER, **members)
        return await self.access.tokens.create(draft, self.principal(by))

    def principal(self, secret: str) -> Principal:
        principal = self.access.principal_of(secret)
        assert principal is not None
        return principal

    def audit(self) -> list[AuditRecord]:
        return [*reversed(self.store.audit(limit=1000).items)]

    def said(self) -> list[tuple[str, str, str]]:
        return [(one.actor, one.action, one.subject) for one in self.audit()]
