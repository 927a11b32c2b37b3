"""A live fleet against a running service: send, listen, and judge in the end what came of it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Any

from msgspec import Struct, structs

from fencepost.client.access import Access, host_of
from fencepost.client.device_keys import DeviceKeys
from fencepost.client.hub import Hub
from fencepost.client.service import CONNECTIONS, Receipt, Service
from fencepost.client.tasks import first_of
from fencepost.client.transports import Door
from fencepost.model.alert import Alert
from fencepost.simulation.clock import Clock
from fencepost.simulation.fleet import make_devices
from fencepost.simulation.incidents import ExpectedAlert, Incident
from fencepost.simulation.live import LiveFleet, LivePlan
from fencepost.simulation.senders import Send, Senders
from fencepost.simulation.verdict import BEFORE, Verdict, judge
from fencepost.simulation.watch import Watch

FIRST_CONTACT = 5.0
"""Seconds of patience before anything has been sent."""
STARTING = 30.0
"""Seconds in which a service that has just been started must be ready."""
GRACE = 5.0
"""Seconds in which messages that are under way may arrive when the run is stopped."""
PATIENCE = 10.0
"""Seconds in which the alerts must have come."""
STEP = 0.2
HELD = 0.98
"""The share of a rate from which on it counts as kept."""


class Findings(Struct, frozen=True, kw_only=True):
    """
    What came of a run that lasted from `start` to `end`; `rate` is what was asked for.

    `expected` is the number of alerts that had to come, `alerts` of those that opened or counted on, without
    those of earlier runs. `events` is None where devices are told only that a message has arrived, and not what was understood of it.
    """

    start: datetime
    end: datetime
    messages: int
    events: int | None
    rejected: int
    reasons: Mapping[str, int]
    rate: float
    expected: int
    alerts: int
    missing: tuple[ExpectedAlert, ...]
    unexpected: tuple[Alert, ...]

    @property
    def rate_reached(self) -> float:
        """Messages a second that the service has taken."""
        return self.messages / max(1e-3, (self.end - self.start).total_seconds())

    @property
    def is_rate_held(self) -> bool:
        return self.messages + 1 >= HELD * self.rate * (self.end - self.start).total_seconds()

    @property
    def is_right(self) -> bool:
        """Whether exactly the scripted alerts came and nothing was refused."""
        return not (self.missing or self.unexpected or self.rejected)


async def run_live(
    access: Access,
    plan: LivePlan,
    *,
    groups: Mapping[str, Any] | None,
    watch: Watch,
    stop: asyncio.Event,
    clock: Clock | None = None,
    connections: int = CONNECTIONS,
    door: Door | None = None,
) -> Findings:
    """
    Put the groups in force (None: leave them as they are), let a fleet live, and return what came of it.

    With a `door` each device is registered, and sends that way as a real one does.

    It ends with the plan's duration, or when `stop` is set. Raises OperatorError for an impossible plan,
    an access that is of no use, and a service that does not answer, or not as it should.
    """
    plan.check()
    clock = clock or Clock()
    async with Service(access, connections=connections, sleep=clock.sleep) as service:
        await service.until_ready(patience=STARTING)
        for name, body in (groups or {}).items():
            await service.put_group(name, body, patience=FIRST_CONTACT)
        async with _sending(service, access, plan, door, clock) as send:
            run = _Run(service, plan, watch, stop, clock)
            try:
                findings = await run.go(send, connections)
            except BaseExceptionGroup as group:
                raise first_of(group) from group
        return findings if door is None else structs.replace(findings, events=None)


@asynccontextmanager
async def _sending(
    service: Service, access: Access, plan: LivePlan, door: Door | None, clock: Clock
) -> AsyncIterator[Send]:
    """Yield what sends a message of a device: over our own API, or through a door of devices."""
    if door is None:
        yield service.send
        return
    keys = DeviceKeys(Hub(service.requests), host_of(service.url), clock.now)
    transport = door.transport(keys, access, service.requests)

    async def send(device_id: str, body: bytes) -> Receipt:
        await transport.send(device_id, body)
        return Receipt(messages=1, events=0)

    try:
        await keys.register([device.device_id for device in make_devices(plan.devices)])
        yield send
    finally:
        await transport.close()


class _Run:
    def __init__(
        self, service: Service, plan: LivePlan, watch: Watch, stop: asyncio.Event, clock: Clock
    ) -> None:
        self._service = service
        self._plan = plan
        self._watch = watch
        self._stop = stop
        self._clock = clock
        self._known = frozenset(device.device_id for device in make_devices(plan.devices))

    async def go(self, send: Send, connections: int) -> Findings:
        opened = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            follower = tasks.create_task(self._follow(self._clock.now() - BEFORE, opened))
            await self._unless_stopped(self._wait(opened, FIRST_CONTACT))
            fleet = LiveFleet(self._plan, self._clock.now())
            senders = Senders(send, connections, self._on_receipt, tasks)
            await self._unless_stopped(self._send(fleet, senders))
            await self._unless_stopped(senders.join(), GRACE)
            end = self._clock.now()
            senders.cancel()
            findings = await self._find(fleet, end)
            follower.cancel()
        return findings

    async def _follow(self, since: datetime, opened: asyncio.Event) -> None:
        async with aclosing(self._service.follow(opened.set)) as alerts:
            async for alert in alerts:
                if alert.device_id in self._known:
                    self._watch.hear(alert, self._clock.now(), since)

    def _on_receipt(self, receipt: Receipt) -> None:
        self._watch.acknowledge(receipt, self._clock.now())

    async def _send(self, fleet: LiveFleet, senders: Senders) -> None:
        while (now := self._clock.now()) < fleet.end and fleet.due < fleet.end:
            ahead = (fleet.due - now).total_seconds()
            if ahead > 0:
                await self._clock.sleep(min(ahead, STEP))
            else:
                await senders.put(fleet.send(now))

    async def _find(self, fleet: LiveFleet, end: datetime) -> Findings:
        waited = 0.0
        while True:
            await self._clock.sleep(STEP)
            waited += STEP
            alerts = await self._alerts_of(fleet)
            verdict = judge(fleet.told, fleet.begun, alerts, fleet.start)
            if not verdict.missing or waited >= PATIENCE:
                return self._findings(fleet, end, alerts, verdict)

    async def _alerts_of(self, fleet: LiveFleet) -> list[Alert]:
        async with aclosing(self._service.alerts(fleet.start - BEFORE, patience=PATIENCE)) as alerts:
            return [alert async for alert in alerts if alert.device_id in self._known]

    def _findings(self, fleet: LiveFleet, end: datetime, alerts: list[Alert], verdict: Verdict) -> Findings:
        watch = self._watch
        return Findings(
            start=fleet.start,
            end=end,
            messages=watch.messages,
            events=watch.events,
            rejected=watch.rejected,
            reasons=dict(watch.reasons),
            rate=self._plan.rate,
            expected=len(fleet.told),
            alerts=sum(_is_of(alert, fleet.begun) or alert in verdict.unexpected for alert in alerts),
            missing=verdict.missing,
            unexpected=verdict.unexpected,
        )

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for an event, but no longer than that."""
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _unless_stopped(self, work: Coroutine[Any, Any, object], grace: float = 0.0) -> None:
        """Do some work to its end, or until the run is stopped and `grace` has passed."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and grace:
                await asyncio.wait({working}, timeout=grace)
            if working.done():
                working.result()
        finally:
            working.cancel()
            stopping.cancel()


def _is_of(alert: Alert, begun: Sequence[Incident]) -> bool:
    """Return whether an incident has opened an alert, or counted on."""
    return any(
        (alert.device_id, alert.rule_type, alert.value) == (one.device.device_id, one.rule_type, one.value)
        and alert.last_seen_at >= one.at.replace(microsecond=0)
        for one in begun
    )
