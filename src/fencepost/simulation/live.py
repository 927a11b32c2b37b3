"""
A fleet that lives in real time: the same devices as in the files, at the pace that a rate of messages asks for.

Every device sends every `interval`, one after the other, so that together they keep the rate. What happens to
them happens now, as often as it does in the files: who sends more often sends less each time.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from msgspec import Struct

from fencepost.model.errors import OperatorError, Problem
from fencepost.simulation.device import SENDING, Delivery
from fencepost.simulation.fleet import make_devices
from fencepost.simulation.incidents import Device, Incident, at_rate, problems_of_counts
from fencepost.simulation.reporter import LegacyReporter, ThreadXReporter
from fencepost.simulation.script import Script, endless, planned

FASTEST = 1000
"""The most messages a second of one device."""
SHORTEST = timedelta(seconds=10)
ROUNDS = 3
"""So often every device sends in a run at least, or an incident might not be told in it."""
TOLERATED = timedelta(seconds=1)
"""A delay that is made good. Longer ones let messages fall out, as devices do that were held up."""
FOREVER = datetime.max.replace(tzinfo=UTC)


class LivePlan(Struct, frozen=True, kw_only=True):
    """
    `devices` devices that together send `rate` messages a second.

    With a `duration`, `incidents` strike as in `Fleet`; without one the fleet lives for ever, and meets
    with an incident every `gap`.
    """

    devices: int
    rate: float
    seed: int = 1
    duration: timedelta | None = None
    incidents: float | Mapping[str, int] = 0.02
    gap: timedelta = timedelta(seconds=3)

    @property
    def interval(self) -> timedelta:
        """How often each of the devices sends."""
        return timedelta(seconds=self.devices / self.rate)

    def check(self) -> None:
        """Raise OperatorError with everything about the plan that is impossible."""
        if problems := list(_problems(self)):
            raise OperatorError(problems)

    def counts(self, devices: Sequence[Device]) -> Mapping[str, int]:
        """Return how many incidents of each type strike these devices."""
        return self.incidents if isinstance(self.incidents, Mapping) else at_rate(devices, self.incidents)


class LiveFleet:
    """
    The devices of a plan, alive from `start` on.

    `begun` are the incidents so far, `told` those of which all that their alerts count has been sent.
    Raises OperatorError for an impossible plan.
    """

    def __init__(self, plan: LivePlan, start: datetime) -> None:
        plan.check()
        self.plan = plan
        self.start = start
        self.end = start + plan.duration if plan.duration is not None else FOREVER
        self.devices = make_devices(plan.devices)
        self.begun: list[Incident] = []
        self.told: list[Incident] = []
        self._held_up = timedelta()
        self._script = self._written()
        self._reporters: dict[str, LegacyReporter | ThreadXReporter] = {}
        self._untold: defaultdict[str, list[Incident]] = defaultdict(list)
        self._sent = 0

    @property
    def due(self) -> datetime:
        """When the next message is to be sent."""
        return self.start + self._held_up + timedelta(seconds=self._sent / self.plan.rate)

    def __iter__(self) -> Iterator[Delivery]:
        """Yield the messages of a run in which nothing delays any of them."""
        while self.due < self.end:
            yield self.send(self.due)

    def send(self, now: datetime) -> Delivery:
        """Return the next message, as it is if it is sent now; `now` is not before `due`, and never goes back."""
        if now - self.due > TOLERATED:
            self._held_up += now - self.due
        device = self.devices[self._sent % len(self.devices)]
        self._sent += 1
        reporter = self._reporter(device, now)
        for incident in self._script.strike(device, now):
            self.begun.append(incident)
            self._untold[device.device_id].append(incident)
            reporter.add(incident)
        body = reporter.report(now)
        self._note_told(device, now)
        return Delivery(now, device.device_id, body)

    def _written(self) -> Script:
        plan, interval = self.plan, self.plan.interval
        random = Random(f"{plan.seed} script")  # noqa: S311 - a simulation keeps no secrets
        if plan.duration is None:
            dues = endless(self.start, plan.gap, random)
        else:
            last = self.end - ROUNDS * interval - SHORTEST / 2
            dues = planned(plan.counts(self.devices), (self.start, last), random)
        return Script(self.devices, dues, interval, random, is_endless=plan.duration is None)

    def _reporter(self, device: Device, now: datetime) -> LegacyReporter | ThreadXReporter:
        """Return a device's reporter; it has lived for an interval when it sends for the first time."""
        reporter = self._reporters.get(device.device_id)
        if reporter is None:
            random = Random(f"{self.plan.seed} {device.device_id}")  # noqa: S311
            if device.style is None:
                reporter = ThreadXReporter((), random)
            else:
                span = now - self.plan.interval, self.end
                reporter = LegacyReporter(device, device.style, (), span, random)
                reporter.introduce()
            self._reporters[device.device_id] = reporter
        return reporter

    def _note_told(self, device: Device, now: datetime) -> None:
        if untold := self._untold.pop(device.device_id, None):
            left = [incident for incident in untold if now <= incident.at + incident.length]
            self.told += [incident for incident in untold if incident not in left]
            if left:
                self._untold[device.device_id] = left


def _problems(plan: LivePlan) -> Iterator[Problem]:
    if plan.devices < 1:
        yield Problem("devices", "a fleet has at least one device")
        return
    slowest, fastest = plan.devices / SENDING.total_seconds(), float(FASTEST * plan.devices)
    if not slowest <= plan.rate <= fastest:
        least = -(-slowest * 100 // 1) / 100
        reason = f"{plan.devices} devices send between {least:g} and {fastest:g} messages a second"
        yield Problem("rate", reason)
    elif plan.duration is not None and plan.duration < (shortest := ROUNDS * plan.interval + SHORTEST):
        seconds = -(-shortest // timedelta(seconds=1))
        reason = f"at {plan.rate:g} messages a second, {plan.devices} devices need at least PT{seconds}S"
        yield Problem("duration", f"{reason}, so that each sends {ROUNDS} times")
    if not isinstance(plan.incidents, Mapping) and not 0 <= plan.incidents <= 1:
        yield Problem("incidents", "the share of devices that incidents strike is between 0 and 1")
    else:
        devices = make_devices(plan.devices)
        yield from problems_of_counts(devices, plan.counts(devices))
