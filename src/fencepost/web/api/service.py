"""What the API needs of the running service; `app` puts it together."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Literal, Protocol

from msgspec import Struct

from fencepost.model.access import Grant, Principal
from fencepost.model.alert import Alert
from fencepost.model.entry import Entry
from fencepost.model.page import AlertFilter, Page
from fencepost.model.record import AlertChange, AuditRecord, DeviceRecord, Quarantined, Tally, TallyKind
from fencepost.service.commands import Commands
from fencepost.service.intake import Intake
from fencepost.service.pipeline import Pipeline

InstallationToken = Literal["administrator", "ingest", "metrics"]


class ControlQueries(Protocol):
    """The control store, as it is read; every call may block and may raise StoreUnavailable."""

    def alerts(self, wanted: AlertFilter, *, after: str | None, limit: int) -> Page[Alert]: ...
    def alert(self, alert_id: str) -> Alert | None: ...
    def changes_of(self, alert_id: str) -> list[AlertChange]: ...
    def changed_after(
        self, position: int, limit: int, *, after_id: str | None
    ) -> list[tuple[Alert, int]]: ...
    def devices(self, *, after: str | None, limit: int) -> Page[DeviceRecord]: ...
    def device(self, device_id: str) -> DeviceRecord | None: ...
    def tallies(
        self, *, device_id: str | None, kind: TallyKind | None, after: str | None, limit: int
    ) -> Page[Tally]: ...
    def quarantine(self, *, device_id: str | None, after: str | None, limit: int) -> Page[Quarantined]: ...
    def audit(self, *, after: str | None, limit: int) -> Page[AuditRecord]: ...


class Tokens:
    """The bearer tokens of the installation; only digests are kept, and compared in constant time."""

    def __init__(self, tokens: Mapping[InstallationToken, str]) -> None:
        self._digests = {name: _digest(token) for name, token in tokens.items()}

    def principal_of(self, token: str) -> Principal | None:
        """Return whom a token stands for, None for one that is not ours."""
        digest = _digest(token)
        found: Principal | None = None
        for name, known in self._digests.items():
            if compare_digest(digest, known):
                found = _PRINCIPALS[name]
        return found


_PRINCIPALS: dict[InstallationToken, Principal] = {
    "administrator": Principal(actor="token/administrator", grants=(Grant("administrator"),)),
    "ingest": Principal(actor="token/ingest", machine="ingest"),
    "metrics": Principal(actor="token/metrics", machine="metrics"),
}


class Limits(Struct, frozen=True, kw_only=True):
    """What one request may ask of us: bytes, and seconds for its body to come in."""

    message_bytes: int
    body_bytes: int
    body_seconds: float
    register: Literal["auto", "refuse"]


class Counters(Struct):
    """What the door has seen since the start."""

    messages: int = 0
    events: int = 0
    rejected_messages: int = 0
    rejected_parts: int = 0
    unknown_devices: int = 0
    unauthorized: int = 0
    too_large: int = 0
    timeouts: int = 0
    busy: int = 0


class Service(Struct, frozen=True, kw_only=True, eq=False):
    """
    The running service. `clock` gives aware UTC; `entry` reads an entry of the journal by its position.

    `troubles` names what is not well at the moment; the service is ready while there is nothing.
    """

    version: str
    pipeline: Pipeline
    commands: Commands
    store: ControlQueries
    access: Tokens
    limits: Limits
    intake: Intake
    counters: Counters
    clock: Callable[[], datetime]
    entry: Callable[[int], Entry | None]
    troubles: Callable[[], Iterator[str]]
    exposition: Callable[[], tuple[bytes, str]]


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
