"""What the API needs of the running service; `app` puts it together."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from fencepost.model.aggregate import AlertAggregate, AlertMetrics
from fencepost.model.alert import Alert
from fencepost.model.entry import Entry
from fencepost.model.kept_answer import KeptAnswer
from fencepost.model.page import AlertFilter, AlertSort, Page, SummaryBy, SummaryRow
from fencepost.model.record import AlertChange, AuditRecord, DeviceRecord, Quarantined, Tally, TallyKind
from fencepost.model.rule import SecurityGroup
from fencepost.service.access import Access
from fencepost.service.commands import Commands
from fencepost.service.intake import Intake
from fencepost.service.mending import Mending
from fencepost.service.pipeline import Pipeline
from fencepost.service.solutions import Solutions

Among = Callable[[str], bool]
"""Whether a device is one of those that are wanted, by its id."""


class ControlQueries(Protocol):
    """
    The control store, as it is read; every call may block and may raise StoreUnavailable.

    Only the answers that are kept for who asks again are written from here.
    """

    def alerts(
        self, wanted: AlertFilter, *, sort: AlertSort = "-started_at", after: str | None, limit: int
    ) -> Page[Alert]: ...
    def alert_summary(self, wanted: AlertFilter, by: SummaryBy, *, limit: int) -> list[SummaryRow]: ...
    def alert_aggregates(
        self, since: datetime, *, groups: frozenset[str] | None = None
    ) -> list[AlertAggregate]: ...
    def alert_metrics(self, since: datetime, *, groups: frozenset[str] | None = None) -> AlertMetrics: ...
    def alert(self, alert_id: str) -> Alert | None: ...
    def changes_of(self, alert_id: str) -> list[AlertChange]: ...
    def changed_after(
        self, position: int, limit: int, *, after_id: str | None
    ) -> list[tuple[Alert, int]]: ...
    def devices(
        self, *, after: str | None, limit: int, text: str | None = None, among: Among | None = None
    ) -> Page[DeviceRecord]: ...
    def device(self, device_id: str) -> DeviceRecord | None: ...
    def tallies(
        self,
        *,
        device_id: str | None,
        kind: TallyKind | None,
        after: str | None,
        limit: int,
        among: Among | None = None,
    ) -> Page[Tally]: ...
    def quarantine(
        self, *, device_id: str | None, after: str | None, limit: int, among: Among | None = None
    ) -> Page[Quarantined]: ...
    def audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None,
        limit: int,
    ) -> Page[AuditRecord]: ...
    def group_versions(
        self, name: str, *, before: int | None = None, limit: int
    ) -> list[tuple[SecurityGroup, int]]: ...
    def begin_answer(
        self, actor: str, wanted: str, fingerprint: bytes, at: datetime
    ) -> KeptAnswer | None: ...
    def keep_answer(
        self, actor: str, wanted: str, status: int, headers: dict[str, str], body: bytes | None
    ) -> None: ...
    def forget_answer(self, actor: str, wanted: str) -> None: ...


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
    mending: Mending
    store: ControlQueries
    access: Access
    solutions: Solutions
    limits: Limits
    intake: Intake
    counters: Counters
    clock: Callable[[], datetime]
    entry: Callable[[int], Entry | None]
    troubles: Callable[[], Iterator[str]]
    exposition: Callable[[], tuple[bytes, str]]
