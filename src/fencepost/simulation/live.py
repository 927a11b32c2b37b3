"""
A fleet that lives in real time: the same devices as in the files, at the pace that a rate of messages asks for.

Every device sends every `interval`, one after the other, so that together they keep the rate. What happens to
them happens now, as often as it does in the files: who sends more often sends less each time.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random

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


class LiveFleet:
    """
    `devices` devices that together send `rate` messages a second from `start` on.

    With a `duration`, `incidents` strike as in `Fleet`; without one the fleet lives for ever, and meets
    with an incident every `gap`. `begun` are the incidents so far, `told` those of which all that their
    alerts count has been sent. Raises OperatorError for arguments that make no fleet.
    """

    def __init__(
        self,
        devices: int,
        *,
        rate: float,
        start: datetime,
        seed: int = 1,
        duration: timedelta | None = None,
        incidents: float | Mapping[str, int] = 0.02,
        gap: timedelta = timedelta(seconds=4),
    ) -> None:
        problems = list(_problems(devices, rate, duration, incidents))
        if problems:
            raise OperatorError(problems)
        self.start = start
        self.rate = rate
        self.seed = seed
        self.end = start + duration if duration is not None else FOREVER
        self.devices = make_devices(devices)
        self.interval = timedelta(seconds=devices / rate)
        self.begun: list[Incident] = []
        self.told: list[Incident] = []
        self.stood_still = timedelta()
        self._script = self._written(duration, incidents, gap)
        self._reporters: dict[str, LegacyReporter | ThreadXReporter] = {}
        self._untold: defaultdict[str, list[Incident]] = defaultdict(list)
        self._sent = 0

    @property
    def due(self) -> datetime:
        """When the next message is to be sent."""
        return self.start + self.stood_still + timedelta(seconds=self._sent / self.rate)

    def __iter__(self) -> Iterator[Delivery]:
        """Yield the messages of a run in which nothing delays any of them."""
        while self.due < self.end:
            yield self.send(self.due)

    def send(self, now: datetime) -> Delivery:
        """Return the next message, as it is if it is sent now; `now` is not before `due`, and never goes back."""
        if now - self.due > TOLERATED:
            self.stood_still += now - self.due
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

    def _written(
        self, duration: timedelta | None, incidents: float | Mapping[str, int], gap: timedelta
    ) -> Script:
        random = Random(f"{self.seed} script")  # noqa: S311 - a simulation keeps no secrets
        if duration is None:
            dues = endless(self.start, gap, random)
        else:
            counts = incidents if isinstance(incidents, Mapping) else at_rate(self.devices, incidents)
            if problems := problems_of_counts(self.devices, counts):
                raise OperatorError(problems)
            last = self.end - ROUNDS * self.interval - SHORTEST / 2
            dues = planned(counts, (self.start, last), random)
        return Script(self.devices, dues, self.interval, random, is_endless=duration is None)

    def _reporter(self, device: Device, now: datetime) -> LegacyReporter | ThreadXReporter:
        """Return a device's reporter; it has lived for an interval when it sends for the first time."""
        reporter = self._reporters.get(device.device_id)
        if reporter is None:
            random = Random(f"{self.seed} {device.device_id}")  # noqa: S311
            if device.style is None:
                reporter = ThreadXReporter((), random)
            else:
                span = now - self.interval, self.end
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


def _problems(
    devices: int, rate: float, duration: timedelta | None, incidents: float | Mapping[str, int]
) -> Iterator[Problem]:
    if devices < 1:
        yield Problem("devices", "a fleet has at least one device")
        return
    slowest, fastest = devices / SENDING.total_seconds(), float(FASTEST * devices)
    if not slowest <= rate <= fastest:
        reason = f"{devices} devices send between {_upwards(slowest)} and {fastest:g} messages a second"
        yield Problem("rate", reason)
    elif duration is not None and duration < (least := ROUNDS * timedelta(seconds=devices / rate) + SHORTEST):
        seconds = -(-least // timedelta(seconds=1))
        reason = f"at {rate:g} messages a second a run of {devices} devices lasts at least PT{seconds}S"
        yield Problem("duration", f"{reason}, so that each of them sends {ROUNDS} times")
    if not isinstance(incidents, Mapping) and not 0 <= incidents <= 1:
        yield Problem("incidents", "the share of devices that incidents strike is between 0 and 1")


def _upwards(number: float) -> str:
    """Return a number with two digits behind the point, never less than it is."""
    return f"{-(-number * 100 // 1) / 100:g}"
